#pragma once
/// What the environment says about the Hub: the variables that huggingface_hub reads, with the same
/// meaning.
#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "hub/secret.h"

namespace qk::hub {

struct Settings {
  std::string endpoint = "https://huggingface.co";  ///< HF_ENDPOINT, without a slash at the end
  std::optional<Secret> token;                      ///< HF_TOKEN, or the token file
  bool offline = false;                             ///< HF_HUB_OFFLINE: no request at all
  std::filesystem::path cache;                      ///< HF_HUB_CACHE
  std::chrono::seconds connect_timeout{10};
  std::chrono::seconds idle_timeout{10};       ///< HF_HUB_DOWNLOAD_TIMEOUT: no byte for so long
  std::string certificates;                    ///< SSL_CERT_FILE, a file; empty: the system's
  std::string https_proxy, http_proxy;         ///< HTTPS_PROXY, HTTP_PROXY, ALL_PROXY; empty: none
  std::string no_proxy;                        ///< NO_PROXY: hosts that are asked directly
  std::chrono::milliseconds retry_unit{1000};  ///< SNIFF_QK_RETRY_MS: the first wait of a retry
  int retries = 5;
  int parallel = 8;                         ///< transfers at a time
  const std::atomic<bool>* stop = nullptr;  ///< Ctrl-C: transfers end with Interrupted
};

/// Throws Interrupted once settings.stop is set.
void throw_if_stopped(const Settings& settings);

/// The value of a variable; nullopt: not set.
using Variables = std::function<std::optional<std::string>(const std::string& name)>;

/// The process's variables, then those of `.env` in the working directory.
Variables environment();

/// The lines NAME=value of a .env file: `export` before them, quotes around values, comments.
Variables variables_of_file(const std::string& text);

/// Throws HubError: a value that can't be used, no home folder for the cache.
Settings read_settings(const Variables& variables);

}  // namespace qk::hub

#pragma once
/// One HTTP exchange at a time and thread, over connections that are kept. libcurl is behind it, in
/// http_curl.cpp alone.
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "hub/settings.h"

namespace qk::hub {

struct HttpResponse {
  int status = 0;
  std::map<std::string, std::string> headers = {};  ///< lower case; of equal ones the last
  std::string body = {};

  bool ok() const { return status >= 200 && status < 300; }
  /// Empty when there is no such header.
  const std::string& header(const std::string& name) const;
};

/// A part of a file, as the body of a request.
struct FileSlice {
  std::filesystem::path file;
  int64_t offset = 0, bytes = 0;
};

struct HttpRequest {
  std::string method = "GET";
  std::string url = {};
  std::vector<std::string> headers = {};  ///< "Name: value"
  std::string body = {};
  std::optional<FileSlice> file = {};                     ///< the body, in place of `body`
  std::optional<std::chrono::seconds> idle_timeout = {};  ///< in place of the settings'
  /// Takes the body of a success as it arrives. What it throws ends the exchange and is thrown on.
  std::function<void(const HttpResponse& head, std::string_view bytes)> on_body = {};
};

/// No answer, or not a whole one: unreachable, cut off, silent for too long.
class TransportError : public std::runtime_error {
 public:
  TransportError(const std::string& what, bool retryable)
      : std::runtime_error(what), retryable_(retryable) {}
  bool retryable() const { return retryable_; }

 private:
  bool retryable_;
};

/// Thread-safe. Never follows a redirect by itself.
class Http {
 public:
  explicit Http(const Settings& settings);
  ~Http();

  /// Any status is an answer. Throws TransportError; Interrupted when settings.stop is set;
  /// HubError in a build without libcurl.
  HttpResponse exchange(const HttpRequest& request);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace qk::hub

#pragma once
/// Requests to the Hub: the token where it belongs, redirects, retries, answers as JSON.
#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "hub/http.h"
#include "hub/refusal.h"
#include "hub/settings.h"

namespace qk::hub {

enum class Redirects {
  All,
  OnThisHost,  ///< an answer that leads to another host is given as it is
};

struct SendOptions {
  Redirects redirects = Redirects::All;
  bool retry = true;
  bool with_token = true;  ///< on requests to the Hub; another host never sees it
};

class Client {
 public:
  explicit Client(Settings settings);

  const Settings& settings() const { return settings_; }

  /// The last answer, of whatever status, after redirects and retries. Throws HubError when there
  /// is none, or the Hub may not be asked (offline); TransportError when it breaks off after
  /// on_body saw bytes.
  HttpResponse send(HttpRequest request, const SendOptions& options = {});

  /// The body of a success; `path` begins with a slash. Throws HubError: refused, or no JSON.
  nlohmann::json get_json(const std::string& path, const Subject& subject);

  /// The same with a JSON body.
  nlohmann::json post_json(const std::string& path, const nlohmann::json& body,
                           const Subject& subject);

  /// A listing that comes in pages, whole. Throws HubError as get_json.
  nlohmann::json get_pages(const std::string& path, const Subject& subject);

  /// Throws HubError unless the answer is a success.
  void expect_success(const HttpResponse& response, const std::string& url, Subject subject) const;

  /// An address of the Hub. Those that name huggingface.co lead to the endpoint, if it is another.
  std::string url(const std::string& path) const;

  /// Waits `units` of the settings' retry_unit. Throws Interrupted.
  void wait(double units) const;

 private:
  HttpResponse send_with_retries(const HttpRequest& request, bool retry);
  HttpResponse follow(HttpRequest request, const SendOptions& options);

  Settings settings_;
  Http http_;
};

/// How long to wait before try number `tries` + 1, in seconds: what the server asks for, else
/// 1, 2, 4, 8, 8.
double seconds_before_retry(const HttpResponse* response, int tries);

/// True for answers that may be better next time: 408, 429, 500, 502, 503, 504.
bool is_retryable(int status);

}  // namespace qk::hub

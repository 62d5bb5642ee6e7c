#include "hub/client.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <string_view>
#include <thread>

#include "base/error.h"
#include "base/log.h"
#include "hub/url.h"

namespace qk::hub {
namespace {

using Json = nlohmann::json;

constexpr int kMaxRedirects = 10;
constexpr int kMaxPages = 100'000;
constexpr std::string_view kPublicHub = "https://huggingface.co";

std::optional<int> leading_number(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end == text.data() || value < 0) return std::nullopt;
  return value;
}

/// Seconds until the quota is new: `"api";r=0;t=55`.
std::optional<int> rate_limit_reset(std::string_view header) {
  const size_t at = header.find(";t=");
  return at == std::string_view::npos ? std::nullopt : leading_number(header.substr(at + 3));
}

/// The address of `<URL>; rel="next"`; empty: none.
std::string next_page(const std::string& link) {
  const size_t rel = link.find("rel=\"next\"");
  if (rel == std::string::npos) return "";
  const size_t open = link.rfind('<', rel), close = link.rfind('>', rel);
  if (open == std::string::npos || close == std::string::npos || close < open) return "";
  return link.substr(open + 1, close - open - 1);
}

Json parse(const HttpResponse& response, const std::string& url) {
  Json json = Json::parse(response.body, nullptr, false);
  if (json.is_discarded()) {
    throw HubError(
        "{}: the answer is no JSON; is a proxy or a login page in between? It begins with: {}",
        printable(url), response.body.substr(0, 80));
  }
  return json;
}

bool is_redirect(const HttpResponse& response) {
  return response.status >= 300 && response.status < 400 && !response.header("location").empty();
}

}  // namespace

double seconds_before_retry(const HttpResponse* response, int tries) {
  if (response != nullptr && response->status == 429) {
    if (const auto reset = rate_limit_reset(response->header("ratelimit"))) return *reset + 1;
  }
  if (response != nullptr) {
    if (const auto after = leading_number(response->header("retry-after"))) return *after + 1;
  }
  return std::min(1 << std::min(tries, 3), 8);
}

bool is_retryable(int status) {
  return status == 408 || status == 429 || status == 500 || (status >= 502 && status <= 504);
}

Client::Client(Settings settings) : settings_(std::move(settings)), http_(settings_) {}

void Client::wait(double units) const {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                      units * std::chrono::duration<double>(settings_.retry_unit));
  while (Clock::now() < end) {
    throw_if_stopped(settings_);
    std::this_thread::sleep_for(
        std::min<Clock::duration>(end - Clock::now(), std::chrono::milliseconds(50)));
  }
}

std::string Client::url(const std::string& path) const {
  if (path.starts_with('/')) return settings_.endpoint + path;
  const bool elsewhere = path.starts_with(kPublicHub) &&
                         (path.size() == kPublicHub.size() || path[kPublicHub.size()] == '/');
  return elsewhere ? settings_.endpoint + path.substr(kPublicHub.size()) : path;
}

HttpResponse Client::send_with_retries(const HttpRequest& request, bool retry) {
  bool delivered = false;
  HttpRequest watched = request;
  if (request.on_body) {
    watched.on_body = [&](const HttpResponse& head, std::string_view bytes) {
      delivered = true;
      request.on_body(head, bytes);
    };
  }
  for (int tries = 0;; ++tries) {
    const bool last = !retry || tries >= settings_.retries;
    double seconds = seconds_before_retry(nullptr, tries);
    std::string problem;
    try {
      HttpResponse response = http_.exchange(watched);
      if (last || !is_retryable(response.status)) return response;
      seconds = seconds_before_retry(&response, tries);
      problem = fmt::format("{}: the Hub answered {}", printable(request.url), response.status);
    } catch (const TransportError& error) {
      if (delivered) throw;
      if (last || !error.retryable()) throw UnreachableError("{}", error.what());
      problem = error.what();
    }
    if (seconds > 8) log::info("{}; next try in {:.0f} s", problem, seconds);
    log::debug("{}; try {} of {}", problem, tries + 2, settings_.retries + 1);
    wait(seconds);
  }
}

HttpResponse Client::follow(HttpRequest request, const SendOptions& options) {
  const std::vector<std::string> headers = request.headers;
  const std::string home = origin_of(settings_.endpoint);
  for (int hop = 0; hop <= kMaxRedirects; ++hop) {
    request.headers = headers;
    request.headers.push_back("User-Agent: sniff-qk");
    if (options.with_token && settings_.token && origin_of(request.url) == home)
      request.headers.push_back("Authorization: Bearer " + settings_.token->reveal());
    HttpResponse response = send_with_retries(request, options.retry);
    if (!is_redirect(response)) return response;
    std::string next = url(resolve_location(request.url, response.header("location")));
    const bool same_host = origin_of(next) == origin_of(request.url);
    if (!same_host && options.redirects == Redirects::OnThisHost) {
      response.headers["location"] = next;
      return response;
    }
    request.url = std::move(next);
  }
  throw HubError("{}: redirected more than {} times; a proxy or HF_ENDPOINT may be set up wrongly",
                 printable(request.url), kMaxRedirects);
}

HttpResponse Client::send(HttpRequest request, const SendOptions& options) {
  if (settings_.offline) {
    throw UnreachableError("HF_HUB_OFFLINE is set; unset it to ask {}", printable(request.url));
  }
  return follow(std::move(request), options);
}

void Client::expect_success(const HttpResponse& response, const std::string& url,
                            Subject subject) const {
  if (response.ok()) return;
  subject.has_token = settings_.token.has_value();
  throw_refused(response, url, subject);
}

Json Client::get_json(const std::string& path, const Subject& subject) {
  const std::string address = url(path);
  const HttpResponse response = send({.url = address});
  expect_success(response, address, subject);
  return parse(response, address);
}

Json Client::post_json(const std::string& path, const Json& body, const Subject& subject) {
  const std::string address = url(path);
  const HttpResponse response = send({.method = "POST",
                                      .url = address,
                                      .headers = {"Content-Type: application/json"},
                                      .body = body.dump()});
  expect_success(response, address, subject);
  return parse(response, address);
}

Json Client::get_pages(const std::string& path, const Subject& subject) {
  Json all = Json::array();
  std::string address = url(path);
  for (int page = 0; !address.empty(); ++page) {
    const HttpResponse response = send({.url = address});
    expect_success(response, address, subject);
    const Json items = parse(response, address);
    if (!items.is_array() || page == kMaxPages)
      throw HubError("{}: the listing is no list, or has no end", printable(address));
    all.insert(all.end(), items.begin(), items.end());
    const std::string next = next_page(response.header("link"));
    address = next.empty() ? "" : url(resolve_location(address, next));
  }
  return all;
}

}  // namespace qk::hub

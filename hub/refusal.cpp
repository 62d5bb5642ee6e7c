#include "hub/refusal.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "hub/url.h"

namespace qk::hub {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxMessage = 300;

std::string on_one_line(std::string text) {
  if (text.size() > kMaxMessage) text = text.substr(0, kMaxMessage) + " ...";
  std::ranges::replace_if(
      text, [](unsigned char c) { return std::iscntrl(c) != 0; }, ' ');
  return text;
}

std::string message_in_body(const std::string& body) {
  const Json json = Json::parse(body, nullptr, false);
  if (!json.is_object()) return body.starts_with('<') || body.starts_with(" <") ? "" : body;
  const auto error = json.find("error");
  if (error != json.end() && error->is_string()) return error->get<std::string>();
  if (error != json.end() && error->is_array() && !error->empty() && (*error)[0].is_string())
    return (*error)[0].get<std::string>();
  const auto errors = json.find("errors");
  if (errors != json.end() && errors->is_array() && !errors->empty() && (*errors)[0].is_object())
    return (*errors)[0].value("message", "");
  return "";
}

std::string request_id(const HttpResponse& response) {
  for (const char* name : {"x-request-id", "x-amzn-trace-id", "x-amz-cf-id"}) {
    if (const std::string& id = response.header(name); !id.empty())
      return fmt::format(" (request {})", on_one_line(id));
  }
  return "";
}

std::string advice_without_access(const Subject& subject) {
  return subject.has_token
             ? "check the name; if the repository is private, the token must belong to somebody "
               "who may read it"
             : "check the name; if the repository is private, set HF_TOKEN (or run `hf auth "
               "login`)";
}

}  // namespace

Refusal refusal_of(const HttpResponse& response) {
  const std::string& code = response.header("x-error-code");
  const std::string& message = response.header("x-error-message");
  if (code == "RevisionNotFound") return Refusal::RevisionMissing;
  if (code == "EntryNotFound") return Refusal::FileMissing;
  if (code == "GatedRepo") return Refusal::Gated;
  if (message == "Access to this resource is disabled.") return Refusal::Disabled;
  if (code == "RepoNotFound") return Refusal::RepoMissing;
  switch (response.status) {
    case 401:
      return message == "Invalid credentials in Authorization header" ? Refusal::BadToken
                                                                      : Refusal::RepoMissing;
    case 403:
      return Refusal::Forbidden;
    case 404:
      return Refusal::RepoMissing;
    case 409:
      return Refusal::Conflict;
    case 412:
      return Refusal::Stale;
    case 413:
      return Refusal::TooLarge;
    default:
      return Refusal::Other;
  }
}

std::string server_message(const HttpResponse& response) {
  std::string message = response.header("x-error-message");
  if (message.empty()) message = message_in_body(response.body);
  return on_one_line(message);
}

void throw_refused(const HttpResponse& response, const std::string& url, const Subject& subject) {
  const std::string said = server_message(response);
  const std::string where = printable(url) + request_id(response);
  switch (refusal_of(response)) {
    case Refusal::RevisionMissing:
      throw HubError("{} has no revision '{}'; give a branch, tag or commit that exists: {}",
                     subject.repo, subject.revision, where);
    case Refusal::FileMissing:
      throw HubError("{} has no file '{}' at revision '{}': {}", subject.repo, subject.file,
                     subject.revision, where);
    case Refusal::Gated:
      throw HubError(
          "{} is gated: {}. {}: {}", subject.repo, said,
          subject.has_token
              ? "Ask for access on its page, with the account the token belongs to; a fine-grained "
                "token must allow gated repositories"
              : "Ask for access on its page, then set HF_TOKEN (or run `hf auth login`)",
          where);
    case Refusal::Disabled:
      throw HubError("{} is disabled by the Hub; use another: {}", subject.repo, where);
    case Refusal::BadToken:
      throw HubError(
          "the Hub refuses the token: wrong or expired; set HF_TOKEN anew (or run `hf auth "
          "login`): {}",
          where);
    case Refusal::RepoMissing:
      throw HubError("{}: no such repository, or no access to it; {}: {}", subject.repo,
                     advice_without_access(subject), where);
    case Refusal::Forbidden:
      throw HubError("{}: the Hub forbids it: {}. The token needs the right to do this: {}",
                     subject.repo, said, where);
    default:
      if (response.status >= 500 || response.status == 429)
        throw UnreachableError("the Hub answered {} to each try; wait a while: {}: {}",
                               response.status, said.empty() ? "no message" : said, where);
      throw HubError("{}: the Hub answered {}: {}: {}", subject.repo, response.status,
                     said.empty() ? "no message" : said, where);
  }
}

}  // namespace qk::hub

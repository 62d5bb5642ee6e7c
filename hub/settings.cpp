#include "hub/settings.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <map>
#include <system_error>

#include "base/error.h"
#include "base/files.h"

namespace qk::hub {
namespace {

namespace fs = std::filesystem;

std::string trimmed(std::string text) {
  const char* blanks = " \t\r\n";
  text.erase(0, text.find_first_not_of(blanks));
  const size_t last = text.find_last_not_of(blanks);
  if (last != std::string::npos) text.resize(last + 1);
  return text;
}

/// Quotes are taken off; without them a comment may follow.
std::string env_value(std::string text) {
  text = trimmed(std::move(text));
  if (text.size() >= 2 && (text.front() == '"' || text.front() == '\'')) {
    const size_t end = text.find(text.front(), 1);
    if (end != std::string::npos) return text.substr(1, end - 1);
  }
  return trimmed(text.substr(0, text.find(" #")));
}

std::map<std::string, std::string> parse_env(const std::string& text) {
  std::map<std::string, std::string> values;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string line = trimmed(text.substr(at, end - at));
    at = end + 1;
    if (line.starts_with("export ")) line = trimmed(line.substr(7));
    const size_t equals = line.find('=');
    if (line.empty() || line[0] == '#' || equals == std::string::npos) continue;
    values[trimmed(line.substr(0, equals))] = env_value(line.substr(equals + 1));
  }
  return values;
}

std::optional<std::string> first_of(const Variables& variables,
                                    std::initializer_list<const char*> names) {
  for (const char* name : names) {
    std::optional<std::string> value = variables(name);
    if (value && !value->empty()) return value;
  }
  return std::nullopt;
}

bool is_true(const Variables& variables, const char* name) {
  std::string value = variables(name).value_or("");
  std::ranges::transform(value, value.begin(), [](unsigned char c) { return std::toupper(c); });
  return value == "1" || value == "ON" || value == "YES" || value == "TRUE";
}

std::optional<int64_t> number(const Variables& variables, const char* name) {
  const std::optional<std::string> text = first_of(variables, {name});
  if (!text) return std::nullopt;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc{} || end != text->data() + text->size() || value < 0) {
    throw HubError("{}: '{}' is no number; give one, or unset it", name, *text);
  }
  return value;
}

/// `~` and `$NAME` at the start of a path are filled in.
fs::path expanded(std::string path, const Variables& variables) {
  if (path == "~" || path.starts_with("~/")) path = "$HOME" + path.substr(1);
  if (!path.starts_with('$')) return path;
  const size_t end = std::min(path.find('/'), path.size());
  return variables(path.substr(1, end - 1)).value_or("") + path.substr(end);
}

fs::path hub_home(const Variables& variables) {
  if (const auto home = first_of(variables, {"HF_HOME"})) return expanded(*home, variables);
  if (const auto cache = first_of(variables, {"XDG_CACHE_HOME"}))
    return expanded(*cache, variables) / "huggingface";
  const auto home = first_of(variables, {"HOME"});
  if (!home) {
    throw HubError(
        "no folder for the Hub's cache: HOME is not set; set HF_HOME to a folder that may grow");
  }
  return fs::path(*home) / ".cache" / "huggingface";
}

std::optional<Secret> find_token(const Variables& variables, const fs::path& home) {
  if (const auto token = first_of(variables, {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}))
    return Secret(trimmed(*token));
  const auto named = first_of(variables, {"HF_TOKEN_PATH"});
  const fs::path file = named ? expanded(*named, variables) : home / "token";
  std::error_code ignored;
  if (!fs::is_regular_file(file, ignored)) return std::nullopt;
  try {
    const std::string token = trimmed(read_file(file));
    return token.empty() ? std::nullopt : std::optional(Secret(token));
  } catch (const std::system_error& error) {
    throw HubError("{}; make the token's file readable, or set HF_TOKEN", error.what());
  }
}

/// A token with a line break would smuggle a header into each request.
void check_token(const std::optional<Secret>& token) {
  const auto is_odd = [](unsigned char c) { return c <= ' ' || c >= 127; };
  if (token && std::ranges::any_of(token->reveal(), is_odd))
    throw HubError("the Hub's token holds blanks or control characters; set HF_TOKEN anew");
}

}  // namespace

void throw_if_stopped(const Settings& settings) {
  if (settings.stop != nullptr && *settings.stop)
    throw Interrupted("stopped; the same command goes on from there");
}

Variables variables_of_file(const std::string& text) {
  return [values = parse_env(text)](const std::string& name) -> std::optional<std::string> {
    const auto found = values.find(name);
    return found == values.end() ? std::nullopt : std::optional(found->second);
  };
}

Variables environment() {
  Variables file = variables_of_file("");
  try {
    if (fs::is_regular_file(".env")) file = variables_of_file(read_file(".env"));
  } catch (const std::system_error& error) {
    throw HubError("{}; make it readable or move it away", error.what());
  }
  return [file](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value ? std::optional<std::string>(value) : file(name);
  };
}

Settings read_settings(const Variables& variables) {
  Settings settings;
  const fs::path home = hub_home(variables);
  if (auto endpoint = first_of(variables, {"HF_ENDPOINT"})) {
    while (endpoint->ends_with('/')) endpoint->pop_back();
    if (!endpoint->starts_with("https://") && !endpoint->starts_with("http://"))
      throw HubError("HF_ENDPOINT: '{}' is no address that begins with https://", *endpoint);
    settings.endpoint = *endpoint;
  }
  const auto cache = first_of(variables, {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"});
  settings.cache = cache ? expanded(*cache, variables) : home / "hub";
  settings.token = find_token(variables, home);
  check_token(settings.token);
  settings.offline =
      is_true(variables, "HF_HUB_OFFLINE") || is_true(variables, "TRANSFORMERS_OFFLINE");
  const auto text = [&](std::initializer_list<const char*> names) {
    return first_of(variables, names).value_or("");
  };
  settings.certificates = text({"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"});
  settings.https_proxy = text({"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"});
  settings.http_proxy = text({"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"});
  settings.no_proxy = text({"no_proxy", "NO_PROXY"});
  if (const auto seconds = number(variables, "HF_HUB_DOWNLOAD_TIMEOUT"))
    settings.idle_timeout = std::chrono::seconds(std::max<int64_t>(*seconds, 1));
  if (const auto unit = number(variables, "SNIFF_QK_RETRY_MS"))
    settings.retry_unit = std::chrono::milliseconds(*unit);
  return settings;
}

}  // namespace qk::hub

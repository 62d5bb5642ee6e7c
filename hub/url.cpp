#include "hub/url.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace qk::hub {
namespace {

bool is_unreserved(unsigned char c) {
  return std::isalnum(c) != 0 || c == '-' || c == '.' || c == '_' || c == '~';
}

std::string escape_but(std::string_view text, std::string_view kept) {
  std::string escaped;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (is_unreserved(byte) || kept.find(c) != std::string_view::npos) {
      escaped += c;
    } else {
      escaped += fmt::format("%{:02X}", byte);
    }
  }
  return escaped;
}

/// Up to the path: "https://user@host:80".
std::string_view before_path(std::string_view url) {
  const size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return {};
  return url.substr(0, url.find_first_of("/?#", scheme + 3));
}

}  // namespace

std::string escape(std::string_view text) { return escape_but(text, ""); }

std::string escape_path(std::string_view path) { return escape_but(path, "/"); }

std::string origin_of(std::string_view url) {
  std::string start(before_path(url));
  std::ranges::transform(start, start.begin(), [](unsigned char c) { return std::tolower(c); });
  const bool secure = start.starts_with("https://");
  if (!secure && !start.starts_with("http://")) return {};
  const size_t host_at = start.find("://") + 3;
  std::string host = start.substr(host_at);
  host.erase(0, host.rfind('@') + 1);
  const size_t colon = host.find(':', host.starts_with('[') ? host.find(']') : 0);
  if (colon == std::string::npos) host += secure ? ":443" : ":80";
  return start.substr(0, host_at) + host;
}

std::string resolve_location(std::string_view base, std::string_view location) {
  if (location.find("://") != std::string_view::npos) return std::string(location);
  const std::string_view start = before_path(base);
  if (location.starts_with("//"))
    return fmt::format("{}{}", start.substr(0, start.find("://") + 1), location);
  if (location.starts_with('/')) return fmt::format("{}{}", start, location);
  std::string_view folder = base.substr(0, base.find_first_of("?#"));
  folder = folder.substr(0, std::max(folder.rfind('/') + 1, start.size()));
  return fmt::format("{}{}", folder, location);
}

std::string printable(std::string_view url) {
  std::string text(url.substr(0, url.find_first_of("?#")));
  const size_t scheme = text.find("://");
  const size_t at = text.substr(0, before_path(url).size()).rfind('@');
  if (scheme != std::string::npos && at != std::string::npos)
    text.erase(scheme + 3, at + 1 - scheme - 3);
  return text;
}

}  // namespace qk::hub

#pragma once
/// Addresses: escaping, origins, redirects.
#include <string>
#include <string_view>

namespace qk::hub {

/// Every byte but letters, digits and -._~ as %XX; a slash too.
std::string escape(std::string_view text);

/// The same with the slashes left as they are.
std::string escape_path(std::string_view path);

/// "https://host:port" in lower case, the port always written; empty when it is no http address.
std::string origin_of(std::string_view url);

/// Where a Location header leads, seen from `base`.
std::string resolve_location(std::string_view base, std::string_view location);

/// For messages: without the query, which may hold a signature, and without user:password.
std::string printable(std::string_view url);

}  // namespace qk::hub

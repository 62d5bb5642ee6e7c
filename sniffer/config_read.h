#pragma once
/// From a tree of YAML values to a SniffConfig, collecting every mistake on the way.
#include <string>
#include <vector>

#include "sniffer/config.h"
#include "sniffer/config_yaml.h"

namespace qk::sniffer {

/// The mistakes of one config.
class Mistakes {
 public:
  void add(const std::string& text) { texts_.push_back(text); }
  /// `origin` may be empty: what is missing stands nowhere.
  void add(const std::string& origin, const std::string& path, const std::string& text);

  /// Throws ConfigError with one line for each mistake; returns when there is none.
  void throw_if_any(const std::string& where) const;

 private:
  std::vector<std::string> texts_;
};

/// Fields that the map doesn't have keep their default. Fields with a mistake are unspecified.
/// Warns of unknown keys of an open section and of settings without effect; `where` names the
/// config in warnings.
SniffConfig read_fields(const YamlNode& root, const std::string& where, Mistakes& mistakes);

}  // namespace qk::sniffer

#pragma once
/// YAML text as a tree of values, read as PyYAML's safe loader reads it: anchors, aliases and merge
/// keys are resolved, scalars have their YAML 1.1 meaning, quoted scalars are text.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sniffer/config_scalar.h"

namespace qk::sniffer {

struct YamlNode;
using YamlPtr = std::shared_ptr<const YamlNode>;  // aliases share their node

struct YamlEntry {
  std::string key;
  std::string origin;  ///< of the key, see YamlNode::origin
  YamlPtr value;
};

struct YamlNode {
  enum class Kind { Scalar, List, Map };

  Kind kind = Kind::Scalar;
  Scalar scalar;
  std::string text;     ///< of a scalar, as written, without quotes
  bool quoted = false;  ///< a scalar in quotes or a block of text
  std::vector<YamlPtr> items;
  std::vector<YamlEntry> entries;  ///< each key once, in the order of first appearance
  std::string origin;  ///< where the value stands: "line 12", or the override it comes from
  int height = 1;      ///< levels of nesting
  int64_t size = 1;    ///< values in it, with aliases written out

  bool is(ScalarKind wanted) const { return kind == Kind::Scalar && scalar.kind == wanted; }
  const YamlEntry* find(std::string_view key) const;
};

/// Throws ConfigError for what no YAML text has: bytes that are not UTF-8, control characters, more
/// than 1 MiB.
void check_text(const std::string& text, const std::string& where);

/// Reads one document; `where` names it in messages. An empty text is a null scalar. Throws
/// ConfigError: not UTF-8, not YAML, several documents, nested deeper than 64 levels, more than
/// 100,000 values, a tag or a key that a config can't have. Warns of duplicate keys. one_line:
/// values have `where` as their origin, instead of their line in it.
YamlPtr parse_yaml(const std::string& text, const std::string& where, bool one_line = false);

/// A copy of `root` with `value` at `path` (at least one key); maps on the way are made when absent
/// or null. Throws ConfigError when something else than a map is on the way.
YamlPtr with_value(const YamlPtr& root, const std::vector<std::string>& path, YamlPtr value);

}  // namespace qk::sniffer

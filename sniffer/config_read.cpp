#include "sniffer/config_read.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "sniffer/config_describe.h"
#include "sniffer/config_fields.h"
#include "sniffer/config_value.h"

namespace qk::sniffer {
namespace {

constexpr size_t kMostShownMistakes = 50;

std::string join_path(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

/// A key as a path shows it; quoted when it isn't a plain word.
std::string shown_key(const std::string& key) {
  const auto is_plain = [](char c) {
    return c == '_' || c == '-' || std::isalnum(static_cast<unsigned char>(c));
  };
  return !key.empty() && key.size() <= 64 && std::ranges::all_of(key, is_plain) ? key
                                                                                : shown_text(key);
}

/// Visitor that lists the full path of every key.
struct PathLister {
  std::string path;
  std::vector<std::string>& paths;

  template <typename T>
  void operator()(T& value, const Field& field) {
    const std::string own = join_path(path, field.key);
    if constexpr (HasFields<T>) {
      PathLister inner{own, paths};
      visit_fields(value, inner);
    } else {
      paths.push_back(own);
    }
  }
  template <typename T>
  requires HasFields<T>
  void operator()(std::optional<T>&, const Field& field) {
    T value;
    (*this)(value, field);
  }
};

/// "type and base_rate".
template <typename T>
std::string joined_keys(T& value) {
  std::vector<std::string_view> keys;
  const auto collect = [&](auto&, const Field& field) { keys.push_back(field.key); };
  visit_fields(value, collect);
  return joined(keys, "and");
}

std::vector<std::string> all_paths() {
  std::vector<std::string> paths;
  SniffConfig config;
  PathLister lister{"", paths};
  visit_fields(config, lister);
  return paths;
}

/// "Did you mean capture.layers?": a key of this mapping with a similar name, or the same key of
/// another section.
std::string suggestion(const std::string& path, const std::string& key,
                       const std::vector<std::string_view>& known) {
  if (const std::optional<std::string_view> near = nearest(key, known)) {
    return fmt::format("Did you mean {}?", join_path(path, *near));
  }
  std::vector<std::string> elsewhere = all_paths();
  std::erase_if(elsewhere, [&](const std::string& other) { return !other.ends_with("." + key); });
  if (elsewhere.size() == 1) return fmt::format("Did you mean {}?", elsewhere.front());
  return fmt::format("Known here: {}.", joined(known, "and"));
}

/// Visitor that fills the members of one struct from one mapping.
class MapReader {
 public:
  /// map: null when the file doesn't have it.
  MapReader(const YamlNode* map, std::string path, const std::string& where, Mistakes& mistakes)
      : map_(map), path_(std::move(path)), where_(where), mistakes_(mistakes) {}

  template <typename T>
  void operator()(T& value, const Field& field) {
    known_.push_back(field.key);
    const YamlEntry* const entry = map_ ? map_->find(field.key) : nullptr;
    const std::string path = join_path(path_, field.key);
    if constexpr (HasFields<T>) {
      read_section(value, field, entry ? entry->value.get() : nullptr, path);
    } else if (!entry) {
      if (field.required)
        mistakes_.add("", path, fmt::format("missing. It is required: {}.", field.meaning));
    } else {
      const T before = value;
      read(value, field, *entry->value, path);
      if (!field.no_effect.empty() && value != before) {
        log::warn("{}: {} has no effect: {}", where_, path, field.no_effect);
      }
    }
  }

  /// Reports the keys that no field has taken. To be called after the visit.
  void report_unknown(bool open) const {
    if (!map_) return;
    for (const YamlEntry& entry : map_->entries) {
      if (std::ranges::find(known_, entry.key) != known_.end()) continue;
      const std::string path = join_path(path_, shown_key(entry.key));
      const std::string advice = suggestion(path_, entry.key, known_);
      // Old configs carry keys that are gone, but nobody types one of them on a command line.
      if (open && !entry.origin.starts_with("--set")) {
        log::warn("{}: {}: {}: unknown key, ignored. {}", where_, entry.origin, path, advice);
      } else {
        mistakes_.add(entry.origin, path, fmt::format("unknown key. {}", advice));
      }
    }
  }

 private:
  template <typename T>
  void read_section(T& value, const Field& field, const YamlNode* node, const std::string& path) {
    if (node && node->is(ScalarKind::Null)) node = nullptr;
    if (node && node->kind != YamlNode::Kind::Map) {
      mistakes_.add(node->origin, path,
                    fmt::format("{} is not a mapping. Allowed: a mapping with the keys {}.",
                                shown(*node), joined_keys(value)));
      return;
    }
    MapReader inner(node, path, where_, mistakes_);
    visit_fields(value, inner);
    inner.report_unknown(field.open);
  }

  template <typename T>
  void read(T& value, const Field& field, const YamlNode& node, const std::string& path) {
    const std::optional<Problem> problem = read_value(node, field, value);
    if (problem) add(node, path, *problem, allowed_values(field, type_of(value)));
  }

  template <typename T>
  requires HasFields<T>
  void read(std::optional<T>& value, const Field& field, const YamlNode& node,
            const std::string& path) {
    value.reset();
    if (!node.is(ScalarKind::Null)) read_section(value.emplace(), field, &node, path);
  }

  void read(std::optional<std::vector<int64_t>>& value, const Field& field, const YamlNode& node,
            const std::string& path) {
    value.reset();
    if (node.is(ScalarKind::Null)) return;
    const std::string allowed = allowed_values(field, type_of(value));
    value.emplace();
    if (node.kind != YamlNode::Kind::List) {
      const std::string hint =
          node.is(ScalarKind::Integer) ? fmt::format("Write [{}].", node.text) : "";
      return add(node, path, not_a(node, "a list", hint), allowed);
    }
    for (size_t i = 0; i < node.items.size(); ++i) {
      const std::optional<Problem> problem =
          read_value(*node.items[i], field, value->emplace_back());
      if (problem) add(*node.items[i], fmt::format("{}[{}]", path, i), *problem, allowed);
    }
  }

  void read(nlohmann::json& value, const Field& field, const YamlNode& node,
            const std::string& path) {
    if (node.is(ScalarKind::Null) || node.kind == YamlNode::Kind::Map) {
      value = to_json(node, path);
    } else {
      add(node, path, not_a(node, "a mapping"), allowed_values(field, type_of(value)));
    }
  }

  nlohmann::json to_json(const YamlNode& node, const std::string& path) {
    if (node.kind == YamlNode::Kind::List) {
      nlohmann::json list = nlohmann::json::array();
      for (const YamlPtr& item : node.items) {
        list.push_back(to_json(*item, fmt::format("{}[{}]", path, list.size())));
      }
      return list;
    }
    if (node.kind == YamlNode::Kind::Map) {
      nlohmann::json map = nlohmann::json::object();
      for (const YamlEntry& entry : node.entries) {
        map[entry.key] = to_json(*entry.value, join_path(path, shown_key(entry.key)));
      }
      return map;
    }
    if (node.is(ScalarKind::HugeInteger) || node.is(ScalarKind::Timestamp)) {
      const std::string_view what =
          node.is(ScalarKind::Timestamp) ? "is a date" : "does not fit 64 bits";
      add(node, path,
          {fmt::format("{} {}", shown(node), what),
           fmt::format("Write {}.", shown_text(node.text))},
          "a JSON value");
    }
    return node.scalar.value;
  }

  void add(const YamlNode& node, const std::string& path, const Problem& problem,
           const std::string& allowed) {
    std::string text = fmt::format("{}. Allowed: {}.", problem.what, allowed);
    if (!problem.hint.empty()) text += " " + problem.hint;
    mistakes_.add(node.origin, path, text);
  }

  const YamlNode* map_;
  std::string path_;
  const std::string& where_;
  Mistakes& mistakes_;
  std::vector<std::string_view> known_;
};

}  // namespace

void Mistakes::add(const std::string& origin, const std::string& path, const std::string& text) {
  add(origin.empty() ? fmt::format("{}: {}", path, text)
                     : fmt::format("{}: {}: {}", origin, path, text));
}

void Mistakes::throw_if_any(const std::string& where) const {
  if (texts_.empty()) return;
  std::string message =
      fmt::format("{} has {} mistake{}:", where, texts_.size(), texts_.size() == 1 ? "" : "s");
  for (size_t i = 0; i < std::min(texts_.size(), kMostShownMistakes); ++i)
    message += "\n  " + texts_[i];
  if (texts_.size() > kMostShownMistakes)
    message += fmt::format("\n  and {} more", texts_.size() - kMostShownMistakes);
  throw ConfigError("{}", message);
}

SniffConfig read_fields(const YamlNode& root, const std::string& where, Mistakes& mistakes) {
  SniffConfig config;
  MapReader reader(root.is(ScalarKind::Null) ? nullptr : &root, "", where, mistakes);
  visit_fields(config, reader);
  reader.report_unknown(false);
  return config;
}

}  // namespace qk::sniffer

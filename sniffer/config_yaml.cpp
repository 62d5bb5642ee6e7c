#include "sniffer/config_yaml.h"

#include <fmt/ranges.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <map>
#include <sstream>

#include "base/error.h"
#include "base/log.h"

namespace qk::sniffer {
namespace {

constexpr int kDeepest = 64;
constexpr int64_t kMostValues = 100'000;
constexpr size_t kMostBytes = 1 << 20;
constexpr std::string_view kTagPrefix = "tag:yaml.org,2002:";

using NodePtr = std::shared_ptr<YamlNode>;

/// By the strict encoder of the JSON library, which knows every rule.
bool is_utf8(const std::string& text) {
  try {
    static_cast<void>(nlohmann::json(text).dump());
    return true;
  } catch (const nlohmann::json::exception&) {
    return false;
  }
}

/// A list or a map whose end has not come yet.
struct Unfinished {
  NodePtr node;
  YAML::anchor_t anchor = 0;
  YamlPtr key;                         // of a map, while its value is awaited
  std::vector<YamlEntry> merged;       // from `<<`, in rising precedence
  std::map<std::string, size_t> seen;  // own keys of a map -> index in node->entries
};

class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(const std::string& where, bool one_line) : where_(where), one_line_(one_line) {}

  YamlPtr root() const { return root_; }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    finish(new_node(mark, YamlNode::Kind::Scalar), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) fail(mark, "an alias inside the value that it stands for");
    attach(found->second);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    // yaml-cpp 0.7 turns these two escapes into single bytes.
    if (!is_utf8(value)) fail(mark, "for the escapes \\N and \\_ write \\x85 and \\xA0");
    const NodePtr node = new_node(mark, YamlNode::Kind::Scalar);
    node->text = value;
    node->quoted = tag == "!";
    node->scalar = tagged_scalar(mark, tag, value);
    finish(node, anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    start(mark, YamlNode::Kind::List, tag, "seq", anchor);
  }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    start(mark, YamlNode::Kind::Map, tag, "map", anchor);
  }

  void OnSequenceEnd() override { end(); }

  void OnMapEnd() override {
    lay_over_merged(open_.back());
    end();
  }

 private:
  [[noreturn]] void fail(const YAML::Mark& mark, const std::string& text) const {
    fail_at(origin_of(mark), text);
  }
  [[noreturn]] void fail_at(const std::string& origin, const std::string& text) const {
    throw ConfigError("{}: {}", place(origin), text);
  }

  std::string origin_of(const YAML::Mark& mark) const {
    return one_line_ ? where_ : fmt::format("line {}", mark.line + 1);
  }
  std::string place(const std::string& origin) const {
    return one_line_ ? where_ : fmt::format("{}: {}", where_, origin);
  }

  NodePtr new_node(const YAML::Mark& mark, YamlNode::Kind kind) const {
    auto node = std::make_shared<YamlNode>();
    node->kind = kind;
    node->origin = origin_of(mark);
    return node;
  }

  Scalar tagged_scalar(const YAML::Mark& mark, const std::string& tag,
                       const std::string& text) const {
    if (tag == "!" || tag == fmt::format("{}str", kTagPrefix)) return {ScalarKind::Text, text};
    const Scalar plain = resolve_plain(text);
    if (tag.empty() || tag == "?") return plain;
    if (tag == fmt::format("{}float", kTagPrefix)) {
      const Scalar number = read_as_float(text);
      if (number.kind == ScalarKind::Float) return number;
    }
    const std::map<ScalarKind, std::string> names = {
        {ScalarKind::Null, "null"}, {ScalarKind::Bool, "bool"}, {ScalarKind::Integer, "int"}};
    const auto name = names.find(plain.kind);
    if (name != names.end() && tag == fmt::format("{}{}", kTagPrefix, name->second)) return plain;
    fail(mark, fmt::format("the tag {} is not for a config; leave it out", shown_tag(tag)));
  }

  static std::string shown_tag(const std::string& tag) {
    const std::string shown =
        tag.starts_with(kTagPrefix) ? "!!" + tag.substr(kTagPrefix.size()) : tag;
    return shown.substr(0, 60);
  }

  void start(const YAML::Mark& mark, YamlNode::Kind kind, const std::string& tag,
             std::string_view own_tag, YAML::anchor_t anchor) {
    const bool known =
        tag.empty() || tag == "?" || tag == "!" || tag == fmt::format("{}{}", kTagPrefix, own_tag);
    if (!known)
      fail(mark, fmt::format("the tag {} is not for a config; leave it out", shown_tag(tag)));
    if (open_.size() >= kDeepest) fail(mark, fmt::format("nested deeper than {} levels", kDeepest));
    open_.push_back(
        {.node = new_node(mark, kind), .anchor = anchor, .key = {}, .merged = {}, .seen = {}});
  }

  void end() {
    const Unfinished done = std::move(open_.back());
    open_.pop_back();
    finish(done.node, done.anchor);
  }

  void finish(const NodePtr& node, YAML::anchor_t anchor) {
    const auto count = [&](const YamlPtr& child) {
      node->height = std::max(node->height, child->height + 1);
      node->size += child->size;
    };
    for (const YamlPtr& item : node->items) count(item);
    for (const YamlEntry& entry : node->entries) count(entry.value);
    if (node->height > kDeepest)
      fail_at(node->origin, fmt::format("nested deeper than {} levels", kDeepest));
    if (node->size > kMostValues)
      fail_at(node->origin, fmt::format("more than {} values", kMostValues));
    if (anchor != 0) anchors_[anchor] = node;
    attach(node);
  }

  void attach(const YamlPtr& node) {
    if (open_.empty()) {
      root_ = node;
    } else if (open_.back().node->kind == YamlNode::Kind::List) {
      open_.back().node->items.push_back(node);
    } else if (!open_.back().key) {
      open_.back().key = node;
    } else {
      add_entry(open_.back(), std::exchange(open_.back().key, nullptr), node);
    }
  }

  void add_entry(Unfinished& map, const YamlPtr& key, const YamlPtr& value) {
    if (!key->quoted && key->text == "<<") return add_merged(map, *value);
    const std::string name = key_text(*key);
    const auto [found, is_new] = map.seen.try_emplace(name, map.node->entries.size());
    if (is_new) {
      map.node->entries.push_back({name, key->origin, value});
    } else {
      log::warn("{}: the key {} stands here a second time; the last one holds", place(key->origin),
                name);
      map.node->entries[found->second] = {name, key->origin, value};
    }
  }

  std::string key_text(const YamlNode& key) const {
    if (key.is(ScalarKind::Text)) return key.text;
    if (key.is(ScalarKind::Integer)) return fmt::format("{}", key.scalar.value.get<int64_t>());
    if (key.kind != YamlNode::Kind::Scalar)
      fail_at(key.origin, "a key must be text, not a list or a mapping");
    fail_at(key.origin, fmt::format("YAML does not read the key {} as text; put it in quotes",
                                    key.text.empty() ? "null" : key.text));
  }

  void add_merged(Unfinished& map, const YamlNode& value) const {
    if (value.kind == YamlNode::Kind::Map) {
      map.merged.insert(map.merged.end(), value.entries.begin(), value.entries.end());
      if (map.merged.size() > kMostValues) fail_at(value.origin, "merges too much");
      return;
    }
    const auto is_map = [](const YamlPtr& item) { return item->kind == YamlNode::Kind::Map; };
    if (value.kind != YamlNode::Kind::List || !std::ranges::all_of(value.items, is_map)) {
      fail_at(value.origin, "`<<` takes a mapping or a list of mappings");
    }
    for (auto item = value.items.rbegin(); item != value.items.rend(); ++item)
      add_merged(map, **item);
  }

  /// Own keys go over merged ones, later merged ones over earlier ones.
  static void lay_over_merged(Unfinished& map) {
    if (map.merged.empty()) return;
    std::vector<YamlEntry> all = std::move(map.merged);
    all.insert(all.end(), map.node->entries.begin(), map.node->entries.end());
    map.node->entries.clear();
    std::map<std::string, size_t> index;
    for (const YamlEntry& entry : all) {
      const auto [found, is_new] = index.try_emplace(entry.key, map.node->entries.size());
      if (is_new) {
        map.node->entries.push_back(entry);
      } else {
        map.node->entries[found->second] = entry;
      }
    }
  }

  const std::string& where_;
  const bool one_line_;
  YamlPtr root_;
  std::vector<Unfinished> open_;
  std::map<YAML::anchor_t, YamlPtr> anchors_;
};

void set_entry(std::vector<YamlEntry>& entries, const YamlEntry& changed) {
  const auto found = std::ranges::find(entries, changed.key, &YamlEntry::key);
  if (found == entries.end()) {
    entries.push_back(changed);
  } else {
    *found = changed;
  }
}

bool has_tab_indent(const std::string& text, int line) {
  std::istringstream stream(text);
  std::string content;
  for (int i = 0; i <= line; ++i) std::getline(stream, content);
  return content.substr(0, content.find_first_not_of(" \t")).find('\t') != std::string::npos;
}

}  // namespace

void check_text(const std::string& text, const std::string& where) {
  if (text.size() > kMostBytes) throw ConfigError("{}: larger than 1 MiB; is it a config?", where);
  if (!is_utf8(text)) throw ConfigError("{}: not UTF-8 text; save it as UTF-8", where);
  const auto is_control = [](char c) {
    return c >= 0 && c < 0x20 && c != '\t' && c != '\n' && c != '\r';
  };
  const auto control = std::ranges::find_if(text, is_control);
  if (control != text.end()) {
    throw ConfigError("{}: line {}: a control character (byte 0x{:02x}); is it a text file?", where,
                      1 + std::count(text.begin(), control, '\n'), static_cast<int>(*control));
  }
}

const YamlEntry* YamlNode::find(std::string_view key) const {
  const auto found = std::ranges::find(entries, key, &YamlEntry::key);
  return found == entries.end() ? nullptr : &*found;
}

YamlPtr parse_yaml(const std::string& text, const std::string& where, bool one_line) {
  check_text(text, where);
  TreeBuilder builder(where, one_line);
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) return std::make_shared<YamlNode>();
    const YamlPtr root = builder.root();
    if (parser.HandleNextDocument(builder)) {
      throw ConfigError("{}: several documents (`---`); a config is one", where);
    }
    return root;
  } catch (const YAML::Exception& error) {
    throw ConfigError(
        "{}: line {}, column {}: not YAML: {}{}", where, error.mark.line + 1, error.mark.column + 1,
        error.msg,
        has_tab_indent(text, error.mark.line) ? "; indent with spaces, not with tabs" : "");
  }
}

YamlPtr with_value(const YamlPtr& root, const std::vector<std::string>& path, YamlPtr value) {
  std::vector<YamlPtr> levels = {root};  // the maps on the way, null where there is none
  for (size_t i = 0; i + 1 < path.size(); ++i) {
    const YamlEntry* const entry = levels.back() ? levels.back()->find(path[i]) : nullptr;
    levels.push_back(entry ? entry->value : nullptr);
  }
  for (size_t i = path.size(); i-- > 0;) {
    const bool exists = levels[i] && !levels[i]->is(ScalarKind::Null);
    if (exists && levels[i]->kind != YamlNode::Kind::Map) {
      throw ConfigError("{}: {} is not a mapping, it can't have a key {}", value->origin,
                        fmt::join(path.begin(), path.begin() + static_cast<ptrdiff_t>(i), "."),
                        path[i]);
    }
    auto map = exists ? std::make_shared<YamlNode>(*levels[i]) : std::make_shared<YamlNode>();
    map->kind = YamlNode::Kind::Map;
    if (!exists) map->origin = value->origin;
    set_entry(map->entries, {path[i], value->origin, value});
    value = map;
  }
  return value;
}

}  // namespace qk::sniffer

#include "source/card.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cctype>
#include <set>

#include "base/error.h"
#include "source/split_expression.h"

namespace qk::source {
namespace {

std::string_view first_line(std::string_view text) {
  std::string_view line = text.substr(0, text.find('\n'));
  while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back())))
    line.remove_suffix(1);
  return line;
}

/// What stands between the two lines `---`; empty without them.
std::string_view front_matter(std::string_view card) {
  if (card.starts_with("\xEF\xBB\xBF")) card.remove_prefix(3);
  card.remove_prefix(std::min(card.find_first_not_of(" \t\r\n"), card.size()));
  if (first_line(card) != "---") return {};
  card.remove_prefix(std::min(card.find('\n'), card.size() - 1) + 1);
  for (size_t at = 0; at < card.size();) {
    if (first_line(card.substr(at)) == "---") return card.substr(0, at);
    const size_t newline = card.find('\n', at);
    if (newline == std::string_view::npos) break;
    at = newline + 1;
  }
  return {};
}

/// Reads the items of `configs`; `place` grows as in configs[2].data_files.
class CardReader {
 public:
  explicit CardReader(std::string_view where) : where_(where) {}

  std::vector<CardConfig> read(const YAML::Node& root) const {
    if (!root.IsMap()) fail("the front matter", "must be a mapping");
    check_unique_keys(root, "the front matter");
    std::vector<CardConfig> configs;
    const YAML::Node list = root["configs"];
    if (!list || list.IsNull()) return configs;
    if (!list.IsSequence()) fail("configs", "must be a list");
    for (size_t i = 0; i < list.size(); ++i)
      configs.push_back(read_config(list[i], fmt::format("configs[{}]", i)));
    return configs;
  }

 private:
  [[noreturn]] void fail(std::string_view place, std::string_view what) const {
    throw DatasetError("{}: {} {}", where_, place, what);
  }

  void check_unique_keys(const YAML::Node& map, std::string_view place) const {
    std::set<std::string> seen;
    for (const auto& entry : map) {
      if (!entry.first.IsScalar()) continue;
      if (!seen.insert(entry.first.Scalar()).second)
        fail(place, fmt::format("has the key '{}' twice", entry.first.Scalar()));
    }
  }

  CardConfig read_config(const YAML::Node& item, const std::string& place) const {
    if (!item.IsMap()) fail(place, "must be a mapping");
    check_unique_keys(item, place);
    CardConfig config;
    const YAML::Node name = item["config_name"];
    if (!name || !name.IsScalar()) fail(place, "needs a config_name");
    config.name = name.Scalar();
    for (const auto& entry : item) {
      const std::string key = entry.first.Scalar();
      const YAML::Node& value = entry.second;
      if (key == "config_name" || value.IsNull()) continue;
      if (key == "data_files") {
        config.data_files = read_data_files(value, place + ".data_files");
      } else if (key == "data_dir") {
        config.data_dir = text_of(value, place + ".data_dir");
      } else if (key == "default") {
        config.is_default = is_true(value);
      } else {
        config.parameters.emplace_back(key, value.IsScalar() ? value.Scalar() : "...");
      }
    }
    return config;
  }

  std::string text_of(const YAML::Node& value, const std::string& place) const {
    if (!value.IsScalar()) fail(place, "must be a string");
    return value.Scalar();
  }

  static bool is_true(const YAML::Node& value) {
    bool truth = false;
    return value.IsScalar() && YAML::convert<bool>::decode(value, truth) && truth;
  }

  std::vector<SplitPatterns> read_data_files(const YAML::Node& value,
                                             const std::string& place) const {
    if (value.IsScalar()) return {{"train", {value.Scalar()}}};
    if (!value.IsSequence())
      fail(place, "must be a path, a list of paths, or a list of {split, path}");
    const bool by_split = std::any_of(value.begin(), value.end(),
                                      [](const YAML::Node& item) { return item.IsMap(); });
    if (!by_split) return {{"train", strings_of(value, place)}};
    std::vector<SplitPatterns> splits;
    for (size_t i = 0; i < value.size(); ++i) {
      splits.push_back(read_split(value[i], fmt::format("{}[{}]", place, i)));
      const auto same = [&](const SplitPatterns& other) {
        return other.split == splits.back().split;
      };
      if (std::ranges::count_if(splits, same) > 1)
        fail(place, fmt::format("names the split '{}' twice", splits.back().split));
    }
    return splits;
  }

  SplitPatterns read_split(const YAML::Node& item, const std::string& place) const {
    if (!item.IsMap() || item.size() != 2 || !item["split"] || !item["path"]) {
      fail(place, "must have exactly the keys split and path");
    }
    const std::string split = text_of(item["split"], place + ".split");
    if (!is_split_name(split)) {
      fail(place + ".split",
           fmt::format("'{}' is no split name: letters, digits and '_', groups separated by dots",
                       split));
    }
    return {split, strings_of(item["path"], place + ".path")};
  }

  std::vector<std::string> strings_of(const YAML::Node& value, const std::string& place) const {
    if (value.IsScalar()) return {value.Scalar()};
    if (!value.IsSequence()) fail(place, "must be a path or a list of paths");
    std::vector<std::string> strings;
    for (const YAML::Node& item : value) strings.push_back(text_of(item, place));
    return strings;
  }

  std::string_view where_;
};

}  // namespace

std::vector<CardConfig> card_configs(std::string_view card, std::string_view where) {
  const std::string_view yaml = front_matter(card);
  if (yaml.empty()) return {};
  try {
    const YAML::Node root = YAML::Load(std::string(yaml));
    if (root.IsNull()) return {};
    return CardReader(where).read(root);
  } catch (const YAML::Exception& error) {
    throw DatasetError("{}: the front matter is not valid YAML: {}", where, error.what());
  }
}

}  // namespace qk::source

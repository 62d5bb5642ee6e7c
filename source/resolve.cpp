#include "source/resolve.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <set>
#include <string_view>

#include "base/error.h"
#include "source/card.h"
#include "source/glob.h"
#include "source/split_expression.h"

namespace qk::source {
namespace {

using Patterns = std::vector<SplitPatterns>;

constexpr std::string_view kIgnoredNames[] = {"README.md",         "config.json",
                                              "dataset_info.json", "dataset_infos.json",
                                              "dummy_data.zip",    "dataset_dict.json"};

struct SplitKeywords {
  const char* split;
  std::vector<const char*> keywords;
};
const SplitKeywords kSplitKeywords[] = {{"train", {"train", "training"}},
                                        {"validation", {"validation", "valid", "dev", "val"}},
                                        {"test", {"test", "testing", "eval", "evaluation"}}};

/// {0}: the keyword, {1}: one separator character.
constexpr const char* kInFolderName[] = {"**/{0}/**", "**/{0}{1}*/**", "**/*{1}{0}/**",
                                         "**/*{1}{0}{1}*/**"};
constexpr const char* kInFileName[] = {"**/{0}{1}*", "**/*{1}{0}{1}*"};
constexpr const char* kSeparator = "[-._ 0-9]";

/// Shards as push_to_hub writes them; {}: the split.
constexpr const char* kSharded =
    "data/{}-[0-9][0-9][0-9][0-9][0-9]-of-[0-9][0-9][0-9][0-9][0-9]*.*";

std::vector<std::string_view> parts_of(std::string_view path) {
  std::vector<std::string_view> parts;
  for (size_t slash; (slash = path.find('/')) != std::string_view::npos;
       path.remove_prefix(slash + 1)) {
    parts.push_back(path.substr(0, slash));
  }
  parts.push_back(path);
  return parts;
}

bool is_hidden(std::string_view part) {
  return part.starts_with('.') && part.find_first_not_of('.') != std::string_view::npos;
}

/// Hidden parts (.x) and special folders (__x) must be asked for: the pattern names as many as the
/// path has.
bool is_asked_for(std::string_view path, std::string_view pattern) {
  const auto hidden = [](std::string_view p) {
    return std::ranges::count_if(parts_of(p), is_hidden);
  };
  const auto special = [](std::string_view p) {
    const std::vector<std::string_view> parts = parts_of(p);
    return std::count_if(parts.begin(), parts.end() - 1,
                         [](std::string_view part) { return part.starts_with("__"); });
  };
  return hidden(path) == hidden(pattern) && special(path) == special(pattern);
}

std::string_view base_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

/// The part of a listing below one folder, against which patterns are matched.
class Folder {
 public:
  Folder(const DatasetListing& listing, std::string data_dir) : prefix_(std::move(data_dir)) {
    while (prefix_.starts_with("./")) prefix_.erase(0, 2);
    while (prefix_.ends_with('/')) prefix_.pop_back();
    if (prefix_ == ".") prefix_.clear();
    if (!prefix_.empty()) prefix_ += '/';
    for (const std::string& file : listing.files) {
      if (file.starts_with(prefix_)) paths_.push_back(file.substr(prefix_.size()));
    }
    std::ranges::sort(paths_);
  }

  /// Relative to the folder, sorted.
  std::vector<std::string> matches(std::string_view pattern) const {
    if (pattern.starts_with("./")) pattern.remove_prefix(2);
    std::vector<std::string> found;
    for (const std::string& path : paths_) {
      const std::string_view name = base_name(path);
      const bool ignored = std::ranges::find(kIgnoredNames, name) != std::end(kIgnoredNames) &&
                           name != base_name(pattern);
      if (ignored || !has_known_extension(path) || !glob_matches(pattern, path) ||
          !is_asked_for(path, pattern))
        continue;
      found.push_back(path);
    }
    return found;
  }

  std::string full_path(const std::string& path) const { return prefix_ + path; }

 private:
  std::string prefix_;
  std::vector<std::string> paths_;
};

std::string sharded_pattern(const std::string& split) {
  return fmt::format(fmt::runtime(kSharded), split);
}

Patterns sharded_splits(const Folder& folder) {
  std::set<std::string> names;
  for (const std::string& file : folder.matches(sharded_pattern("*"))) {
    // the split ends at the last place where the shard number fits: both glob and format are greedy
    // there
    const std::string name(base_name(file));
    size_t at = std::string::npos;
    for (size_t dash = name.find('-'); dash != std::string::npos; dash = name.find('-', dash + 1)) {
      if (glob_matches(base_name(sharded_pattern("")), name.substr(dash))) at = dash;
    }
    if (!is_split_name(name.substr(0, at))) {
      throw DatasetError(
          "data/{}: '{}' is no split name: letters, digits and '_', groups separated by dots", name,
          name.substr(0, at));
    }
    names.insert(name.substr(0, at));
  }
  Patterns patterns;
  for (const SplitKeywords& known : kSplitKeywords) {
    if (names.erase(known.split)) patterns.push_back({known.split, {sharded_pattern(known.split)}});
  }
  for (const std::string& name : names) patterns.push_back({name, {sharded_pattern(name)}});
  return patterns;
}

template <size_t kCount>
Patterns keyword_splits(const Folder& folder, const char* const (&shapes)[kCount]) {
  Patterns found;
  for (const auto& [split, keywords] : kSplitKeywords) {
    SplitPatterns candidate{split, {}};
    bool any = false;
    for (const char* keyword : keywords) {
      for (const char* shape : shapes) {
        candidate.patterns.push_back(fmt::format(fmt::runtime(shape), keyword, kSeparator));
        any = any || !folder.matches(candidate.patterns.back()).empty();
      }
    }
    if (any) found.push_back(std::move(candidate));
  }
  return found;
}

/// The first set of default patterns that finds a file.
Patterns default_patterns(const Folder& folder) {
  Patterns patterns = sharded_splits(folder);
  if (patterns.empty()) patterns = keyword_splits(folder, kInFolderName);
  if (patterns.empty()) patterns = keyword_splits(folder, kInFileName);
  if (patterns.empty()) patterns = {{"train", {"**"}}};
  return patterns;
}

std::string names_of(const std::vector<CardConfig>& configs) {
  std::vector<std::string_view> names;
  for (const CardConfig& config : configs) names.push_back(config.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

/// The config that is meant when the user names none.
const CardConfig& default_config(const std::vector<CardConfig>& configs,
                                 const std::string& dataset) {
  if (configs.size() == 1) return configs.front();
  const CardConfig* chosen = nullptr;
  for (const CardConfig& config : configs) {
    if (config.name != "default" && !config.is_default) continue;
    if (chosen)
      throw DatasetError("{}: two default configs, {} and {}; set dataset.name", dataset,
                         chosen->name, config.name);
    chosen = &config;
  }
  if (!chosen)
    throw DatasetError("{}: several configs, set dataset.name to one of: {}", dataset,
                       names_of(configs));
  return *chosen;
}

CardConfig choose_config(const DatasetListing& listing, const std::optional<std::string>& name) {
  std::vector<CardConfig> configs;
  if (listing.card) configs = card_configs(*listing.card, listing.name + "/README.md");
  if (configs.empty())
    configs.push_back({.name = "default", .data_files = {}, .data_dir = {}, .parameters = {}});
  if (!name) return default_config(configs, listing.name);
  const auto found = std::ranges::find(configs, *name, &CardConfig::name);
  if (found == configs.end()) {
    throw DatasetError("dataset.name: {} has no config '{}'; there are: {}", listing.name, *name,
                       names_of(configs));
  }
  return *found;
}

std::vector<std::string> files_of(const Folder& folder, const SplitPatterns& split,
                                  const std::string& dataset) {
  std::vector<std::string> files;
  for (const std::string& pattern : split.patterns) {
    const std::vector<std::string> matches = folder.matches(pattern);
    if (matches.empty() && !is_glob(pattern)) {
      throw DatasetError(
          "{}: the card names '{}' for split '{}', but there is no such data file (known: {})",
          dataset, pattern, split.split, known_extensions());
    }
    files.insert(files.end(), matches.begin(), matches.end());
  }
  return files;
}

/// All splits must count as the same kind.
FileKind common_kind(const std::vector<SplitFiles>& splits, const std::string& dataset) {
  std::optional<FileKind> common;
  for (const SplitFiles& split : splits) {
    const std::optional<FileKind> kind = infer_kind(split.files);
    QK_ASSERT(kind.has_value());  // only files with a known extension were matched
    if (common &&
        (common->format != kind->format || common->options.separator != kind->options.separator)) {
      throw DatasetError("{}: the splits have different formats: {} is {}, {} is {}", dataset,
                         splits.front().split, name_of(common->format), split.split,
                         name_of(kind->format));
    }
    common = kind;
  }
  return *common;
}

/// Parameters that would make other rows or other values, and are not supported.
constexpr std::string_view kRowChanging[] = {
    "names",     "column_names",    "header",          "skiprows",         "nrows",
    "quotechar", "quoting",         "escapechar",      "doublequote",      "na_values",
    "na_filter", "keep_default_na", "dtype",           "decimal",          "thousands",
    "comment",   "skipfooter",      "usecols",         "skip_blank_lines", "lineterminator",
    "index_col", "sample_by",       "keep_linebreaks", "filters"};

bool is_utf8(std::string encoding) {
  std::ranges::transform(encoding, encoding.begin(),
                         [](unsigned char c) { return std::tolower(c); });
  return encoding == "utf-8" || encoding == "utf8";
}

/// Applies the parameters of the readers; what only describes or tunes is passed over, as
/// `datasets` does with unknown ones.
void apply_parameters(const CardConfig& config, const std::string& dataset, FileKind& kind) {
  for (const auto& [key, value] : config.parameters) {
    const std::string where =
        fmt::format("{}/README.md: config '{}': {}: {}", dataset, config.name, key, value);
    if (kind.format == Format::Csv && (key == "sep" || key == "delimiter")) {
      if (value.size() != 1) throw DatasetError("{}: must be one character", where);
      kind.options.separator = value[0];
    } else if (kind.format == Format::Json && key == "field") {
      kind.options.field = value;
    } else if (std::ranges::find(kRowChanging, key) != std::end(kRowChanging)) {
      throw DatasetError("{}: not supported; convert the files or choose another config", where);
    } else if (key == "encoding" && !is_utf8(value)) {
      throw DatasetError("{}: only UTF-8 is read; convert the files", where);
    }
  }
}

}  // namespace

ResolvedDataset resolve(const DatasetListing& listing,
                        const std::optional<std::string>& config_name) {
  const CardConfig config = choose_config(listing, config_name);
  const Folder folder(listing, config.data_dir);
  ResolvedDataset dataset;
  for (const SplitPatterns& split :
       config.data_files ? *config.data_files : default_patterns(folder)) {
    dataset.splits.push_back({split.split, files_of(folder, split, listing.name)});
    if (dataset.splits.back().files.empty()) {
      throw DatasetError("{}: no data file for split '{}' of config '{}'; known extensions: {}",
                         listing.name, split.split, config.name, known_extensions());
    }
  }
  if (dataset.splits.empty())
    throw DatasetError("{}: config '{}' names no data file", listing.name, config.name);
  dataset.kind = common_kind(dataset.splits, listing.name);
  apply_parameters(config, listing.name, dataset.kind);
  for (SplitFiles& split : dataset.splits) {
    std::erase_if(split.files, [&](const std::string& file) {
      return !has_extension_of(file, dataset.kind.format);
    });
    for (std::string& file : split.files) file = folder.full_path(file);
  }
  std::erase_if(dataset.splits, [](const SplitFiles& split) { return split.files.empty(); });
  return dataset;
}

}  // namespace qk::source

#include "source/file_format.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <tuple>

namespace qk::source {
namespace {

struct ExtensionRow {
  std::string_view extension;
  Format format;
  char separator = ',';
};

/// Best first: among equally frequent extensions the earlier row wins.
constexpr ExtensionRow kExtensions[] = {
    {"parquet", Format::Parquet},   {"arrow", Format::Arrow}, {"jsonl", Format::Json},
    {"json", Format::Json},         {"csv", Format::Csv},     {"txt", Format::Text},
    {"tsv", Format::Csv, '\t'},     {"ndjson", Format::Json}, {"gpq", Format::Parquet},
    {"geoparquet", Format::Parquet}};

struct CompressionRow {
  std::string_view extension;
  Compression compression;
};
constexpr CompressionRow kCompressions[] = {{"gz", Compression::Gzip},
                                            {"zst", Compression::Zstd},
                                            {"bz2", Compression::Bzip2},
                                            {"lz4", Compression::Lz4}};

const ExtensionRow* find_extension(std::string_view suffix) {
  const auto row = std::ranges::find(kExtensions, suffix, &ExtensionRow::extension);
  return row == std::end(kExtensions) ? nullptr : row;
}

std::string_view base_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

/// `a.json.gz` -> json, gz. The part before the first dot is no suffix.
std::vector<std::string> suffixes_of(std::string_view path) {
  std::vector<std::string> suffixes;
  std::string_view rest = base_name(path);
  for (size_t dot = rest.find('.'); dot != std::string_view::npos; dot = rest.find('.')) {
    rest.remove_prefix(dot + 1);
    suffixes.emplace_back(rest.substr(0, rest.find('.')));
  }
  return suffixes;
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

FileKind kind_of(const ExtensionRow& row) { return {row.format, {.separator = row.separator}}; }

}  // namespace

std::string_view name_of(Format format) {
  switch (format) {
    case Format::Parquet:
      return "parquet";
    case Format::Arrow:
      return "arrow";
    case Format::Json:
      return "json";
    case Format::Csv:
      return "csv";
    case Format::Text:
      break;
  }
  return "text";
}

std::optional<FileKind> kind_of_file(std::string_view file_name) {
  std::vector<std::string> suffixes = suffixes_of(file_name);
  if (compression_of(file_name) != Compression::None) suffixes.pop_back();
  if (suffixes.empty()) return std::nullopt;
  const ExtensionRow* row = find_extension(lower(suffixes.back()));
  return row ? std::optional(kind_of(*row)) : std::nullopt;
}

Compression compression_of(std::string_view file_name) {
  const std::vector<std::string> suffixes = suffixes_of(file_name);
  if (suffixes.empty()) return Compression::None;
  const auto row =
      std::ranges::find(kCompressions, lower(suffixes.back()), &CompressionRow::extension);
  return row == std::end(kCompressions) ? Compression::None : row->compression;
}

bool has_known_extension(std::string_view path) {
  return std::ranges::any_of(suffixes_of(path),
                             [](const std::string& suffix) { return find_extension(suffix); });
}

bool has_extension_of(std::string_view path, Format format) {
  const std::vector<std::string> suffixes = suffixes_of(path);
  const size_t looked_at = std::min<size_t>(suffixes.size(), 2);
  return std::any_of(suffixes.end() - looked_at, suffixes.end(), [&](const std::string& suffix) {
    const ExtensionRow* row = find_extension(suffix);
    return row && row->format == format;
  });
}

std::optional<FileKind> infer_kind(const std::vector<std::string>& paths) {
  std::map<const ExtensionRow*, int64_t> counts;
  for (const std::string& path : paths) {
    for (const std::string& suffix : suffixes_of(path)) {
      if (const ExtensionRow* row = find_extension(lower(suffix))) ++counts[row];
    }
  }
  if (counts.empty()) return std::nullopt;
  const auto best = std::ranges::max_element(counts, [](const auto& a, const auto& b) {
    return std::tuple(a.second, b.first) < std::tuple(b.second, a.first);
  });
  return kind_of(*best->first);
}

std::string known_extensions() {
  std::string list;
  for (const ExtensionRow& row : kExtensions)
    list += (list.empty() ? "." : " .") + std::string(row.extension);
  return list;
}

}  // namespace qk::source

#pragma once
/// Which file is read how, told by its name. The tables stand in file_format.cpp.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace qk::source {

enum class Format { Parquet, Arrow, Json, Csv, Text };

enum class Compression { None, Gzip, Zstd, Bzip2, Lz4 };

/// Parameters of a reader, from the file's extension or from the dataset card.
struct ReadOptions {
  char separator = ',';                   ///< csv
  std::optional<std::string> field = {};  ///< json: the list inside one object
};

struct FileKind {
  Format format;
  ReadOptions options = {};
};

std::string_view name_of(Format format);

/// The kind of a single file: a known extension, maybe a compression on top of it (docs.jsonl.gz);
/// nullopt: unknown.
std::optional<FileKind> kind_of_file(std::string_view file_name);

/// The compression that the last extension names.
Compression compression_of(std::string_view file_name);

/// True when some dotted suffix of the file's name is a supported extension, in lower case as it
/// stands.
bool has_known_extension(std::string_view path);

/// True when the name ends in an extension of the format, or has one followed by one more suffix
/// (`.json.gz`).
bool has_extension_of(std::string_view path, Format format);

/// The one kind that a list of files counts as: the most frequent known suffix, ties by a fixed
/// order. nullopt: none known. Source: datasets 4/5 load.py, infer_module_for_data_files_list.
std::optional<FileKind> infer_kind(const std::vector<std::string>& paths);

/// ".parquet .arrow ...", for messages.
std::string known_extensions();

}  // namespace qk::source

#pragma once
/// JSON of a checkpoint folder, read with suspicion. Every error is a CheckpointError that names
/// the file.
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace qk::checkpoint {

/// What a key that occurs twice in one object means.
enum class RepeatedKeys {
  KeepLast,  ///< as Python's json does
  Refuse,
};

/// An object; nesting deeper than 64 and every other kind of value is refused. A byte order mark is
/// skipped.
nlohmann::json parse_object(std::string_view text, const std::filesystem::path& file,
                            RepeatedKeys repeated);

/// As parse_object with KeepLast, and takes what Python's json writes beyond the standard: NaN,
/// Infinity and -Infinity outside of strings become the texts "NaN", "Infinity", "-Infinity".
nlohmann::json parse_python_object(std::string_view text, const std::filesystem::path& file);

/// parse_python_object of a whole file of at most 100 MB.
nlohmann::json read_python_object(const std::filesystem::path& file);

/// A foreign value for a message: as ASCII JSON (texts in quotes, control characters escaped), cut
/// when long.
std::string shown(const nlohmann::json& value);

}  // namespace qk::checkpoint

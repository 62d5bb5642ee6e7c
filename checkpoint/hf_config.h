#pragma once
/// A view of one object of config.json. Every getter names file and key in its error.
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace qk::checkpoint {

/// Absent and null are different things in Hugging Face configs: see has() and is_null().
/// Read as Python's json reads: the last of repeated keys counts. NaN and Infinity, which Python
/// writes, are kept as the texts "NaN", "Infinity", "-Infinity": they don't stop a config, but no
/// number() is one of them.
class HfConfig {
 public:
  /// Reads <folder>/config.json. Throws CheckpointError: missing, over 100 MB, not JSON, not an
  /// object, nested deeper than 64.
  static HfConfig open(const std::filesystem::path& folder);
  /// where: "path/config.json" or "path/config.json: text_config"
  HfConfig(nlohmann::json object, std::string where);

  bool has(const std::string& key) const;      ///< present, null or not
  bool is_null(const std::string& key) const;  ///< present and null
  bool is_set(const std::string& key) const;   ///< present and not null
  bool is_object(const std::string& key) const;

  /// Present and not null, of the type; else CheckpointError naming the key (and the value when the
  /// type is wrong). integer() takes 8 and 8.0, number() takes 8 and 8.5; true is neither.
  int64_t integer(const std::string& key) const;
  double number(const std::string& key) const;
  bool boolean(const std::string& key) const;
  std::string text(const std::string& key) const;
  std::vector<int64_t> integers(const std::string& key) const;
  std::vector<std::string> texts(const std::string& key) const;
  HfConfig object(const std::string& key) const;

  /// Absent: the default. null: error, as above.
  int64_t integer(const std::string& key, int64_t absent) const;
  double number(const std::string& key, double absent) const;
  bool boolean(const std::string& key, bool absent) const;
  std::string text(const std::string& key, const std::string& absent) const;

  /// Absent: the default; null: nullopt.
  std::optional<int64_t> optional_integer(const std::string& key,
                                          std::optional<int64_t> absent = {}) const;
  std::optional<double> optional_number(const std::string& key,
                                        std::optional<double> absent = {}) const;

  const nlohmann::json& json() const { return object_; }
  const std::string& where() const { return where_; }

 private:
  std::string place_of(const std::string& key) const;
  template <typename T>
  T read(const std::string& key, std::optional<T> (*as_type)(const nlohmann::json&),
         std::string_view type) const;

  nlohmann::json object_;
  std::string where_;
  bool nested_ = false;  ///< where_ already names a key
};

}  // namespace qk::checkpoint

#include "checkpoint/hf_config.h"

#include <cmath>
#include <limits>
#include <string_view>

#include "base/error.h"
#include "checkpoint/json_file.h"

namespace qk::checkpoint {
namespace fs = std::filesystem;
using Json = nlohmann::json;
namespace {

constexpr double kTwoTo63 = 9223372036854775808.0;

std::optional<int64_t> as_integer(const Json& value) {
  if (value.is_number_unsigned()) {
    const auto number = value.get<uint64_t>();
    if (number > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return {};
    return static_cast<int64_t>(number);
  }
  if (value.is_number_integer()) return value.get<int64_t>();
  if (!value.is_number_float()) return {};
  const auto number = value.get<double>();
  const bool whole = std::trunc(number) == number && number >= -kTwoTo63 && number < kTwoTo63;
  return whole ? std::optional(static_cast<int64_t>(number)) : std::nullopt;
}

std::optional<double> as_number(const Json& value) {
  if (!value.is_number() || !std::isfinite(value.get<double>())) return {};
  return value.get<double>();
}

std::optional<bool> as_boolean(const Json& value) {
  return value.is_boolean() ? std::optional(value.get<bool>()) : std::nullopt;
}

std::optional<std::string> as_text(const Json& value) {
  return value.is_string() ? std::optional(value.get<std::string>()) : std::nullopt;
}

template <typename T>
std::optional<std::vector<T>> as_list(const Json& value, std::optional<T> (*as_item)(const Json&)) {
  if (!value.is_array()) return {};
  std::vector<T> items;
  for (const Json& item : value) {
    std::optional<T> read = as_item(item);
    if (!read) return {};
    items.push_back(*std::move(read));
  }
  return items;
}

std::optional<std::vector<int64_t>> as_integers(const Json& value) {
  return as_list<int64_t>(value, as_integer);
}

std::optional<std::vector<std::string>> as_texts(const Json& value) {
  return as_list<std::string>(value, as_text);
}

}  // namespace

HfConfig HfConfig::open(const fs::path& folder) {
  const fs::path file = folder / "config.json";
  std::error_code ignored;
  if (!fs::exists(file, ignored)) {
    throw CheckpointError("{}: no such file; a checkpoint folder holds config.json", file.string());
  }
  return HfConfig(read_python_object(file), file.string());
}

HfConfig::HfConfig(Json object, std::string where)
    : object_(std::move(object)), where_(std::move(where)) {
  if (!object_.is_object()) {
    throw CheckpointError("{}: expected an object, found {}", where_, shown(object_));
  }
}

bool HfConfig::has(const std::string& key) const { return object_.contains(key); }

bool HfConfig::is_null(const std::string& key) const { return has(key) && object_[key].is_null(); }

bool HfConfig::is_set(const std::string& key) const { return has(key) && !object_[key].is_null(); }

bool HfConfig::is_object(const std::string& key) const {
  return has(key) && object_[key].is_object();
}

/// "path/config.json: text_config.rope_scaling" for the key below its object.
std::string HfConfig::place_of(const std::string& key) const {
  return where_ + (nested_ ? "." : ": ") + key;
}

template <typename T>
T HfConfig::read(const std::string& key, std::optional<T> (*as_type)(const Json&),
                 std::string_view type) const {
  const auto found = object_.find(key);
  if (found == object_.end()) {
    throw CheckpointError("{} is missing; expected {}", place_of(key), type);
  }
  std::optional<T> value = as_type(*found);
  if (!value) {
    throw CheckpointError("{}: expected {}, found {}", place_of(key), type, shown(*found));
  }
  return *std::move(value);
}

int64_t HfConfig::integer(const std::string& key) const {
  return read(key, as_integer, "an integer");
}

double HfConfig::number(const std::string& key) const { return read(key, as_number, "a number"); }

bool HfConfig::boolean(const std::string& key) const {
  return read(key, as_boolean, "true or false");
}

std::string HfConfig::text(const std::string& key) const { return read(key, as_text, "a text"); }

std::vector<int64_t> HfConfig::integers(const std::string& key) const {
  return read(key, as_integers, "a list of integers");
}

std::vector<std::string> HfConfig::texts(const std::string& key) const {
  return read(key, as_texts, "a list of texts");
}

HfConfig HfConfig::object(const std::string& key) const {
  const auto as_object = [](const Json& value) {
    return value.is_object() ? std::optional(value) : std::nullopt;
  };
  HfConfig inner(read<Json>(key, as_object, "an object"), place_of(key));
  inner.nested_ = true;
  return inner;
}

int64_t HfConfig::integer(const std::string& key, int64_t absent) const {
  return has(key) ? integer(key) : absent;
}

double HfConfig::number(const std::string& key, double absent) const {
  return has(key) ? number(key) : absent;
}

bool HfConfig::boolean(const std::string& key, bool absent) const {
  return has(key) ? boolean(key) : absent;
}

std::string HfConfig::text(const std::string& key, const std::string& absent) const {
  return has(key) ? text(key) : absent;
}

std::optional<int64_t> HfConfig::optional_integer(const std::string& key,
                                                  std::optional<int64_t> absent) const {
  if (!has(key)) return absent;
  return is_null(key) ? std::nullopt : std::optional(integer(key));
}

std::optional<double> HfConfig::optional_number(const std::string& key,
                                                std::optional<double> absent) const {
  if (!has(key)) return absent;
  return is_null(key) ? std::nullopt : std::optional(number(key));
}

}  // namespace qk::checkpoint

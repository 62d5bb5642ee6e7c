#pragma once
/// Words for messages and for docs/config.md: what a key takes, what a value is, which known name
/// is nearest.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sniffer/config_fields.h"
#include "sniffer/config_yaml.h"

namespace qk::sniffer {

enum class ValueType { Text, Integer, Number, Truth, Integers, Mapping };

/// The type of a struct member, as far as words need it.
struct TypeInfo {
  ValueType type = ValueType::Text;
  bool nullable = false;
  std::vector<std::string_view> names = {};  ///< of an enum
  bool any_case = false;
};

inline TypeInfo type_of(const std::string&) { return {}; }
inline TypeInfo type_of(int64_t) { return {.type = ValueType::Integer}; }
inline TypeInfo type_of(double) { return {.type = ValueType::Number}; }
inline TypeInfo type_of(bool) { return {.type = ValueType::Truth}; }
inline TypeInfo type_of(const std::vector<int64_t>&) { return {.type = ValueType::Integers}; }
inline TypeInfo type_of(const nlohmann::json&) {
  return {.type = ValueType::Mapping, .nullable = true};
}

template <typename E>
requires std::is_enum_v<E> TypeInfo type_of(E value) {
  TypeInfo info = {.any_case = any_case(value)};
  for (const EnumName<E>& name : names_of(value)) info.names.push_back(name.name);
  return info;
}

template <typename T>
TypeInfo type_of(const std::optional<T>&) {
  TypeInfo info = type_of(T{});
  info.nullable = true;
  return info;
}

/// "an integer, at least 1, or null".
std::string allowed_values(const Field& field, const TypeInfo& info);

/// A value as a message shows it: as written, text in quotes, long ones cut, "a mapping", "a list".
std::string shown(const YamlNode& node);
std::string shown_text(std::string_view text);

/// "integer", "date", ...: what YAML takes a value for.
std::string kind_name(const YamlNode& node);

/// The candidate that a typing mistake could have turned into `name`.
std::optional<std::string_view> nearest(std::string_view name,
                                        const std::vector<std::string_view>& candidates);

/// "a, b or c".
std::string joined(const std::vector<std::string_view>& words, std::string_view last = "or");

}  // namespace qk::sniffer

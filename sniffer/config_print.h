#pragma once
/// The members of a config as plain values, and values as YAML text.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <type_traits>

#include "sniffer/config_fields.h"

namespace qk::sniffer {

/// A value on one line. Text that YAML would take for something else is quoted.
std::string yaml_value(const nlohmann::ordered_json& value);

template <typename T>
nlohmann::ordered_json plain_value(T& value);

/// Visitor that collects the members of one struct, in order.
struct ValueCollector {
  nlohmann::ordered_json values = nlohmann::ordered_json::object();

  template <typename T>
  void operator()(T& value, const Field& field) {
    values[std::string(field.key)] = plain_value(value);
  }
  template <typename T>
  void operator()(std::optional<T>& value, const Field& field) {
    values[std::string(field.key)] = value ? plain_value(*value) : nlohmann::ordered_json(nullptr);
  }
};

/// A member of a config, or a struct of them, as JSON has it.
template <typename T>
nlohmann::ordered_json plain_value(T& value) {
  if constexpr (HasFields<T>) {
    ValueCollector collector;
    visit_fields(value, collector);
    return collector.values;
  } else if constexpr (std::is_enum_v<T>) {
    return std::ranges::find(names_of(value), value, &EnumName<T>::value)->name;
  } else {
    return nlohmann::ordered_json(value);
  }
}

}  // namespace qk::sniffer

#pragma once
/// From one YAML value to the type of one struct member.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "sniffer/config_describe.h"
#include "sniffer/config_fields.h"
#include "sniffer/config_yaml.h"

namespace qk::sniffer {

/// Why a value was not taken.
struct Problem {
  std::string what;  ///< the value and what is wrong with it
  std::string hint;  ///< what to write instead; may be empty
};

// Each sets `out` and returns nullopt, or returns the problem.
std::optional<Problem> read_value(const YamlNode& node, const Field& field, bool& out);
std::optional<Problem> read_value(const YamlNode& node, const Field& field, int64_t& out);
std::optional<Problem> read_value(const YamlNode& node, const Field& field, double& out);
std::optional<Problem> read_value(const YamlNode& node, const Field& field, std::string& out);

/// The problem of a value of another type than `wanted`.
Problem not_a(const YamlNode& node, std::string_view wanted, std::string hint = "");

/// The index of a text in `names`.
std::optional<Problem> read_choice(const YamlNode& node, const TypeInfo& info, size_t& out);

template <typename E>
requires std::is_enum_v<E> std::optional<Problem> read_value(const YamlNode& node, const Field&,
                                                             E& out) {
  size_t index = 0;
  if (std::optional<Problem> problem = read_choice(node, type_of(out), index)) return problem;
  out = names_of(out)[index].value;
  return std::nullopt;
}

template <typename T>
std::optional<Problem> read_value(const YamlNode& node, const Field& field, std::optional<T>& out) {
  out.reset();
  if (node.is(ScalarKind::Null)) return std::nullopt;
  T value{};
  std::optional<Problem> problem = read_value(node, field, value);
  if (!problem) out = std::move(value);
  return problem;
}

}  // namespace qk::sniffer

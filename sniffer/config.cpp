#include "sniffer/config.h"

#include <fmt/format.h>

#include <system_error>

#include "base/error.h"
#include "base/files.h"
#include "sniffer/config_read.h"
#include "sniffer/config_yaml.h"

namespace qk::sniffer {
namespace {

constexpr size_t kLongestPath = 32;  // keys
constexpr size_t kLongestOrigin = 100;

/// "a.b.c" -> a, b, c. Empty when a key is empty or there are too many.
std::vector<std::string> split_path(std::string_view text) {
  std::vector<std::string> keys;
  while (true) {
    const size_t dot = text.find('.');
    keys.emplace_back(text.substr(0, dot));
    if (keys.back().empty() || keys.size() > kLongestPath) return {};
    if (dot == std::string_view::npos) return keys;
    text.remove_prefix(dot + 1);
  }
}

/// Throws ConfigError naming the override.
YamlPtr with_override(const YamlPtr& root, const std::string& assignment) {
  check_text(assignment, "--set");
  const std::string origin =
      "--set " + (assignment.size() <= kLongestOrigin ? assignment
                                                      : assignment.substr(0, assignment.find('=')));
  const size_t equals = assignment.find('=');
  const std::vector<std::string> path = split_path(assignment.substr(0, equals));
  if (equals == std::string::npos || path.empty()) {
    throw ConfigError(
        "{}: not an override. Write section.key=value, as in capture.sampler.type=all", origin);
  }
  return with_value(root, path, parse_yaml(assignment.substr(equals + 1), origin, true));
}

void check_together(const SniffConfig& config, Mistakes& mistakes) {
  if (!config.capture.capture_queries && !config.capture.capture_keys) {
    mistakes.add("", "capture.capture_queries, capture.capture_keys",
                 "both are false, which captures nothing. Allowed: at least one true.");
  }
  const Parallel parallel = config.inference.parallel;
  const bool together = parallel == Parallel::Heads || parallel == Parallel::Layers;
  if (together && config.inference.processes.value_or(1) > 1) {
    mistakes.add(
        "", "inference.parallel, inference.processes",
        "heads and layers are shared by the GPUs of one process. Allowed: documents, or one "
        "process.");
  }
}

}  // namespace

SniffConfig parse_config(const std::string& yaml, const std::string& where,
                         const std::vector<std::string>& overrides) {
  YamlPtr root = parse_yaml(yaml, where);
  if (root->kind != YamlNode::Kind::Map && !root->is(ScalarKind::Null)) {
    throw ConfigError("{}: not a config. A config is a mapping of sections: dataset, model, ...",
                      where);
  }
  Mistakes mistakes;
  for (const std::string& assignment : overrides) {
    try {
      root = with_override(root, assignment);
    } catch (const ConfigError& error) {
      mistakes.add(error.what());
    }
  }
  const SniffConfig config = read_fields(*root, where, mistakes);
  check_together(config, mistakes);
  mistakes.throw_if_any(where);
  return config;
}

SniffConfig load_config(const std::filesystem::path& file,
                        const std::vector<std::string>& overrides) {
  std::string text;
  try {
    text = read_file(file);
  } catch (const std::system_error& error) {
    throw ConfigError("cannot read the config: {}", error.what());
  }
  return parse_config(text, file.string(), overrides);
}

}  // namespace qk::sniffer

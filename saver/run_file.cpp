#include "saver/run_file.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"

namespace qk::saver {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::ordered_json;

constexpr int kFormat = 1;
constexpr size_t kShownCharacters = 120;

const char* name_of(VectorType type) {
  switch (type) {
    case VectorType::Float32:
      return "float32";
    case VectorType::BFloat16:
      return "bfloat16";
    case VectorType::Float16:
      return "float16";
  }
  throw InternalError("vector type {}", static_cast<int>(type));
}

VectorType type_of(const std::string& name) {
  for (const VectorType type : {VectorType::Float32, VectorType::BFloat16, VectorType::Float16}) {
    if (name == name_of(type)) return type;
  }
  throw OutputError("unknown vector type {}", name);
}

Json to_json(const LayerHeads& group) {
  Json window = nullptr;
  if (group.sliding_window) window = *group.sliding_window;
  return {{"layer", group.layer},
          {"kind", std::string(1, group.kind)},
          {"heads", group.heads},
          {"sliding_window", window}};
}

Json to_json(const CaptureLayout& layout) {
  Json groups = Json::array();
  for (const LayerHeads& group : layout.groups) groups.push_back(to_json(group));
  return {{"head_dim", layout.head_dim},
          {"vector_type", name_of(layout.vector_type)},
          {"token_strings", layout.token_strings},
          {"groups", groups}};
}

CaptureLayout layout_from(const Json& json) {
  CaptureLayout layout;
  layout.head_dim = json.at("head_dim");
  layout.vector_type = type_of(json.at("vector_type"));
  layout.token_strings = json.at("token_strings");
  for (const Json& item : json.at("groups")) {
    LayerHeads group{.layer = item.at("layer"),
                     .kind = item.at("kind").get<std::string>().at(0),
                     .heads = item.at("heads"),
                     .sliding_window = {}};
    if (!item.at("sliding_window").is_null())
      group.sliding_window = item.at("sliding_window").get<int32_t>();
    layout.groups.push_back(std::move(group));
  }
  return layout;
}

Json to_json(const WriteSummary& summary) {
  return {{"documents", summary.documents}, {"skipped", summary.skipped},
          {"truncated", summary.truncated}, {"tokens", summary.tokens},
          {"rows", summary.rows},           {"files", summary.files},
          {"bytes", summary.bytes}};
}

WriteSummary summary_from(const Json& json) {
  WriteSummary summary;
  summary.documents = json.at("documents");
  summary.skipped = json.at("skipped");
  summary.truncated = json.at("truncated");
  summary.tokens = json.at("tokens");
  summary.rows = json.at("rows");
  summary.files = json.at("files");
  summary.bytes = json.at("bytes");
  return summary;
}

std::string utc_now() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  const size_t length = std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return std::string(text, length);
}

std::string to_text(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string shortened(const std::string& value) {
  return value.size() <= kShownCharacters ? value : value.substr(0, kShownCharacters) + "...";
}

/// Parses the file and lets `read` take what it wants; anything wrong is one OutputError.
template <typename Read>
auto read_json(const fs::path& file, Read&& read) -> std::optional<decltype(read(Json()))> {
  if (!fs::exists(file)) return std::nullopt;
  try {
    const Json json = Json::parse(qk::read_file(file));
    if (json.at("format") != kFormat) {
      throw OutputError("format {}, this version knows {}", json.at("format").dump(), kFormat);
    }
    return read(json);
  } catch (const std::exception& error) {
    throw OutputError(
        "{}: can't be read as a capture's own file ({}). Choose another output.data_root, or move "
        "this folder away.",
        file.string(), error.what());
  }
}

}  // namespace

Identity full_identity(const RunFacts& facts, const CaptureLayout& layout) {
  Identity identity = facts.identity;
  identity["layout.head_dim"] = std::to_string(layout.head_dim);
  identity["layout.vector_type"] = name_of(layout.vector_type);
  identity["layout.token_strings"] = layout.token_strings ? "true" : "false";
  std::string& heads = identity["layout.heads"];
  for (const LayerHeads& group : layout.groups) {
    const std::string window =
        group.sliding_window ? fmt::format(" window {}", *group.sliding_window) : "";
    heads += fmt::format("l{:02}{}[{}]{} ", group.layer, group.kind, fmt::join(group.heads, ","),
                         window);
  }
  return identity;
}

std::string differences(const Identity& was, const Identity& is) {
  static const std::string kMissing = "(not set)";
  std::map<std::string, std::pair<std::string, std::string>> all;
  for (const auto& [key, value] : was) all[key] = {value, kMissing};
  for (const auto& [key, value] : is)
    all.try_emplace(key, kMissing, "").first->second.second = value;
  std::string text;
  for (const auto& [key, values] : all) {
    if (values.first == values.second) continue;
    text += fmt::format("\n  {}: {} -> {}", key, shortened(values.first), shortened(values.second));
  }
  return text;
}

const FileFacts* FinishedCapture::find(const std::string& name) const {
  const auto found = std::find_if(files.begin(), files.end(),
                                  [&](const FileFacts& file) { return file.name == name; });
  return found == files.end() ? nullptr : &*found;
}

WriteSummary summary_of(const CaptureLayout& layout, const CaptureTotals& totals,
                        const std::vector<FileFacts>& row_files) {
  WriteSummary summary{.files = static_cast<int64_t>(row_files.size()),
                       .rows = 0,
                       .rows_early = 0,
                       .bytes = 0,
                       .documents = totals.documents,
                       .skipped = totals.skipped,
                       .truncated = totals.truncated,
                       .tokens = totals.tokens,
                       .seconds_finalizing = 0};
  for (const FileFacts& file : row_files) {
    summary.rows += file.rows;
    summary.bytes += static_cast<int64_t>(file.bytes);
  }
  QK_ASSERT(summary.rows == totals.rows_of_all_heads(layout));
  return summary;
}

std::string unfinished_json(const UnfinishedCapture& capture) {
  return to_text(
      {{"format", kFormat}, {"replaces", capture.replaces}, {"identity", capture.identity}});
}

std::string finished_json(const FinishedCapture& capture, const RunFacts& facts,
                          const Timings& timings) {
  Json files = Json::array();
  for (const FileFacts& file : capture.files) {
    files.push_back(
        {{"name", file.name}, {"rows", file.rows}, {"bytes", file.bytes}, {"sha256", file.sha256}});
  }
  Json buckets = Json::object();
  for (const auto& [bucket, rows] : capture.rows_per_bucket) buckets[std::to_string(bucket)] = rows;
  Json card_facts = Json::object();
  for (const auto& [label, value] : facts.card_facts) card_facts[label] = value;
  return to_text({{"format", kFormat},
                  {"tool_version", facts.tool_version},
                  {"model", facts.model_name},
                  {"dataset", facts.dataset_path},
                  {"split", facts.dataset_split},
                  {"facts", card_facts},
                  {"config", capture.config_yaml},
                  {"identity", capture.identity},
                  {"layout", to_json(capture.layout)},
                  {"counts", to_json(capture.summary)},
                  {"rows_per_bucket", buckets},
                  {"files", files},
                  {"timings",
                   {{"finished_at", utc_now()},
                    {"capture_seconds", timings.capture_seconds},
                    {"final_pass_seconds", timings.final_pass_seconds}}}});
}

std::optional<UnfinishedCapture> read_unfinished(const fs::path& file) {
  return read_json(file, [](const Json& json) {
    return UnfinishedCapture{.identity = json.at("identity"), .replaces = json.at("replaces")};
  });
}

std::optional<FinishedCapture> read_finished(const fs::path& file) {
  return read_json(file, [](const Json& json) {
    FinishedCapture capture{.identity = json.at("identity"),
                            .layout = layout_from(json.at("layout")),
                            .summary = summary_from(json.at("counts")),
                            .files = {},
                            .config_yaml = json.at("config"),
                            .rows_per_bucket = {}};
    for (const auto& [bucket, rows] : json.at("rows_per_bucket").items()) {
      capture.rows_per_bucket[std::stoll(bucket)] = rows;
    }
    for (const Json& item : json.at("files")) {
      capture.files.push_back({.name = item.at("name"),
                               .rows = item.at("rows"),
                               .bytes = item.at("bytes"),
                               .sha256 = item.at("sha256")});
    }
    return capture;
  });
}

}  // namespace qk::saver

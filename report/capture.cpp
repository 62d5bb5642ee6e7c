#include "report/capture.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/files.h"

namespace qk::report {
namespace {

namespace fs = std::filesystem;

constexpr size_t kShownNames = 8;

/// What to tell about a folder without run.json.
[[noreturn]] void refuse(const fs::path& root) {
  if (!fs::is_directory(root)) {
    throw OutputError("{}: no such folder; give a capture's output.data_root", root.string());
  }
  if (fs::exists(root / ".sniff")) {
    throw OutputError(
        "{}: this capture isn't finished; run its sniff-qk command again, it goes on where it was",
        root.string());
  }
  throw OutputError("{}: no run.json in it, so this is no capture of sniff-qk", root.string());
}

HeadFile head_file(const fs::path& root, const saver::LayerHeads& group, int32_t head) {
  HeadFile file{.name = head_name(group.layer, head, group.kind),
                .layer = group.layer,
                .head = head,
                .kind = group.kind,
                .sliding_window = group.sliding_window,
                .file = {}};
  file.file = root / file.name / "data.parquet";
  return file;
}

bool is_set(const nlohmann::ordered_json& identity, const std::string& key) {
  return identity.contains(key) && identity.at(key) != "null" && identity.at(key) != "[]";
}

}  // namespace

std::string head_name(int32_t layer, int32_t head, char kind) {
  return fmt::format("l{:02}h{:02}{}", layer, head, kind);
}

std::string Capture::fact(const std::string& label) const {
  const auto facts = run.find("facts");
  return facts == run.end() ? "" : facts->value(label, "");
}

const HeadFile& Capture::head(const std::string& name) const {
  const auto found =
      std::ranges::find_if(heads, [&](const HeadFile& head) { return head.name == name; });
  if (found != heads.end()) return *found;
  std::string names;
  for (size_t i = 0; i < std::min(heads.size(), kShownNames); ++i) names += heads[i].name + " ";
  throw OutputError(
      "{}: no '{}' in this capture; it has {}{}", root.string(), name, names,
      heads.size() > kShownNames ? fmt::format("and {} more", heads.size() - kShownNames) : "");
}

std::optional<int32_t> Capture::queries_per_key() const {
  int32_t queries = 0, keys = 0;
  if (const std::string sampled = fact("head_sampling_num_query_heads"); !sampled.empty()) {
    queries = std::stoi(sampled);
    keys = std::stoi(fact("head_sampling_num_key_heads"));
  } else if (!is_set(run.at("identity"), "capture.heads")) {
    for (const saver::LayerHeads& group : finished.layout.groups) {
      int32_t& most = group.kind == 'q' ? queries : keys;
      most = std::max(most, static_cast<int32_t>(group.heads.size()));
    }
  }
  if (keys == 0 || queries == 0) return std::nullopt;
  return queries / keys;
}

Capture open_capture(const fs::path& data_root) {
  std::optional<saver::FinishedCapture> finished = saver::read_finished(data_root / "run.json");
  if (!finished) refuse(data_root);
  Capture capture{.root = data_root,
                  .run = nlohmann::ordered_json::parse(read_file(data_root / "run.json")),
                  .finished = std::move(*finished),
                  .heads = {},
                  .without_rows = {}};
  for (const saver::LayerHeads& group : capture.finished.layout.groups) {
    for (const int32_t head : group.heads) {
      HeadFile file = head_file(data_root, group, head);
      const saver::FileFacts* facts = capture.finished.find(file.name + "/data.parquet");
      if (facts == nullptr) {
        capture.without_rows.push_back(file.name);
        continue;
      }
      file.rows = facts->rows;
      file.bytes = facts->bytes;
      capture.heads.push_back(std::move(file));
    }
  }
  return capture;
}

}  // namespace qk::report

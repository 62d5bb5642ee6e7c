#include "saver/crew.h"

#include <fmt/ranges.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/error.h"
#include "base/files.h"
#include "base/log.h"

namespace qk::saver {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

std::string packed(const Json& json) {
  std::string bytes;
  Json::to_cbor(json, bytes);
  return bytes;
}

Json unpacked(const std::string& bytes) { return Json::from_cbor(bytes); }

Json runs_of(const IndexSet& set) { return set.runs(); }

Json to_json(const Written& written) {
  Json lanes = Json::array(), units = Json::array();
  for (const auto& [number, end] : written.spool.lanes)
    lanes.push_back({number, end.segments, end.next_sequence, end.documents});
  for (const SpoolUnit& unit : written.spool.units)
    units.push_back({unit.first_document, unit.documents, unit.lane, unit.segment, unit.begin,
                     unit.records, unit.bytes});
  const CaptureTotals& t = written.totals;
  return {{"lanes", lanes},       {"units", units},           {"documents", t.documents},
          {"skipped", t.skipped}, {"truncated", t.truncated}, {"tokens", t.tokens},
          {"rows", t.rows},       {"buckets", t.buckets}};
}

Written written_of(const Json& json) {
  const auto rows = json.at("rows").get<std::vector<int64_t>>();
  Written written{.spool = {}, .totals = CaptureTotals(rows.size())};
  for (const Json& lane : json.at("lanes")) {
    written.spool.lanes[lane.at(0)] = {
        .segments = lane.at(1), .next_sequence = lane.at(2), .documents = lane.at(3)};
  }
  for (const Json& unit : json.at("units")) {
    written.spool.units.push_back({.first_document = unit.at(0),
                                   .documents = unit.at(1),
                                   .lane = unit.at(2),
                                   .segment = unit.at(3),
                                   .begin = unit.at(4),
                                   .records = unit.at(5),
                                   .bytes = unit.at(6)});
  }
  CaptureTotals& t = written.totals;
  t.documents = json.at("documents");
  t.skipped = json.at("skipped");
  t.truncated = json.at("truncated");
  t.tokens = json.at("tokens");
  t.rows = rows;
  t.buckets = json.at("buckets").get<std::map<int32_t, int64_t>>();
  return written;
}

void add(Written& all, Written part) {
  for (auto& [number, end] : part.spool.lanes) all.spool.lanes[number] = std::move(end);
  for (const SpoolUnit& unit : part.spool.units) all.spool.units.push_back(unit);
  all.totals.add(part.totals);
}

/// Some network filesystems show a new file to other hosts after seconds only.
bool appears(const fs::path& file, const std::string& content) {
  constexpr int kTries = 50;
  for (int i = 0; i < kTries; ++i) {
    std::ifstream stream(file);
    std::string text;
    if (std::getline(stream, text) && text == content) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return false;
}

void say_remote(const std::vector<int>& ranks, const std::string& host, const fs::path& root) {
  const bool one = ranks.size() == 1;
  log::info("rank{} {} on {} {} not see {}: what {} is sent to rank 0", one ? "" : "s",
            fmt::join(ranks, ", "), host, one ? "does" : "do", root.string(),
            one ? "it captures" : "they capture");
}

/// The ranks that do not see rank 0's folder, on all ranks.
std::set<int> tell_who_is_remote(bool seen, const fs::path& root, parallel::Job& job) {
  const std::vector<std::string> hosts = job.gather(seen ? "" : job.host());
  std::set<int> remote;
  std::map<std::string, std::vector<int>> by_host;
  for (size_t i = 0; i < hosts.size(); ++i) {
    if (hosts[i].empty()) continue;
    remote.insert(static_cast<int>(i));
    by_host[hosts[i]].push_back(static_cast<int>(i));
  }
  if (!remote.empty() && job.post() == nullptr) {
    throw OutputError("{}: rank {} does not see it. Was it moved, removed or unmounted?",
                      root.string(), *remote.begin());
  }
  for (const auto& [host, ranks] : by_host) say_remote(ranks, host, root);
  return unpacked(job.broadcast(packed(remote))).get<std::set<int>>();
}

/// As one process lists them.
std::vector<FileFacts> in_order(std::vector<FileFacts> files, const CaptureLayout& layout) {
  std::map<std::string, size_t> place;
  for (const LayerHeads& group : layout.groups)
    for (size_t head = 0; head < group.heads.size(); ++head)
      place.emplace(config_name(group, head) + "/data.parquet", place.size());
  std::ranges::sort(files, {}, [&](const FileFacts& file) { return place.at(file.name); });
  return files;
}

}  // namespace

int Meeting::seeing_before(int rank) const {
  return rank - static_cast<int>(std::distance(remote.begin(), remote.lower_bound(rank)));
}

std::map<int, int64_t> Meeting::lanes_of_remote() const {
  std::map<int, int64_t> lanes;
  for (const int rank : remote) lanes[rank] = lane_of(rank);
  return lanes;
}

Meeting meet(const Meeting& mine, const fs::path& folder, parallel::Job& job) {
  if (job.size() == 1) return mine;
  const fs::path sign = folder / "ranks";
  const std::string token = fmt::format("{} {} {}", job.host(), ::getpid(), ::time(nullptr));
  const bool looking = !mine.finished;  // a finished capture has no work folder
  if (job.rank() == 0 && looking) write_file_atomically(sign, token);
  const Json told = unpacked(job.broadcast(packed({{"finished", mine.finished},
                                                   {"runs", runs_of(mine.documents)},
                                                   {"documents", mine.documents_done},
                                                   {"tokens", mine.tokens_done},
                                                   {"lanes", mine.lanes_per_rank},
                                                   {"lane", mine.first_free_lane},
                                                   {"token", token}})));
  Meeting meeting{.finished = told.at("finished"),
                  .documents = {},
                  .documents_done = told.at("documents"),
                  .tokens_done = told.at("tokens"),
                  .lanes_per_rank = told.at("lanes"),
                  .first_free_lane = told.at("lane")};
  for (const auto& [begin, end] : told.at("runs").get<std::map<int64_t, int64_t>>())
    meeting.documents.add(begin, end);
  const bool seen = meeting.finished || appears(sign, told.at("token"));
  meeting.remote = tell_who_is_remote(seen, folder.parent_path(), job);
  if (job.rank() == 0 && looking) fs::remove(sign);
  return meeting;
}

Written gather_written(Written mine, parallel::Job& job) {
  const std::vector<std::string> parts = job.gather(packed(to_json(mine)));
  if (job.rank() != 0) return written_of(unpacked(job.broadcast("")));
  for (size_t rank = 1; rank < parts.size(); ++rank) add(mine, written_of(unpacked(parts[rank])));
  mine.spool.sort();
  job.broadcast(packed(to_json(mine)));
  return mine;
}

PassLimits limits_of_job(PassLimits limits, int builders, parallel::Job& job) {
  const Json told = unpacked(job.broadcast(packed({limits.threads, limits.open_files})));
  limits.threads = told.at(0).get<int>() * builders;
  limits.open_files = told.at(1).get<int64_t>() * builders;
  limits.memory_bytes *= builders;
  return limits;
}

std::vector<FileFacts> gather_files(std::vector<FileFacts> mine, const CaptureLayout& layout,
                                    parallel::Job& job) {
  if (job.size() == 1) return mine;
  Json files = Json::array();
  for (const FileFacts& file : mine)
    files.push_back({file.name, file.rows, file.bytes, file.sha256});
  std::vector<FileFacts> all;
  for (const std::string& part : job.gather(packed(files))) {
    for (const Json& file : unpacked(part))
      all.push_back(
          {.name = file.at(0), .rows = file.at(1), .bytes = file.at(2), .sha256 = file.at(3)});
  }
  return in_order(std::move(all), layout);
}

}  // namespace qk::saver

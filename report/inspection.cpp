#include "report/inspection.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <mutex>
#include <set>

#include "base/numbers.h"
#include "report/buckets.h"

namespace qk::report {
namespace {

namespace fs = std::filesystem;
using Level = Flag::Level;

class FlagFinder {
 public:
  FlagFinder(const Capture& capture, const std::vector<HeadStatistics>& heads)
      : capture_(capture), heads_(heads) {}

  std::vector<Flag> find() {
    for (size_t i = 0; i < heads_.size(); ++i) {
      look_at_rows(capture_.heads[i], heads_[i]);
      look_at_vectors(capture_.heads[i].name, heads_[i]);
      look_at_siblings(i);
    }
    look_at_whole();
    std::ranges::stable_sort(flags_,
                             [](const Flag& a, const Flag& b) { return a.level > b.level; });
    return std::move(flags_);
  }

 private:
  void add(Level level, std::string where, std::string text) {
    flags_.push_back({level, std::move(where), std::move(text)});
  }

  void look_at_rows(const HeadFile& head, const HeadStatistics& s) {
    if (s.rows != head.rows) {
      add(Level::Problem, head.name,
          fmt::format("{} rows in the file, {} in run.json", s.rows, head.rows));
    }
    if (fs::file_size(head.file) != head.bytes)
      add(Level::Problem, head.name, "the file was changed: its size isn't the one in run.json");
    if (s.duplicates > 0) {
      add(Level::Problem, head.name,
          fmt::format(
              "{} rows share example_id and position with another row (ids of two documents "
              "may have the same low 32 bits: see examples.parquet)",
              s.duplicates));
    }
  }

  void look_at_vectors(const std::string& name, const HeadStatistics& s) {
    if (s.not_finite > 0) {
      add(Level::Problem, name,
          fmt::format("{} vectors with NaN or infinity; try model.dtype bfloat16 or float32",
                      s.not_finite));
    }
    if (s.zero > 0) add(Level::Problem, name, fmt::format("{} vectors of zeros", s.zero));
    for (const auto& [bucket, rows] : s.rows_per_bucket) {
      const auto positions = bucket_positions(capture_, bucket);
      if (positions && (positions->first > s.last_position || positions->second < s.first_position))
        add(Level::Problem, name, fmt::format("bucket {} can't hold its positions", bucket));
    }
  }

  /// Heads of one layer and kind have the same rows.
  void look_at_siblings(size_t i) {
    if (i == 0) return;
    const HeadFile &before = capture_.heads[i - 1], &head = capture_.heads[i];
    if (before.layer != head.layer || before.kind != head.kind) return;
    if (heads_[i - 1].row_hash != heads_[i].row_hash)
      add(Level::Problem, head.name, fmt::format("its rows aren't those of {}", before.name));
  }

  void look_at_whole() {
    std::set<int32_t> buckets;
    for (const HeadStatistics& s : heads_)
      for (const auto& [bucket, rows] : s.rows_per_bucket) buckets.insert(bucket);
    std::map<std::vector<int32_t>, std::vector<std::string>> missing;
    for (size_t i = 0; i < heads_.size(); ++i) {
      std::vector<int32_t> empty;
      for (const int32_t bucket : buckets)
        if (!heads_[i].rows_per_bucket.contains(bucket)) empty.push_back(bucket);
      if (!empty.empty()) missing[empty].push_back(capture_.heads[i].name);
    }
    for (const auto& [empty, names] : missing) {
      add(Level::Note, names.size() == 1 ? names.front() : "",
          fmt::format("no rows in bucket {}{}", ranges(empty),
                      names.size() == 1
                          ? ""
                          : fmt::format(" of {} heads ({}, ...)", names.size(), names.front())));
    }
    for (const std::string& name : capture_.without_rows)
      add(Level::Note, name, "captured, but no row was drawn, so there is no file");
    if (capture_.finished.summary.skipped > 0) {
      add(Level::Note, "",
          fmt::format("{} documents without tokens were skipped",
                      capture_.finished.summary.skipped));
    }
  }

  const Capture& capture_;
  const std::vector<HeadStatistics>& heads_;
  std::vector<Flag> flags_;
};

}  // namespace

std::vector<Flag> find_flags(const Capture& capture, const std::vector<HeadStatistics>& heads) {
  return FlagFinder(capture, heads).find();
}

Inspection inspect(const Capture& capture, const OnHead& on_head) {
  const auto all = static_cast<int64_t>(capture.heads.size());
  Inspection inspection;
  inspection.heads.resize(capture.heads.size());
  std::mutex mutex;
  int64_t done = 0;
  at::parallel_for(0, all, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto index = static_cast<size_t>(i);
      inspection.heads[index] =
          head_statistics(capture.heads[index], capture.finished.layout.head_dim);
      const std::scoped_lock lock(mutex);
      on_head(++done, all);
    }
  });
  inspection.flags = find_flags(capture, inspection.heads);
  return inspection;
}

}  // namespace qk::report

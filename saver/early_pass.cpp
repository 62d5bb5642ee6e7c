#include "saver/early_pass.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "saver/final_pass.h"

namespace qk::saver {
namespace fs = std::filesystem;
namespace {

/// The shares of a capture in which each head gets some row groups.
PassPlan plan_shares(const CaptureLayout& layout, const EarlyOptions& options) {
  if (options.memory_bytes < least_thread_bytes(layout, options.rows_per_group)) return {};
  CaptureTotals totals(layout.groups.size());
  totals.rows.assign(layout.groups.size(), options.rows_per_group);
  return plan_pass(layout, totals,
                   {.threads = options.threads,
                    .memory_bytes = options.memory_bytes,
                    .rows_per_group = options.rows_per_group,
                    .open_files = std::numeric_limits<int64_t>::max(),  // they are set aside
                    .records = 1});
}

constexpr auto kLook = std::chrono::milliseconds(100);

/// For the calling thread: whatever else wants to run goes first.
void take_lowest_priority() {
  constexpr int kLowest = 19;
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kLowest);
}

}  // namespace

EarlyPass::EarlyPass(const CaptureLayout& layout, const SpoolShape& shape, const SpoolIndex& found,
                     EarlyOptions options)
    : layout_(layout),
      shape_(shape),
      options_(std::move(options)),
      token_strings_(options_.token_string),
      counts_(layout.groups.size()) {
  const PassPlan plan = plan_shares(layout_, options_);
  if (plan.tasks.empty()) return;
  for (const auto& task : plan.tasks)
    for (const HeadRange& heads : task) shares_.push_back({.heads = heads});
  files_ = std::make_unique<HeadFiles>(layout_, options_.compression_level, options_.staging);
  spool_.lanes = found.lanes;
  for (const SpoolUnit& unit : found.units) pending_.emplace(unit.first_document, unit);
  take_gapless();
  try {
    for (int i = 0; i < plan.threads; ++i) threads_.emplace_back([this] { work(); });
  } catch (const std::system_error&) {  // the system allows no more: those that there are do
  }
}

EarlyPass::~EarlyPass() { drop(); }

void EarlyPass::add(const SpoolUnit& unit, const LaneEnd& lane) {
  if (ending_ || threads_.empty()) return;
  {
    const std::scoped_lock lock(arrival_mutex_);
    arrived_.lanes[unit.lane] = lane;
    arrived_.units.push_back(unit);
  }
  wake_.notify_one();
}

void EarlyPass::take_arrived() {
  SpoolIndex arrived;
  {
    const std::scoped_lock lock(arrival_mutex_);
    arrived = std::exchange(arrived_, {});
  }
  if (arrived.units.empty()) return;
  for (auto& [number, end] : arrived.lanes) spool_.lanes[number] = std::move(end);
  for (const SpoolUnit& next : arrived.units) pending_.emplace(next.first_document, next);
  take_gapless();
}

bool EarlyPass::drop() {
  failed_ = true;
  end();
  remove_files();
  return std::exchange(begun_, false);
}

std::unique_ptr<HeadFiles> EarlyPass::finish() {
  end();
  return failed_ || rows_ == 0 ? nullptr : std::move(files_);
}

void EarlyPass::end() {
  {
    const std::scoped_lock lock(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  threads_.clear();
}

void EarlyPass::work() {
  take_lowest_priority();
  try {
    Lock lock(mutex_);
    ++working_;
    run_jobs(lock);
  } catch (const std::exception& error) {
    fail(error);
  }
  const std::scoped_lock lock(mutex_);
  if (--working_ == 0 && failed_) remove_files();
}

void EarlyPass::run_jobs(Lock& lock) {
  while (true) {
    Share* share = nullptr;
    const auto something = [&] {
      take_arrived();
      share = ready_share();
      return ending_ || has_uncounted() || share != nullptr;
    };
    // add() wakes without the lock, which a thread may have that gets no core for long.
    while (!wake_.wait_for(lock, kLook, something)) {
    }
    if (ending_) return;
    if (has_uncounted()) {
      count(lock);
    } else {
      build(*share, lock);
    }
  }
}

void EarlyPass::fail(const std::exception& error) {
  {
    const std::scoped_lock lock(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  if (failed_.exchange(true)) return;
  log::warn(
      "the final files can't be begun while the capture runs, and are built at its end. The cause: "
      "{}",
      error.what());
}

void EarlyPass::remove_files() {
  files_.reset();
  rows_ = 0;
  bytes_ = 0;
}

void EarlyPass::take_gapless() {
  const auto next_document = [&] {
    return spool_.units.empty() ? 0 : spool_.units.back().end_document();
  };
  for (auto next = pending_.find(next_document()); next != pending_.end();
       next = pending_.find(next_document())) {
    spool_.units.push_back(next->second);
    pending_.erase(next);
  }
}

EarlyPass::Share* EarlyPass::ready_share() {
  Share* least = nullptr;
  for (Share& share : shares_) {
    const bool ready =
        !share.busy && share.rows + options_.rows_per_group <= counts_[share.heads.group];
    if (ready && (least == nullptr || share.rows < least->rows)) least = &share;
  }
  return least;
}

/// Looks into the spool for how many rows the new units have.
void EarlyPass::count(Lock& lock) {
  const SpoolIndex part{
      .lanes = spool_.lanes,
      .units = {spool_.units.begin() + static_cast<ptrdiff_t>(counted_), spool_.units.end()}};
  counting_ = true;
  lock.unlock();
  const std::vector<int64_t> rows = rows_in(part);
  lock.lock();
  counting_ = false;
  counted_ += part.units.size();
  for (size_t group = 0; group < rows.size(); ++group) counts_[group] += rows[group];
  wake_.notify_all();
}

std::vector<int64_t> EarlyPass::rows_in(const SpoolIndex& part) const {
  std::vector<int64_t> rows(counts_.size());
  SpoolCursor cursor(options_.spool_folder, part, shape_);
  while (!ending_ && cursor.next()) {
    for (size_t group = 0; group < rows.size(); ++group)
      rows[group] += static_cast<int64_t>(cursor.record().groups[group].rows);
  }
  return rows;
}

SpoolIndex EarlyPass::counted_from(int64_t document) const {
  const auto end = spool_.units.begin() + static_cast<ptrdiff_t>(counted_);
  const auto first =
      std::ranges::lower_bound(spool_.units.begin(), end, document, {}, &SpoolUnit::first_document);
  return {.lanes = spool_.lanes, .units = {first, end}};
}

void EarlyPass::build(Share& share, Lock& lock) {
  share.busy = true;
  if (!std::exchange(begun_, true)) fs::create_directory(options_.staging);
  const HeadRange& heads = share.heads;
  const SpoolIndex part = counted_from(files_->of_group[heads.group][heads.first].next.document);
  lock.unlock();
  const uint64_t bytes = write_group(share, part);
  lock.lock();
  rows_ += options_.rows_per_group * static_cast<int64_t>(heads.count);
  bytes_ += bytes - share.bytes;
  share.rows += options_.rows_per_group;
  share.bytes = bytes;
  share.busy = false;
}

/// The next row group of each head; returns the bytes of their files.
uint64_t EarlyPass::write_group(const Share& share, const SpoolIndex& part) {
  std::vector<int64_t> rows(layout_.groups.size());
  rows[share.heads.group] = share.rows + options_.rows_per_group;
  const auto poll = [this] {
    if (failed_) throw Interrupted("given up");
  };
  write_rows({.layout = layout_,
              .shape = shape_,
              .spool_folder = options_.spool_folder,
              .spool = part,
              .rows = rows,
              .files = *files_,
              .rows_per_group = options_.rows_per_group,
              .token_strings = token_strings_,
              .poll = poll},
             {share.heads});
  uint64_t bytes = 0;
  for (size_t head = 0; head < share.heads.count; ++head) {
    RowFile& file = *files_->of_group[share.heads.group][share.heads.first + head].file;
    file.set_aside();
    bytes += file.bytes();
  }
  return bytes;
}

}  // namespace qk::saver

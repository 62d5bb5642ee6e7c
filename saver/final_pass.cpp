#include "saver/final_pass.h"

#include <sys/resource.h>

#include <algorithm>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>

namespace qk::saver {
namespace {

constexpr int64_t kEncoderBytes = 8 << 20;  // Parquet's buffers of one file being written
constexpr int64_t kSpanBytes = 512 << 10;   // reads shorter than this waste the disk's time
constexpr int64_t kShareBytes = 32 << 20;   // of rows held, where reads are long enough
constexpr int64_t kSharesPerThread = 4;

constexpr int64_t kColumnBytes =
    16 + 16;  // of a row: int32 columns; token pieces while a row group is written

int64_t row_bytes(const CaptureLayout& layout) {
  return layout.head_dim * bytes_of(layout.vector_type);
}

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Splits the heads into tasks, one after another: as many as fill kShareBytes, whether their row
/// groups are full or not, so that a larger capture takes no more memory than a small one; more
/// only where reads would be too short, up to what the limits allow.
class Planner {
 public:
  Planner(const CaptureLayout& layout, const CaptureTotals& totals, const PassLimits& limits)
      : layout_(layout), totals_(totals), limits_(limits) {
    const int64_t largest_group = *std::max_element(totals.rows.begin(), totals.rows.end());
    const int64_t rows = std::min(largest_group, limits.rows_per_group);
    for (size_t group = 0; group < layout.groups.size(); ++group) {
      if (totals.rows[group] > 0) files_ += static_cast<int64_t>(layout.groups[group].heads.size());
    }
    const int64_t fitting =
        std::max<int64_t>(limits.memory_bytes / least_thread_bytes(layout, rows), 1);
    plan_.threads = static_cast<int>(
        std::clamp<int64_t>(std::min<int64_t>(limits.threads, files_), 1, fitting));
    memory_ = std::max<int64_t>(limits.memory_bytes / plan_.threads - kEncoderBytes, 0);
    open_files_ = std::max<int64_t>(limits.open_files / plan_.threads, 1);
    even_heads_ = plan_.threads == 1 ? files_ : ceil_div(files_, kSharesPerThread * plan_.threads);
  }

  PassPlan run() {
    for (size_t group = 0; group < layout_.groups.size(); ++group) {
      if (totals_.rows[group] == 0) continue;
      for (size_t head = 0; head < layout_.groups[group].heads.size(); ++head) add(group, head);
    }
    if (!task_.empty()) plan_.tasks.push_back(std::move(task_));
    return std::move(plan_);
  }

 private:
  void add(size_t group, size_t head) {
    const int64_t held = std::min(totals_.rows[group], limits_.rows_per_group);
    const bool is_new_range = task_.empty() || task_.back().group != group;
    const int64_t memory = held * (row_bytes(layout_) + (is_new_range ? kColumnBytes : 0));
    const int64_t open = totals_.rows[group] > held ? 1 : 0;
    const bool enough = used_memory_ + memory > kShareBytes || heads_ >= even_heads_;
    const bool full = (enough && heads_ >= worthwhile_heads(group)) ||
                      heads_ >= ceil_div(files_, plan_.threads) ||
                      used_memory_ + memory > memory_ || used_files_ + open > open_files_;
    if (!task_.empty() && full) start_task();
    if (task_.empty() || task_.back().group != group) task_.push_back({group, head, 0});
    ++task_.back().count;
    ++heads_;
    used_memory_ += memory;
    used_files_ += open;
  }

  /// Enough for reads that are worth a disk access.
  int64_t worthwhile_heads(size_t group) const {
    const int64_t piece = std::max<int64_t>(
        totals_.rows[group] * row_bytes(layout_) / std::max<int64_t>(limits_.records, 1), 1);
    return ceil_div(kSpanBytes, piece);
  }

  void start_task() {
    plan_.tasks.push_back(std::move(task_));
    task_.clear();
    heads_ = used_memory_ = used_files_ = 0;
  }

  const CaptureLayout& layout_;
  const CaptureTotals& totals_;
  const PassLimits& limits_;
  int64_t files_ = 0;
  int64_t even_heads_ = 0;  // of a share, so that all threads end at about the same time
  int64_t memory_ = 0, open_files_ = 0;  // of one thread
  PassPlan plan_;
  std::vector<HeadRange> task_;
  int64_t heads_ = 0, used_memory_ = 0, used_files_ = 0;  // of task_
};

/// Hands out tasks to threads; the first error stops all.
class Workers {
 public:
  Workers(const PassPlan& plan, const PassOptions& options) : plan_(plan), options_(options) {
    for (size_t task = options.rank; task < plan.tasks.size(); task += options.ranks) {
      for (const HeadRange& range : plan.tasks[task]) total_ += static_cast<int64_t>(range.count);
    }
  }

  /// Throws Interrupted when the user or another thread's error wants the pass to end.
  void poll() const {
    if (failed_ || (options_.stop != nullptr && *options_.stop)) {
      throw Interrupted(
          "interrupted while writing the final files. Run the same command again to go on.");
    }
  }

  std::vector<FileFacts> run(const FinalPassContext& context) {
    results_.resize(plan_.tasks.size());
    {
      std::vector<std::jthread> threads;
      const int64_t threads_here = ceil_div(plan_.threads, static_cast<int64_t>(options_.ranks));
      for (int64_t i = 1; i < threads_here; ++i) threads.emplace_back([&] { work(context); });
      work(context);
    }
    if (error_) std::rethrow_exception(error_);
    std::vector<FileFacts> files;
    for (auto& result : results_)
      std::move(result.begin(), result.end(), std::back_inserter(files));
    return files;
  }

 private:
  void work(const FinalPassContext& context) {
    try {
      while (const std::optional<size_t> task = next_task()) {
        results_[*task] = write_heads(context, plan_.tasks[*task]);
        report(static_cast<int64_t>(results_[*task].size()));
      }
    } catch (...) {
      std::scoped_lock lock(mutex_);
      if (!error_) error_ = std::current_exception();
      failed_ = true;
    }
  }

  std::optional<size_t> next_task() {
    const size_t task = options_.rank + next_++ * options_.ranks;
    return task < plan_.tasks.size() ? std::optional(task) : std::nullopt;
  }

  void report(int64_t files) {
    std::scoped_lock lock(mutex_);
    done_ += files;
    if (options_.on_progress) options_.on_progress(done_, total_);
  }

  const PassPlan& plan_;
  const PassOptions& options_;
  std::atomic<size_t> next_{0};
  std::atomic<bool> failed_{false};
  std::mutex mutex_;
  std::exception_ptr error_;
  int64_t done_ = 0, total_ = 0;
  std::vector<std::vector<FileFacts>> results_;
};

}  // namespace

PassLimits pass_limits(int threads, int64_t memory_bytes, int64_t rows_per_group,
                       uint64_t records) {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  const auto cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  return {.threads = threads > 0 ? threads : cores,
          .memory_bytes = memory_bytes,
          .rows_per_group = rows_per_group,
          .open_files = static_cast<int64_t>(std::min<rlim_t>(files.rlim_cur, 4096)) / 2,
          .records = static_cast<int64_t>(records)};
}

int64_t least_thread_bytes(const CaptureLayout& layout, int64_t rows_per_group) {
  return kEncoderBytes + rows_per_group * (row_bytes(layout) + kColumnBytes);
}

PassPlan plan_pass(const CaptureLayout& layout, const CaptureTotals& totals,
                   const PassLimits& limits) {
  if (totals.rows_of_all_heads(layout) == 0) return {};
  return Planner(layout, totals, limits).run();
}

std::vector<FileFacts> write_row_files(const CaptureLayout& layout, const SpoolShape& shape,
                                       const CaptureTotals& totals, const PassOptions& options) {
  const PassPlan plan = plan_pass(layout, totals, options.limits);
  TokenStrings token_strings(options.token_string);
  Workers workers(plan, options);
  const FinalPassContext context{.layout = layout,
                                 .shape = shape,
                                 .spool_folder = options.spool_folder,
                                 .spool = options.spool,
                                 .rows = totals.rows,
                                 .files = options.files,
                                 .rows_per_group = options.limits.rows_per_group,
                                 .token_strings = token_strings,
                                 .poll = [&] { workers.poll(); }};
  return workers.run(context);
}

}  // namespace qk::saver

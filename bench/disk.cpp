// The writer alone, fed with rows as fast as it takes them, or as a model makes them: seconds of
// the spool, of the final pass, and of encoding on all threads. bench/disk.py runs it beside dd.
// Prints one JSON object.
//
// usage: qk_bench_disk FOLDER GIB THREADS [EARLY_THREADS [MIB_PER_SECOND]]
//
// With EARLY_THREADS, 0 included, the spool is not synced before the final pass begins, as in a
// run.
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <bit>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/stopwatch.h"
#include "saver/dataset_writer.h"
#include "saver/row_file.h"

namespace {

using namespace qk::saver;
namespace fs = std::filesystem;

constexpr int32_t kLayers = 16, kQueryHeads = 16, kKeyHeads = 4;
constexpr int64_t kHeadDim = 128, kTokens = 512;

CaptureLayout layout() {
  CaptureLayout layout{.groups = {},
                       .head_dim = kHeadDim,
                       .vector_type = VectorType::BFloat16,
                       .token_strings = false};
  for (int32_t layer = 0; layer < kLayers; ++layer) {
    for (const auto& [kind, count] : {std::pair{'q', kQueryHeads}, std::pair{'k', kKeyHeads}}) {
      LayerHeads group{.layer = layer, .kind = kind, .heads = {}, .sliding_window = {}};
      for (int32_t head = 0; head < count; ++head) group.heads.push_back(head);
      layout.groups.push_back(std::move(group));
    }
  }
  return layout;
}

/// Normally distributed values, as bfloat16.
std::vector<std::byte> random_vectors(size_t values) {
  std::mt19937 engine(1);
  std::normal_distribution<float> normal;
  std::vector<std::byte> bytes(2 * values);
  for (size_t i = 0; i < values; ++i) {
    const auto half = static_cast<uint16_t>(std::bit_cast<uint32_t>(normal(engine)) >> 16);
    std::memcpy(&bytes[2 * i], &half, sizeof half);
  }
  return bytes;
}

/// Documents of kTokens tokens, every position of every head.
class Documents {
 public:
  explicit Documents(const CaptureLayout& layout)
      : layout_(layout),
        pool_(
            std::make_shared<const std::vector<std::byte>>(random_vectors(kPoolRows * kHeadDim))) {
    for (int32_t position = 0; position < kTokens; ++position) {
      buckets_.push_back(position / 128);
      positions_.push_back(position);
    }
  }

  CapturedBatch next() {
    CapturedBatch batch;
    batch.documents.push_back({.index = index_,
                               .example_id = index_,
                               .source_id = std::to_string(index_),
                               .tokens = kTokens,
                               .truncated = false,
                               .rows = kTokens * kLayers * (kQueryHeads + kKeyHeads)});
    for (size_t group = 0; group < layout_.groups.size(); ++group) {
      batch.blocks.push_back(
          {.group = static_cast<int32_t>(group),
           .bucket = buckets_,
           .example_id = std::vector<int32_t>(kTokens, static_cast<int32_t>(index_)),
           .position = positions_,
           .token_id = {},
           .vectors = vectors(kTokens * layout_.groups[group].heads.size())});
    }
    ++index_;
    return batch;
  }

 private:
  static constexpr size_t kPoolRows = 160 << 10;

  /// Some of the pool's rows: a file's pages must not repeat themselves, or zstd would find it.
  SharedBytes vectors(size_t rows) {
    constexpr size_t kRowBytes = 2 * kHeadDim;
    const size_t first = engine_() % (kPoolRows - rows);
    return {std::span(*pool_).subspan(first * kRowBytes, rows * kRowBytes), pool_};
  }

  const CaptureLayout& layout_;
  std::shared_ptr<const std::vector<std::byte>> pool_;
  std::mt19937 engine_{2};
  std::vector<int32_t> buckets_, positions_;
  int64_t index_ = 0;
};

/// Writes a file to a disk of memory; returns the captured bytes that went into it.
double encode(const CaptureLayout& layout, std::span<const std::byte> vectors, int number) {
  constexpr int kGroups = 16;
  const RowFormat format(layout, WriterOptions().compression_level);
  const std::vector<int32_t> column(vectors.size() / (2 * kHeadDim), 1);
  const fs::path file = fmt::format("/dev/shm/qk_bench_disk.{}.{}", ::getpid(), number);
  RowFile out(format, file);
  for (int i = 0; i < kGroups; ++i) {
    out.write({.bucket = column,
               .example_id = column,
               .position = column,
               .vectors = vectors,
               .sliding_window = {},
               .token_str = {}});
  }
  out.close();
  fs::remove(file);
  return kGroups * static_cast<double>(vectors.size());
}

/// Captured bytes that all threads together turn into Parquet in a second.
double encoding_speed(const CaptureLayout& layout, int threads) {
  constexpr size_t kRows = 32 << 10;
  const std::vector<std::byte> vectors = random_vectors(kRows * kHeadDim);
  std::atomic<double> bytes = 0;
  const qk::Stopwatch watch;
  {
    std::vector<std::jthread> workers;
    for (int i = 0; i < threads; ++i)
      workers.emplace_back([&, i] { bytes += encode(layout, vectors, i); });
  }
  return bytes / watch.seconds();
}

struct Settings {
  fs::path folder;
  double gib = 0;
  int threads = 0;
  std::optional<int> early_threads;
  double mib_per_second = 0;  // captured; 0: as fast as they are taken
};

Settings read_settings(const std::vector<std::string>& words) {
  Settings settings{.folder = words.at(0),
                    .gib = std::stod(words.at(1)),
                    .threads = std::stoi(words.at(2)),
                    .early_threads = {}};
  if (words.size() > 3) settings.early_threads = std::stoi(words[3]);
  if (words.size() > 4) settings.mib_per_second = std::stod(words[4]);
  return settings;
}

/// As long as a model takes that makes so many bytes.
void wait_for_model(const qk::Stopwatch& watch, double bytes, const Settings& settings) {
  if (settings.mib_per_second == 0) return;
  const double due = bytes / (1 << 20) / settings.mib_per_second;
  std::this_thread::sleep_for(std::chrono::duration<double>(due - watch.seconds()));
}

void measure(const Settings& settings) {
  WriterOptions options;
  options.data_root = settings.folder;
  options.threads = settings.threads;
  options.early_threads = settings.early_threads.value_or(0);
  const CaptureLayout captured = layout();
  Documents documents(captured);
  const double batch_bytes = 2.0 * kHeadDim * kTokens * kLayers * (kQueryHeads + kKeyHeads);
  const auto batches = static_cast<int64_t>(settings.gib * (1 << 30) / batch_bytes) + 1;

  DatasetWriter writer(options, captured, {});
  const qk::Stopwatch spooling;
  for (int64_t i = 0; i < batches; ++i) {
    wait_for_model(spooling, batch_bytes * static_cast<double>(i + 1), settings);
    writer.append(documents.next());
  }
  if (!settings.early_threads) ::sync();
  const double spool_seconds = spooling.seconds();
  const qk::Stopwatch finishing;
  const WriteSummary summary = writer.close();
  const double final_seconds = finishing.seconds();
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  fmt::print(
      R"({{"captured_bytes": {:.0f}, "file_bytes": {}, "files": {}, "threads": {}, "spool_seconds": {:.3f}, )"
      R"("final_seconds": {:.3f}, "rows": {}, "rows_early": {}, "encoding_bytes_per_second": {:.0f}, "peak_kib": {}}})"
      "\n",
      batch_bytes * static_cast<double>(batches), summary.bytes, summary.files, settings.threads,
      spool_seconds, final_seconds, summary.rows, summary.rows_early,
      encoding_speed(captured, settings.threads), usage.ru_maxrss);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4 || argc > 6) {
    fmt::print(stderr,
               "usage: qk_bench_disk FOLDER GIB THREADS [EARLY_THREADS [MIB_PER_SECOND]]\n");
    return 2;
  }
  try {
    measure(read_settings({argv + 1, argv + argc}));
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "qk_bench_disk: {}\n", error.what());
    return 1;
  }
}

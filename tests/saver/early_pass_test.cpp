/// Final files that are begun while the capture runs come out as those that are built at its end.
#include "saver/early_pass.h"

#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <fstream>
#include <latch>
#include <set>
#include <thread>

#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "capture_fixture.h"
#include "saver/dataset_writer.h"
#include "saver/final_pass.h"
#include "saver/spool_writer.h"
#include "tests/base/private_mounts.h"

namespace qk::saver::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

using Files = std::map<std::string, std::string>;

void damage(const fs::path& file) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekp(-1, std::ios::end).put('?');
}

/// Sees a warning to the user.
class Warning {
 public:
  Warning() {
    qk::log::set_level(qk::log::Level::Warn);
    qk::log::set_line_hook([this](bool after) { came_ = came_ || after; });
  }
  ~Warning() {
    qk::log::set_line_hook({});
    qk::log::set_level(qk::log::Level::Off);
  }
  bool came() const { return came_; }

 private:
  std::atomic<bool> came_ = false;
};

/// A spool, and the files built from it.
class Early : public ::testing::Test {
 protected:
  explicit Early(Synthetic capture = Synthetic(VectorType::BFloat16, true))
      : capture_(std::move(capture)),
        folder_(fresh_folder()),
        shape_(capture_.layout),
        totals_(capture_.layout.groups.size()) {
    qk::log::set_level(qk::log::Level::Off);
  }
  ~Early() override { qk::log::set_level(qk::log::Level::Info); }

  EarlyOptions early_options(int64_t rows_per_group) {
    const fs::path staging = folder_ / ("final" + std::to_string(++builds_));
    return {.spool_folder = folder_,
            .staging = staging,
            .threads = 2,
            .memory_bytes = 64 << 20,
            .rows_per_group = rows_per_group,
            .compression_level = 0,
            .token_string = options(folder_).token_string};
  }

  /// Documents first..last-1, in the spool and in `early`, if any.
  void append(int64_t first, int64_t last, EarlyPass* early = nullptr) {
    append(capture_.batch(first, last), early);
  }
  void append(const CapturedBatch& batch, EarlyPass* early = nullptr) {
    const std::optional<SpoolUnit> unit = spool_.append(batch);
    index_.lanes[0] = spool_.end();
    for (const RowBlock& block : batch.blocks) {
      const auto group = static_cast<size_t>(block.group);
      totals_.add_rows(group, std::ssize(capture_.layout.groups[group].heads), block.bucket);
    }
    if (!unit) return;
    index_.units.push_back(*unit);
    if (early != nullptr) early->add(*unit, spool_.end());
  }

  /// In whole row groups of the first documents, over all heads.
  int64_t whole_rows(int64_t documents, int64_t rows_per_group) const {
    Synthetic first = capture_;
    first.documents = documents;
    int64_t rows = 0;
    for (size_t group = 0; group < first.layout.groups.size(); ++group)
      rows += first.rows_of_group(group) / rows_per_group * rows_per_group *
              std::ssize(first.layout.groups[group].heads);
    return rows;
  }

  /// What is not in the files yet is written, and they are completed. nullptr: all of them anew.
  Files complete(std::unique_ptr<HeadFiles> files, int64_t rows_per_group) {
    if (!files) {
      const EarlyOptions anew = early_options(rows_per_group);
      fs::create_directory(anew.staging);
      files = std::make_unique<HeadFiles>(capture_.layout, anew.compression_level, anew.staging);
    }
    SpoolIndex sorted = index_;
    sorted.sort();
    const auto facts =
        write_row_files(capture_.layout, shape_, totals_,
                        {.spool_folder = folder_,
                         .spool = sorted,
                         .files = *files,
                         .limits = pass_limits(2, 64 << 20, rows_per_group, sorted.records()),
                         .token_string = options(folder_).token_string,
                         .on_progress = {}});
    Files contents;
    for (const FileFacts& file : facts) {
      contents[file.name] = qk::read_file(files->staging / file.name);
      EXPECT_EQ(file.bytes, contents[file.name].size());
      contents[file.name + " sum"] = file.sha256;
    }
    return contents;
  }

  const Synthetic capture_;
  const fs::path folder_;
  const SpoolShape shape_;
  SpoolWriter spool_{folder_, 0, shape_, {}, 500};  // several segments
  SpoolIndex index_;
  CaptureTotals totals_;
  int builds_ = 0;
};

TEST_F(Early, FilesAreTheSameWhereverTheRowsEnd) {
  for (int64_t document = 0; document < capture_.documents; ++document) {
    append(document, document + 1);
    for (const int64_t rows : {1, 4}) {
      SCOPED_TRACE(::testing::Message() << document + 1 << " documents, groups of " << rows);
      const Files expected = complete(nullptr, rows);
      const int64_t whole = whole_rows(document + 1, rows);
      EarlyPass early(capture_.layout, shape_, index_, early_options(rows));
      wait_until([&] { return early.rows() == whole; });
      EXPECT_EQ(early.bytes() > 0, whole > 0);
      EXPECT_EQ(complete(early.finish(), rows), expected);
    }
  }
}

TEST_F(Early, FilesAreTheSameHoweverFarTheyHaveCome) {
  append(0, 20);
  const Files expected = complete(nullptr, 2);
  std::set<int64_t> seen;
  for (int i = 0; i < 20; ++i) {
    EarlyPass early(capture_.layout, shape_, index_, early_options(2));
    std::this_thread::sleep_for(std::chrono::milliseconds(i));
    std::unique_ptr<HeadFiles> files = early.finish();
    seen.insert(files ? files->rows() : 0);
    ASSERT_EQ(complete(std::move(files), 2), expected) << i;
  }
  EXPECT_GE(seen.size(), 2U);
}

TEST_F(Early, RowGroupsAreWrittenAsTheSpoolGrows) {
  EarlyPass early(capture_.layout, shape_, {}, early_options(4));
  for (int64_t i = 0; i < 20; i += 2) {
    append(i, i + 2, &early);
    wait_until([&] { return early.rows() >= whole_rows(i, 4); });
  }
  EXPECT_GT(early.rows(), 0);
  EXPECT_EQ(complete(early.finish(), 4), complete(nullptr, 4));
}

TEST_F(Early, OnlyDocumentsWithoutAGapBeforeThemAreUsed) {
  EarlyPass early(capture_.layout, shape_, {}, early_options(4));
  append(6, 12, &early);
  append(15, 20, &early);
  append(0, 3, &early);
  append(3, 6, &early);
  wait_until([&] { return early.rows() == whole_rows(12, 4); });
  append(14, 15, &early);
  std::unique_ptr<HeadFiles> files = early.finish();
  ASSERT_TRUE(files);
  EXPECT_EQ(files->rows(), whole_rows(12, 4));
  append(12, 14);
  EXPECT_EQ(complete(std::move(files), 4), complete(nullptr, 4));
}

TEST_F(Early, DocumentsInPartsAreReadPartByPart) {
  EarlyPass early(capture_.layout, shape_, {}, early_options(4));
  for (int64_t i = 0; i < 20; i += 10) {
    CapturedBatch batch = capture_.batch(i, i + 10);
    for (int64_t document = i; document < i + 10; ++document) {
      CapturedBatch part = capture_.batch(document, document + 1);
      part.documents.clear();
      append(part, &early);
    }
    batch.blocks.clear();
    append(batch, &early);
  }
  wait_until([&] { return early.rows() == whole_rows(20, 4); });
  EXPECT_EQ(complete(early.finish(), 4), complete(nullptr, 4));
}

TEST_F(Early, DamageToTheSpoolEndsItWithAWarningAndLeavesNoFile) {
  append(0, 10);
  append(10, 20);
  damage(segment_file(folder_, 0, 1));
  const Warning warning;
  const EarlyOptions where = early_options(4);
  EarlyPass early(capture_.layout, shape_, index_, where);
  wait_until([&] { return warning.came(); });
  EXPECT_EQ(early.finish(), nullptr);
  EXPECT_EQ(early.rows(), 0);
  EXPECT_EQ(files_begun(where.staging), 0);
}

TEST_F(Early, WithoutMemoryForARowGroupNothingIsBegun) {
  append(0, 20);
  EarlyOptions narrow = early_options(4);
  narrow.memory_bytes = 1000;
  EarlyPass early(capture_.layout, shape_, index_, narrow);
  EXPECT_EQ(early.finish(), nullptr);
  EXPECT_FALSE(fs::exists(narrow.staging));
}

/// The writer with the pass beside it.
class EarlyWriter : public ::testing::Test {
 protected:
  WriterOptions early_options() const {
    WriterOptions early = options(root_);
    early.early_threads = 2;
    early.row_group_bytes = 4 * row_bytes();
    return early;
  }

  Files uninterrupted() const {
    const fs::path root = fresh_folder("uninterrupted");
    WriterOptions plain = early_options();
    plain.data_root = root;
    plain.early_threads = 0;
    EXPECT_EQ(run(capture_, plain).rows_early, 0);
    return contents(root);
  }

  int64_t row_bytes() const { return capture_.layout.head_dim * 4; }
  fs::path staging() const { return root_ / ".sniff/final"; }

  /// Until all seven files have row groups.
  void wait_for_files() const {
    wait_until([&] { return files_begun(staging()) == 7; });
  }

  Synthetic capture_{VectorType::Float32, true, 512};
  const fs::path root_ = fresh_folder();
};

TEST_F(EarlyWriter, WritesTheSameCapture) {
  {
    DatasetWriter writer(early_options(), capture_.layout, facts());
    append_all(writer, capture_, 0, 3);
    wait_for_files();
    const WriteSummary summary = writer.close();
    EXPECT_GT(summary.rows_early, 0);
    EXPECT_LT(summary.rows_early, summary.rows);
  }
  EXPECT_EQ(contents(root_), uninterrupted());
}

TEST_F(EarlyWriter, AResumedCaptureBeginsWithWhatItFound) {
  {
    DatasetWriter writer(early_options(), capture_.layout, facts());
    writer.append(capture_.batch(0, 12));
    wait_for_files();
  }
  EXPECT_EQ(files_begun(staging()), 0) << "without close() they are removed";
  {
    DatasetWriter writer(early_options(), capture_.layout, facts());
    ASSERT_EQ(writer.documents_done(), 12);
    writer.append(capture_.batch(15, 20));
    wait_for_files();
    writer.append(capture_.batch(12, 15));
    EXPECT_GT(writer.close().rows_early, 0);
  }
  EXPECT_EQ(contents(root_), uninterrupted());
}

TEST_F(EarlyWriter, SeveralLanesAreReadInDatasetOrder) {
  WriterOptions options = early_options();
  options.lanes = 4;
  DatasetWriter writer(options, capture_.layout, facts());
  {
    std::vector<std::jthread> threads;
    for (int64_t lane = 0; lane < 4; ++lane) {
      threads.emplace_back([&, lane] {
        for (int64_t i = lane; i < 20; i += 4) writer.append(capture_.batch(i, i + 1), lane);
      });
    }
  }
  wait_for_files();
  writer.close();
  EXPECT_EQ(contents(root_), uninterrupted());
}

TEST_F(EarlyWriter, KilledInTheMiddleItGoesOnAsIfNothingHadBeenBegun) {
  const Files expected = uninterrupted();
  for (const int files : {1, 4, 7}) {
    SCOPED_TRACE(files);
    const auto die = [&] {
      DatasetWriter writer(early_options(), capture_.layout, facts());
      append_all(writer, capture_, 0, 3);
      wait_until([&] { return files_begun(staging()) >= files; });
      std::raise(SIGKILL);
    };
    EXPECT_EXIT(die(), ::testing::KilledBySignal(SIGKILL), "");
    ASSERT_GE(files_begun(staging()), files);
    for (const auto& entry : fs::recursive_directory_iterator(staging()))
      if (entry.is_regular_file()) damage(entry.path());  // nothing of it counts
    {
      DatasetWriter writer(early_options(), capture_.layout, facts());
      EXPECT_EQ(writer.documents_done(), 20);
      writer.close();
    }
    EXPECT_EQ(contents(root_), expected);
    fs::remove_all(root_);
  }
}

TEST_F(EarlyWriter, AFileThatCannotGrowEndsTheFilesBegunAndNotTheCapture) {
  capture_.documents = 200;
  const Files expected = uninterrupted();
  constexpr size_t kLimit = 100'000;  // more than a segment has, less than a file
  ASSERT_GT(expected.at("l00h00q/data.parquet").size(), kLimit);
  {
    const Warning warning;
    WriterOptions small = early_options();
    small.segment_bytes = 1;
    DatasetWriter writer(small, capture_.layout, facts());
    {
      const FileSizeLimit limited(kLimit);
      append_all(writer, capture_, 0, 1);
      wait_until([&] { return warning.came(); });
      EXPECT_THAT(message_of<OutputError>([&] { writer.close(); }), HasSubstr("same command"));
    }
    EXPECT_EQ(files_begun(staging()), 0);
    EXPECT_EQ(writer.close().rows_early, 0);
  }
  EXPECT_EQ(contents(root_), expected);
}

TEST_F(EarlyWriter, ASpoolThatCannotGrowIsAnErrorAndTheRunGoesOn) {
  {
    DatasetWriter writer(early_options(), capture_.layout, facts());
    writer.append(capture_.batch(0, 10));
    wait_for_files();
    const FileSizeLimit limited(fs::file_size(segment_file(root_ / ".sniff", 0, 0)) + 100);
    for (int i = 0; i < 2; ++i) EXPECT_THROW(writer.append(capture_.batch(10, 20)), OutputError);
    EXPECT_EQ(files_begun(staging()), 0);
  }
  DatasetWriter writer(early_options(), capture_.layout, facts());
  EXPECT_EQ(writer.documents_done(), 10);
  append_all(writer, capture_, 10, 3);
  writer.close();
  EXPECT_EQ(contents(root_), uninterrupted());
}

TEST_F(EarlyWriter, OnAFullDiskTheFilesBegunMakeRoomForTheSpool) {
  const fs::path elsewhere = fresh_folder("elsewhere");
  {
    DatasetWriter writer(options(elsewhere), capture_.layout, facts());
    append_all(writer, capture_, 0, 20);
  }
  const uintmax_t spool = fs::file_size(segment_file(elsewhere / ".sniff", 0, 0));
  if (!tests::enter_private_mounts()) GTEST_SKIP() << tests::kNeedsPrivateMounts;
  tests::mount_disk(root_, std::to_string(spool + 24'000));  // the lock, identity.json, and pages
  {
    DatasetWriter writer(early_options(), capture_.layout, facts());
    writer.append(capture_.batch(0, 16));
    wait_for_files();
    writer.append(capture_.batch(16, 20));
    EXPECT_EQ(files_begun(staging()), 0);
  }
  DatasetWriter writer(early_options(), capture_.layout, facts());
  EXPECT_EQ(writer.documents_done(), 20);
}

TEST_F(EarlyWriter, OnAFullDiskTheFilesBegunMakeRoomForAllLanes) {
  const fs::path elsewhere = fresh_folder("elsewhere");
  {
    DatasetWriter writer(options(elsewhere), capture_.layout, facts());
    append_all(writer, capture_, 0, 20);
  }
  const uintmax_t spool = fs::file_size(segment_file(elsewhere / ".sniff", 0, 0));
  if (!tests::enter_private_mounts()) GTEST_SKIP() << tests::kNeedsPrivateMounts;
  tests::mount_disk(root_, std::to_string(spool + 36'000));  // as above, and pages of each lane
  WriterOptions four = early_options();
  four.lanes = 4;
  {
    DatasetWriter writer(four, capture_.layout, facts());
    for (int64_t lane = 0; lane < 4; ++lane)
      writer.append(capture_.batch(3 * lane, 3 * lane + 3), lane);
    wait_for_files();
    std::latch all(4);
    std::vector<std::jthread> threads;
    for (int64_t lane = 0; lane < 4; ++lane) {
      threads.emplace_back([&, lane] {
        all.arrive_and_wait();
        EXPECT_NO_THROW(writer.append(capture_.batch(12 + 2 * lane, 14 + 2 * lane), lane));
      });
    }
    threads.clear();
    EXPECT_EQ(files_begun(staging()), 0);
  }
  DatasetWriter writer(four, capture_.layout, facts());
  EXPECT_EQ(writer.documents_done(), 20);
}

TEST_F(EarlyWriter, WithoutMemoryForARowGroupAllIsBuiltAtTheEnd) {
  WriterOptions narrow = early_options();
  narrow.memory_budget_bytes = 1;
  EXPECT_EQ(run(capture_, narrow).rows_early, 0);
  EXPECT_EQ(contents(root_), uninterrupted());
}

}  // namespace
}  // namespace qk::saver::testing

/// Captures whose final files are begun while they run: interrupted, resumed, on a full disk.
#include <gmock/gmock.h>

#include <csignal>
#include <latch>
#include <map>
#include <thread>

#include "base/error.h"
#include "capture_fixture.h"
#include "saver/dataset_writer.h"
#include "saver/spool_format.h"
#include "tests/base/private_mounts.h"
#include "warning.h"

namespace qk::saver::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

using Files = std::map<std::string, std::string>;

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

  /// Of the whole capture, in one lane.
  uintmax_t spool_bytes() const {
    const fs::path root = fresh_folder("elsewhere");
    DatasetWriter writer(options(root), capture_.layout, facts());
    append_all(writer, capture_, 0, 20);
    return fs::file_size(segment_file(root / ".sniff", 0, 0));
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
  const uintmax_t spool = spool_bytes();
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
  const uintmax_t spool = spool_bytes();
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

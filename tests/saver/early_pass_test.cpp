/// Final files that are begun while the capture runs come out as those that are built at its end.
#include "saver/early_pass.h"

#include <gmock/gmock.h>

#include <chrono>
#include <csignal>
#include <set>
#include <thread>

#include "base/files.h"
#include "capture_fixture.h"
#include "saver/final_pass.h"
#include "saver/spool_writer.h"
#include "warning.h"

namespace qk::saver::testing {
namespace {

namespace fs = std::filesystem;

using Files = std::map<std::string, std::string>;

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

}  // namespace
}  // namespace qk::saver::testing

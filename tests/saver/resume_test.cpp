/// What a later run finds after this one: finished, unfinished, torn and damaged captures.
#include <gmock/gmock.h>

#include <fstream>
#include <thread>

#include "base/error.h"
#include "base/files.h"
#include "capture_fixture.h"
#include "saver/dataset_writer.h"

namespace qk::saver::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

const char* const kFirstSegment = ".sniff/rows-0000-0000.spool";

/// Documents 0..last-1 in batches of 3, then the run ends without close().
void abandon(const Synthetic& capture, const WriterOptions& options, int64_t last) {
  DatasetWriter writer(options, capture.layout, facts());
  for (int64_t i = writer.documents_done(); i < last; i += 3) {
    writer.append(capture.batch(i, std::min(i + 3, last)));
  }
}

/// What a run leaves that nothing interrupts.
std::map<std::string, std::string> uninterrupted(const Synthetic& capture) {
  const fs::path root = fresh_folder("uninterrupted");
  run(capture, options(root));
  return contents(root);
}

/// Appends what is missing: then all is as an uninterrupted run leaves it.
void expect_goes_on(DatasetWriter& writer, const Synthetic& capture, const fs::path& root) {
  append_all(writer, capture, writer.documents_done(), 4);
  writer.close();
  EXPECT_EQ(contents(root), uninterrupted(capture));
}

void write_bytes(const fs::path& file, const std::string& bytes) {
  std::ofstream(file, std::ios::binary) << bytes;
}

TEST(Resume, GoesOnAfterTheLastAppendedBatch) {
  const Synthetic capture;
  const fs::path root = fresh_folder();
  abandon(capture, options(root), 7);
  EXPECT_FALSE(fs::exists(root / "run.json"));
  EXPECT_FALSE(fs::exists(root / "l00h00q"));
  DatasetWriter writer(options(root), capture.layout, facts());
  EXPECT_EQ(writer.found(), Found::Unfinished);
  ASSERT_EQ(writer.documents_done(), 7);
  int64_t tokens = 0;
  for (int64_t i = 0; i < 7; ++i) tokens += capture.document(i).tokens;
  EXPECT_EQ(writer.tokens_done(), tokens);
  expect_goes_on(writer, capture, root);
}

TEST(Resume, AFinishedCaptureIsFoundAndLeftAlone) {
  const Synthetic capture;
  const fs::path root = fresh_folder();
  const WriteSummary first = run(capture, options(root));
  const auto before = contents(root);
  DatasetWriter writer(options(root), capture.layout, facts());
  EXPECT_EQ(writer.found(), Found::Finished);
  EXPECT_EQ(writer.documents_done(), 20);
  EXPECT_EQ(writer.close().rows, first.rows);
  EXPECT_EQ(contents(root), before);
}

TEST(Resume, PartsWithoutTheirDocumentsAreDropped) {
  const Synthetic capture;
  const fs::path root = fresh_folder();
  {
    DatasetWriter writer(options(root), capture.layout, facts());
    writer.append(capture.batch(0, 4));
    CapturedBatch part = capture.batch(4, 6);
    part.documents.clear();
    writer.append(part);
  }
  DatasetWriter writer(options(root), capture.layout, facts());
  ASSERT_EQ(writer.documents_done(), 4);
  expect_goes_on(writer, capture, root);
}

TEST(Resume, ADamagedSpoolIsComputedAgainFromThereOn) {
  const Synthetic capture;
  const fs::path root = fresh_folder();
  for (const int percent : {0, 40, 95}) {
    abandon(capture, options(root), 20);
    std::string spool = qk::read_file(root / kFirstSegment);
    spool[spool.size() * static_cast<size_t>(percent) / 100] ^= 1;
    write_bytes(root / kFirstSegment, spool);
    DatasetWriter writer(options(root), capture.layout, facts());
    EXPECT_LT(writer.documents_done(), 20);
    expect_goes_on(writer, capture, root);
    fs::remove_all(root);
  }
}

TEST(Resume, DamageDuringTheRunIsFoundByTheFinalPass) {
  const Synthetic capture;
  const fs::path root = fresh_folder();
  {
    DatasetWriter writer(options(root), capture.layout, facts());
    append_all(writer, capture, 0, 3);
    std::string spool = qk::read_file(root / kFirstSegment);
    spool[spool.size() / 2] ^= 1;
    write_bytes(root / kFirstSegment, spool);
    EXPECT_THAT(message_of<OutputError>([&] { writer.close(); }), HasSubstr("damaged"));
    EXPECT_FALSE(fs::exists(root / "run.json"));
  }
  DatasetWriter writer(options(root), capture.layout, facts());
  expect_goes_on(writer, capture, root);
}

TEST(Resume, AMissingSegmentDropsTheLaterOnes) {
  const Synthetic capture;
  const fs::path root = fresh_folder();
  WriterOptions segmented = options(root);
  segmented.segment_bytes = 1;
  abandon(capture, segmented, 15);
  ASSERT_TRUE(fs::remove(root / ".sniff/rows-0000-0002.spool"));
  DatasetWriter writer(segmented, capture.layout, facts());
  ASSERT_EQ(writer.documents_done(), 6);
  expect_goes_on(writer, capture, root);
}

WriterOptions in_lanes(const fs::path& root, int lanes) {
  WriterOptions options = testing::options(root);
  options.lanes = lanes;
  return options;
}

TEST(Resume, DocumentsMayComeInAnyOrderAndInSeveralLanes) {
  const Synthetic capture;
  const fs::path root = fresh_folder();
  {
    DatasetWriter writer(in_lanes(root, 3), capture.layout, facts());
    writer.append(capture.batch(9, 14), 1);
    CapturedBatch part = capture.batch(14, 16);  // its documents don't come in this run
    part.documents.clear();
    writer.append(part, 1);
    writer.append(capture.batch(3, 4), 0);
    writer.append(capture.batch(0, 2), 2);
  }
  DatasetWriter writer(in_lanes(root, 6), capture.layout, facts());
  EXPECT_THAT(writer.documents_found().runs(), ElementsAre(Pair(0, 2), Pair(3, 4), Pair(9, 14)));
  EXPECT_EQ(writer.documents_done(), 8);
  writer.append(capture.batch(14, 20), 5);
  writer.append(capture.batch(4, 9), 0);
  writer.append(capture.batch(2, 3), 1);
  writer.close();
  EXPECT_EQ(contents(root), uninterrupted(capture));
}

TEST(Resume, LanesAreWrittenByTheirOwnThreads) {
  const Synthetic capture;
  const fs::path root = fresh_folder();
  DatasetWriter writer(in_lanes(root, 4), capture.layout, facts());
  {
    std::vector<std::jthread> threads;
    for (int64_t lane = 0; lane < 4; ++lane) {
      threads.emplace_back([&, lane] {
        for (int64_t i = lane; i < 20; i += 4) writer.append(capture.batch(i, i + 1), lane);
      });
    }
  }
  EXPECT_EQ(writer.documents_done(), 20);
  writer.close();
  EXPECT_EQ(contents(root), uninterrupted(capture));
}

TEST(Resume, ASpoolOfAnEarlierVersionIsRefused) {
  const Synthetic capture;
  const fs::path root = fresh_folder();
  abandon(capture, options(root), 6);
  fs::rename(root / kFirstSegment, root / ".sniff/rows-0000.spool");
  const auto before = contents(root);
  const std::string message =
      message_of<OutputError>([&] { DatasetWriter(options(root), capture.layout, facts()); });
  EXPECT_THAT(message, HasSubstr("earlier version"));
  EXPECT_THAT(message, HasSubstr("--replace"));
  RunFacts other = facts();
  other.identity["capture.sampler.type"] = "uniform";
  EXPECT_THROW(DatasetWriter(options(root), capture.layout, other), OutputError);
  EXPECT_EQ(contents(root), before);
  WriterOptions anew = options(root);
  anew.replace = true;
  EXPECT_EQ(DatasetWriter(anew, capture.layout, facts()).documents_done(), 0);
}

TEST(Resume, OtherSettingsAreListed) {
  const Synthetic capture;
  const fs::path root = fresh_folder();
  RunFacts other = facts();
  other.identity["capture.sampler.type"] = "uniform";
  other.identity.erase("model.sha256");
  for (const bool finish : {false, true}) {
    finish ? void(run(capture, options(root))) : abandon(capture, options(root), 6);
    const auto before = contents(root);
    const std::string message =
        message_of<OutputError>([&] { DatasetWriter(options(root), capture.layout, other); });
    EXPECT_THAT(message, HasSubstr("capture.sampler.type: all -> uniform"));
    EXPECT_THAT(message, HasSubstr("model.sha256: 0123 -> (not set)"));
    EXPECT_THAT(message, HasSubstr("--replace"));
    EXPECT_EQ(contents(root), before);
  }
}

TEST(Resume, ACaptureWithoutAnyDocumentGivesWayToOtherSettings) {
  const Synthetic capture;
  RunFacts other = facts();
  other.identity["capture.sampler.type"] = "uniform";
  const fs::path root = fresh_folder();
  {
    DatasetWriter writer(options(root), capture.layout, facts());
    CapturedBatch part = capture.batch(0, 2);
    part.documents.clear();
    writer.append(part);
  }
  {
    DatasetWriter writer(options(root), capture.layout, other);
    EXPECT_EQ(writer.found(), Found::Nothing);
    append_all(writer, capture, 0, 3);
    writer.close();
  }
  const DatasetWriter again(options(root), capture.layout, other);
  EXPECT_EQ(again.found(), Found::Finished);
}

TEST(Resume, AFinishedCaptureThatLostAFileIsNotComplete) {
  const Synthetic capture;
  const fs::path root = fresh_folder();
  run(capture, options(root));
  fs::resize_file(root / "l00h01q/data.parquet", 100);
  const std::string message =
      message_of<OutputError>([&] { DatasetWriter(options(root), capture.layout, facts()); });
  EXPECT_THAT(message, HasSubstr("l00h01q/data.parquet: has 100 bytes instead of"));
  EXPECT_THAT(message, HasSubstr("sniff-qk verify"));
}

TEST(Resume, AnotherLayoutIsAnotherCapture) {
  const Synthetic capture, wider(VectorType::BFloat16, false, 16);
  const fs::path root = fresh_folder();
  abandon(capture, options(root), 6);
  EXPECT_THAT(message_of<OutputError>([&] { DatasetWriter(options(root), wider.layout, facts()); }),
              HasSubstr("layout.head_dim: 8 -> 16"));
}

TEST(Resume, AFullDiskIsAClearErrorAndTheRunGoesOn) {
  const Synthetic capture(VectorType::BFloat16, false, 512);
  const fs::path root = fresh_folder();
  {
    DatasetWriter writer(options(root), capture.layout, facts());
    writer.append(capture.batch(0, 3));
    const auto limit = fs::file_size(root / kFirstSegment) + 100;
    const FileSizeLimit limited(limit);
    const std::string message =
        message_of<OutputError>([&] { writer.append(capture.batch(3, 6)); });
    EXPECT_THAT(message, HasSubstr("rows-0000-0000.spool"));
    EXPECT_THAT(message, HasSubstr("same command"));
  }
  DatasetWriter writer(options(root), capture.layout, facts());
  ASSERT_EQ(writer.documents_done(), 3);
  expect_goes_on(writer, capture, root);
}

TEST(Resume, AFailedAppendMayBeTriedAgain) {
  const Synthetic capture(VectorType::BFloat16, false, 512);
  const fs::path root = fresh_folder();
  DatasetWriter writer(options(root), capture.layout, facts());
  writer.append(capture.batch(0, 3));
  {
    const FileSizeLimit limited(fs::file_size(root / kFirstSegment) + 100);
    EXPECT_THROW(writer.append(capture.batch(3, 6)), OutputError);
  }
  expect_goes_on(writer, capture, root);
}

TEST(Resume, AFullDiskInTheFinalPassLeavesNoFinalFile) {
  const Synthetic capture(VectorType::Float32, false, 2048);
  const fs::path root = fresh_folder();
  abandon(capture, options(root), 20);
  {
    DatasetWriter writer(options(root), capture.layout, facts());
    const FileSizeLimit limited(2000);
    EXPECT_THAT(message_of<OutputError>([&] { writer.close(); }), HasSubstr("same command"));
  }
  EXPECT_FALSE(fs::exists(root / "l00h00q"));
  EXPECT_FALSE(fs::exists(root / "run.json"));
  DatasetWriter writer(options(root), capture.layout, facts());
  ASSERT_EQ(writer.documents_done(), 20);
  writer.close();
  EXPECT_EQ(contents(root), uninterrupted(capture));
}

}  // namespace
}  // namespace qk::saver::testing

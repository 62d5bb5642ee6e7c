/// What doesn't fit is said before the disk is full.
#include "saver/space.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "capture_fixture.h"
#include "saver/file_io.h"
#include "saver/spool_format.h"
#include "tests/base/private_mounts.h"

namespace qk::saver::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

TEST(Space, ACaptureFarTooLargeIsAnErrorThatSaysWhatIsNeeded) {
  const auto root = fresh_folder();
  SpaceForecast forecast(root, 1'000'000);
  const uint64_t hundredth = free_bytes(root) / 100 * 5;  // five times the disk in all
  const std::string message = message_of<OutputError>([&] {
    forecast.check({10'000, 0, hundredth / 2, hundredth / 2});
  });
  EXPECT_THAT(message, HasSubstr("after 10000 of 1000000 documents"));
  EXPECT_THAT(message, HasSubstr("are left"));
  EXPECT_THAT(message, HasSubstr("same command"));
}

TEST(Space, FilesThatAreBegunCountAsFree) {
  const auto root = fresh_folder();
  const uint64_t free = free_bytes(root);
  const uint64_t needed = 4 * free + (1 << 30);  // twice as much as there is, and more
  EXPECT_THROW(check_room(root, "it", needed, false), OutputError);
  EXPECT_FALSE(check_room(root, "it", needed, false, needed / 2));
  EXPECT_TRUE(check_room(root, "it", needed, false, needed));
  EXPECT_THROW(check_final_space(root, 2 * needed, 0), OutputError);
  check_final_space(root, 2 * needed, 2 * needed);
}

TEST(Space, ACaptureThatFitsOrIsHardlyBegunIsLeftAlone) {
  const auto root = fresh_folder();
  const uint64_t everything = free_bytes(root);
  SpaceForecast forecast(root, 1'000'000);
  forecast.check({9'999, 0, everything, everything});
  forecast.check({10'000, 0, 1000, 1000});
  SpaceForecast unknown(root, {});
  unknown.check({1'000'000, 0, everything, everything});
}

/// The first tenth of the documents has nine tenths of the tokens.
TEST(Space, DocumentsThatComeLongestFirstAreExtrapolatedByTheirTokens) {
  const auto root = fresh_folder();
  const uint64_t free = free_bytes(root);
  SpaceForecast forecast(root, 1000);
  forecast.begin({}, 1'000'000);
  forecast.check({100, 900'000, free / 4, free / 4});
  SpaceForecast by_documents(root, 1000);
  EXPECT_THROW(by_documents.check({100, 900'000, free / 4, free / 4}), OutputError);
}

TEST(Space, WhatAnEarlierRunFoundLongIsNotExtrapolated) {
  const auto root = fresh_folder();
  const uint64_t free = free_bytes(root);
  const Taken found{100, 900'000, free / 4, free / 4};
  SpaceForecast resumed(root, 1000);
  resumed.begin(found, {});
  resumed.check({170, 907'000, free / 4 + 1000, free / 4 + 1000});
  EXPECT_THROW(resumed.check({300, 920'000, free, free}), OutputError);
}

/// Three lanes have as much as the unit that the forecast is made from, but no whole unit.
TEST(Space, PartsOfUnitsUnderWayAreNotExtrapolated) {
  constexpr int64_t kDocuments = 64, kAll = 640;  // the forecast looks at the 64th
  const Synthetic capture(VectorType::BFloat16, /*token_strings=*/false, /*head_dim=*/512);
  const CapturedBatch batch = capture.batch(0, kDocuments);
  CaptureTotals totals(capture.layout.groups.size());
  totals.add(batch, capture.layout);
  const fs::path elsewhere = fresh_folder("elsewhere");
  {
    DatasetWriter writer(options(elsewhere), capture.layout, facts());
    writer.append(batch);
  }
  const uint64_t spool = fs::file_size(segment_file(elsewhere / ".sniff", 0, 0)),
                 files = most_final_bytes(capture.layout, totals);
  const uint64_t whole = (spool + files) * kAll / kDocuments;
  const fs::path root = fresh_folder();
  if (!tests::enter_private_mounts()) GTEST_SKIP() << tests::kNeedsPrivateMounts;
  tests::mount_disk(root, std::to_string(4 * spool + whole * 6 / 10 + 100'000));
  WriterOptions four = options(root);
  four.lanes = 4;
  four.documents_total = kAll;
  DatasetWriter writer(four, capture.layout, facts());
  writer.capture_begins();
  for (int64_t lane = 1; lane < 4; ++lane) {
    CapturedBatch part = capture.batch(lane * kDocuments, (lane + 1) * kDocuments);
    part.documents.clear();
    writer.append(part, lane);
  }
  EXPECT_NO_THROW(writer.append(batch));
}

}  // namespace
}  // namespace qk::saver::testing

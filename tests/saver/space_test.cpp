/// What doesn't fit is said before the disk is full.
#include "saver/space.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "capture_fixture.h"
#include "saver/file_io.h"

namespace qk::saver::testing {
namespace {

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

}  // namespace
}  // namespace qk::saver::testing

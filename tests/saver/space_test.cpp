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
  const std::string message =
      message_of<OutputError>([&] { forecast.check(10'000, hundredth / 2, hundredth / 2); });
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
  forecast.check(9'999, everything, everything);
  forecast.check(10'000, 1000, 1000);
  SpaceForecast unknown(root, {});
  unknown.check(1'000'000, everything, everything);
}

}  // namespace
}  // namespace qk::saver::testing

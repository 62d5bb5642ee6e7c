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

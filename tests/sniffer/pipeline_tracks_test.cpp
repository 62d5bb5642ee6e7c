// Passes on threads of their own: how many at a time, whose rows come first, and what an error
// does.
#include "sniffer/pipeline_tracks.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>

#include "base/error.h"

namespace qk::sniffer {
namespace {

TEST(Turns, ComeInTheOrderOfEntering) {
  Turns turns;
  const int64_t first = turns.enter(), second = turns.enter(), third = turns.enter();
  std::vector<int> order;
  const auto take = [&](int64_t turn, int name) {
    return std::thread([&, turn, name] {
      turns.wait(turn);
      order.push_back(name);
      turns.leave(turn);
    });
  };
  std::thread threads[] = {take(third, 3), take(second, 2), take(first, 1)};
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(order, (std::vector{1, 2, 3}));
}

TEST(Turns, GoOnWithoutThoseThatLeftEarly) {
  Turns turns;
  const int64_t first = turns.enter(), second = turns.enter();
  turns.leave(first);
  turns.wait(second);
  turns.leave(second);
  turns.wait(turns.enter());
}

TEST(Turns, EndForAllWithTheFirstError) {
  Turns turns;
  const int64_t first = turns.enter(), second = turns.enter();
  std::thread waiting([&] { EXPECT_THROW(turns.wait(second), ConfigError); });
  turns.close(std::make_exception_ptr(ConfigError("the first")));
  turns.close(std::make_exception_ptr(Interrupted("another")));
  waiting.join();
  EXPECT_THROW(turns.wait(first), ConfigError);
}

TEST(Tracks, RunAsMuchAtATimeAsThereAreTracks) {
  Tracks tracks(3, 1);
  std::latch all_three(3);  // none of them could go on by itself
  std::atomic<int> done = 0;
  for (int i = 0; i < 3; ++i) {
    tracks.start([&](size_t) {
      all_three.arrive_and_wait();
      ++done;
    });
  }
  tracks.finish();
  EXPECT_EQ(done, 3);
}

TEST(Tracks, AreUsedByOnePieceOfWorkAtATime) {
  Tracks tracks(2, 1);
  std::vector<std::atomic<int>> inside(2);
  std::atomic<int> done = 0;
  for (int i = 0; i < 200; ++i) {
    tracks.start([&](size_t track) {
      EXPECT_EQ(++inside[track], 1);
      std::this_thread::yield();
      --inside[track];
      ++done;
    });
  }
  tracks.finish();
  EXPECT_EQ(done, 200);
}

TEST(Tracks, RethrowTheFirstError) {
  Tracks tracks(2, 1);
  tracks.start([](size_t) { throw ConfigError("first"); });
  EXPECT_THROW(tracks.finish(), ConfigError);
  EXPECT_THROW(tracks.start([](size_t) { FAIL() << "started after an error"; }), ConfigError);
}

}  // namespace
}  // namespace qk::sniffer

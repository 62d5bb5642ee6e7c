#include "models/tiles.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <latch>
#include <thread>

namespace qk::models {
namespace {

TEST(ForEachTile, RunsOnSeveralThreadsOfTheCpu) {
  const int threads = at::get_num_threads();
  at::set_num_threads(2);
  std::latch both_started(2);
  std::atomic<bool> together = true;
  for_each_tile({{0, 1}, {1, 1}}, at::kCPU, [&](const Tile&) {
    both_started.count_down();
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!both_started.try_wait() && std::chrono::steady_clock::now() < end)
      std::this_thread::yield();
    if (!both_started.try_wait()) together = false;
  });
  at::set_num_threads(threads);
  EXPECT_TRUE(together);
}

/// The parts' tiles lie behind one another and hold all rows once.
void expect_whole(const std::vector<PartRows>& parts, int64_t rows) {
  int64_t next = 0;
  for (const PartRows& part : parts) {
    EXPECT_EQ(part.begin, next);
    next += part.tokens;
    EXPECT_GE(part.padded(), part.tokens);
    int64_t begin = 0;
    for (const Tile& tile : part.tiles) {
      EXPECT_EQ(tile.begin, begin);
      begin += tile.tokens;
    }
  }
  EXPECT_EQ(next, rows);
}

TEST(ShareDocuments, KeepsTheTilesOfThePass) {
  const std::vector<int64_t> offsets = {0, 3, 3, 1303, 1310, 2000};
  const std::vector<Tile> tiles = cut_documents(offsets);
  for (const size_t count : {1, 2, 3, 7, 20}) {
    const auto parts = share_documents(offsets, count);
    ASSERT_EQ(parts.size(), count);
    expect_whole(parts, 2000);
    std::vector<std::pair<int64_t, int64_t>> shared, whole;
    for (const PartRows& part : parts)
      for (const Tile& tile : part.tiles) shared.emplace_back(part.begin + tile.begin, tile.tokens);
    for (const Tile& tile : tiles) whole.emplace_back(tile.begin, tile.tokens);
    EXPECT_EQ(shared, whole);
  }
}

TEST(ShareDocuments, GivesEachPartAboutAsManyRows) {
  for (const PartRows& part : share_documents({0, 40'000}, 4))
    EXPECT_NEAR(part.tokens, 10'000, 512);
}

TEST(ShareRows, IsTheWholePassForOnePart) {
  for (const int64_t rows : {1, 256, 500, 8192, 100'000}) {
    const auto parts = share_rows(rows, {8192, 4096, 512, 256}, 1);
    ASSERT_EQ(parts.size(), 1u);
    expect_whole(parts, rows);
    const auto tiles = cut_rows(rows, {8192, 4096, 512, 256});
    ASSERT_EQ(parts[0].tiles.size(), tiles.size());
    for (size_t i = 0; i < tiles.size(); ++i) EXPECT_EQ(parts[0].tiles[i].tokens, tiles[i].tokens);
  }
}

TEST(ShareRows, FillsTilesButForTheLastOne) {
  for (const int64_t rows : {1, 256, 500, 5000, 131'072}) {
    for (const size_t count : {2, 3, 8}) {
      const auto parts = share_rows(rows, {8192, 1024, 256}, count);
      ASSERT_EQ(parts.size(), count);
      expect_whole(parts, rows);
      int64_t padding = 0, most = 0, least = rows;
      for (const PartRows& part : parts) {
        padding += part.padded() - part.tokens;
        most = std::max(most, part.tokens), least = std::min(least, part.tokens);
      }
      EXPECT_LT(padding, 256);
      EXPECT_LE(most - least, 2 * 256);
    }
  }
}

}  // namespace
}  // namespace qk::models

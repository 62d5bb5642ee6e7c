#include "saver/final_pass.h"

#include <gmock/gmock.h>

#include <array>
#include <bit>
#include <cmath>
#include <set>

#include "saver/byte_stream_split.h"

namespace qk::saver {
namespace {

CaptureLayout layout_of(int groups, int heads) {
  CaptureLayout layout{
      .groups = {}, .head_dim = 128, .vector_type = VectorType::BFloat16, .token_strings = false};
  for (int i = 0; i < groups; ++i) {
    LayerHeads group{
        .layer = i / 2, .kind = i % 2 == 0 ? 'q' : 'k', .heads = {}, .sliding_window = {}};
    for (int head = 0; head < heads; ++head) group.heads.push_back(head);
    layout.groups.push_back(std::move(group));
  }
  return layout;
}

CaptureTotals totals_of(const CaptureLayout& layout, int64_t rows) {
  CaptureTotals totals(layout.groups.size());
  totals.rows.assign(layout.groups.size(), rows);
  return totals;
}

/// Every head with rows exactly once, in layout order.
void expect_complete(const PassPlan& plan, const CaptureLayout& layout) {
  std::vector<std::pair<size_t, size_t>> heads, wanted;
  for (const auto& task : plan.tasks) {
    for (const HeadRange& range : task) {
      for (size_t i = 0; i < range.count; ++i) heads.emplace_back(range.group, range.first + i);
    }
  }
  for (size_t group = 0; group < layout.groups.size(); ++group) {
    for (size_t i = 0; i < layout.groups[group].heads.size(); ++i) wanted.emplace_back(group, i);
  }
  EXPECT_EQ(heads, wanted);
}

int64_t heads_of(const std::vector<HeadRange>& task) {
  int64_t heads = 0;
  for (const HeadRange& range : task) heads += static_cast<int64_t>(range.count);
  return heads;
}

TEST(PassPlan, TasksStayWithinTheMemoryOfTheirThread) {
  const CaptureLayout layout = layout_of(160, 72);
  const CaptureTotals totals = totals_of(layout, 10'000'000);
  const PassLimits limits{.threads = 4,
                          .memory_bytes = 1 << 30,
                          .rows_per_group = 32768,
                          .open_files = 4000,
                          .records = 1000};
  const PassPlan plan = plan_pass(layout, totals, limits);
  expect_complete(plan, layout);
  EXPECT_EQ(plan.threads, 4);
  for (const auto& task : plan.tasks) {
    EXPECT_LE(heads_of(task) * 32768 * 128 * 2, limits.memory_bytes / plan.threads);
  }
}

TEST(PassPlan, ThousandsOfFilesStayWithinTheLimitOfOpenOnes) {
  const CaptureLayout layout = layout_of(160, 72);
  const PassLimits limits{.threads = 8,
                          .memory_bytes = 1LL << 40,
                          .rows_per_group = 4096,
                          .open_files = 512,
                          .records = 100'000};
  const PassPlan plan = plan_pass(layout, totals_of(layout, 1'000'000), limits);
  expect_complete(plan, layout);
  for (const auto& task : plan.tasks) EXPECT_LE(heads_of(task), 512 / 8);
}

TEST(PassPlan, LittleMemoryMeansFewerThreads) {
  const CaptureLayout layout = layout_of(4, 8);
  const PassLimits limits{.threads = 16,
                          .memory_bytes = 64 << 20,
                          .rows_per_group = 32768,
                          .open_files = 512,
                          .records = 10};
  const PassPlan plan = plan_pass(layout, totals_of(layout, 1'000'000), limits);
  expect_complete(plan, layout);
  EXPECT_LT(plan.threads, limits.threads);
  constexpr int64_t kHeadBytes = 32768 * 128 * 2;  // a row group's vectors
  for (const auto& task : plan.tasks) {
    EXPECT_LE(heads_of(task) * kHeadBytes * plan.threads, limits.memory_bytes);
  }
}

TEST(PassPlan, FewHeadsAreSharedByAllThreads) {
  const CaptureLayout layout = layout_of(1, 8);
  const PassLimits limits{.threads = 4,
                          .memory_bytes = 1 << 30,
                          .rows_per_group = 32768,
                          .open_files = 512,
                          .records = 10};
  const PassPlan plan = plan_pass(layout, totals_of(layout, 30'000), limits);
  expect_complete(plan, layout);
  EXPECT_GE(plan.tasks.size(), 4U);
}

TEST(PassPlan, ATenfoldCaptureTakesTheSameMemory) {
  const CaptureLayout layout = layout_of(16, 20);
  const auto held = [&](int64_t documents) {
    const int64_t rows = documents * 512;
    const PassPlan plan = plan_pass(layout, totals_of(layout, rows),
                                    {.threads = 2,
                                     .memory_bytes = 1 << 30,
                                     .rows_per_group = 32768,
                                     .open_files = 512,
                                     .records = documents});
    expect_complete(plan, layout);
    int64_t most = 0;
    for (const auto& task : plan.tasks) most = std::max(most, heads_of(task));
    return most * std::min<int64_t>(rows, 32768) * 128 * 2;
  };
  const int64_t small = held(16);
  EXPECT_GT(small, 24 << 20);
  for (const int64_t documents : {40, 160, 1600}) EXPECT_LE(held(documents), small + small / 10);
}

TEST(PassPlan, TinyPiecesAreReadTogether) {
  const CaptureLayout layout = layout_of(10, 30);
  const PassLimits limits{.threads = 2,
                          .memory_bytes = 1 << 30,
                          .rows_per_group = 32768,
                          .open_files = 512,
                          .records = 1000};
  const PassPlan plan = plan_pass(layout, totals_of(layout, 1000), limits);
  expect_complete(plan, layout);
  EXPECT_EQ(plan.tasks.size(), 2U);
}

TEST(PassPlan, GroupsWithoutRowsHaveNoFiles) {
  const CaptureLayout layout = layout_of(3, 2);
  CaptureTotals totals = totals_of(layout, 5);
  totals.rows[1] = 0;
  const PassPlan plan = plan_pass(
      layout, totals,
      {.threads = 1, .memory_bytes = 1 << 20, .rows_per_group = 16, .open_files = 9, .records = 1});
  std::set<size_t> groups;
  for (const auto& task : plan.tasks) {
    for (const HeadRange& range : task) groups.insert(range.group);
  }
  EXPECT_THAT(groups, ::testing::ElementsAre(0, 2));
}

TEST(RowsPerGroup, AreAPowerOfTwoWithinTheBytes) {
  EXPECT_EQ(rows_per_group(128, 16 << 20), 32768);
  EXPECT_EQ(rows_per_group(96, 16 << 20), 32768);
  EXPECT_EQ(rows_per_group(256, 16 << 20), 16384);
  EXPECT_EQ(rows_per_group(1 << 20, 1024), 1);
}

/// The float32 bits that the encoded value has.
template <typename Value>
uint32_t encoded(Value value, VectorType type) {
  std::array<std::byte, 4> bytes;
  split_bytes(std::as_bytes(std::span(&value, 1)), type, bytes);
  return std::bit_cast<uint32_t>(bytes);
}

TEST(SplitBytes, EveryFloat16IsExact) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const auto wanted = static_cast<float>(std::bit_cast<_Float16>(half));
    const auto got = std::bit_cast<float>(encoded(half, VectorType::Float16));
    if (std::isnan(wanted)) {
      ASSERT_TRUE(std::isnan(got)) << bits;
    } else {
      ASSERT_EQ(std::bit_cast<uint32_t>(got), std::bit_cast<uint32_t>(wanted)) << bits;
    }
  }
}

TEST(SplitBytes, ABfloat16IsTheUpperHalfOfAFloat32) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    ASSERT_EQ(encoded(static_cast<uint16_t>(bits), VectorType::BFloat16), bits << 16);
  }
}

TEST(SplitBytes, FirstAllFirstBytesThenAllSecondOnes) {
  for (const size_t count : {1, 5, 1024, 1025, 3000}) {
    std::vector<uint32_t> values(count);
    for (size_t i = 0; i < count; ++i) values[i] = static_cast<uint32_t>(i * 2654435761U);
    std::vector<std::byte> out(4 * count);
    split_bytes(std::as_bytes(std::span(values)), VectorType::Float32, out);
    for (size_t i = 0; i < count; ++i) {
      for (size_t b = 0; b < 4; ++b)
        ASSERT_EQ(out[b * count + i], static_cast<std::byte>(values[i] >> (8 * b)));
    }
  }
}

}  // namespace
}  // namespace qk::saver

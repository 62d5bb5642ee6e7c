// On a CPU: blocks go straight on, pass by pass. The way over a GPU is tested by whole runs there.
#include "sniffer/row_stage.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace qk::sniffer {
namespace {

TEST(RowStage, HandsBlocksAndPassesOnInTheirOrder) {
  std::vector<std::string> events;
  RowStage stage(
      1 << 20,
      [&](const saver::RowBlock& block, size_t unit) {
        events.push_back("unit " + std::to_string(unit) + " block " + std::to_string(block.group) +
                         " of " + std::to_string(block.vectors.size()) + " bytes, first " +
                         std::to_string(static_cast<int>(*block.vectors.begin())));
      },
      [&](const std::vector<int64_t>& rows) {
        events.push_back("pass with " + std::to_string(rows.at(0)) + " rows");
      });
  const auto add = [&](int32_t group, int64_t bytes, int value) {
    StagedBlock staged;
    staged.block.group = group;
    staged.unit = static_cast<size_t>(group) + 1;
    staged.bytes = bytes;
    stage.add(std::move(staged), at::kCPU, [&](at::Tensor memory) { memory.fill_(value); });
  };
  add(0, 16, 7);
  add(1, 32, 9);
  stage.end_pass({3});
  add(0, 8, 5);
  stage.end_pass({1});
  stage.drain(0);
  EXPECT_EQ(events,
            (std::vector<std::string>{"unit 1 block 0 of 16 bytes, first 7",
                                      "unit 2 block 1 of 32 bytes, first 9", "pass with 3 rows",
                                      "unit 1 block 0 of 8 bytes, first 5", "pass with 1 rows"}));
}

}  // namespace
}  // namespace qk::sniffer

// Blocks of rows of a pass on one device, in several parts, and with layers on several devices; on
// the CPU and on GPUs that are there.
#include "sniffer/core.h"

#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "models/decoder.h"
#include "sniffer/capture_plan.h"
#include "sniffer/pipeline_batch.h"
#include "tests/models/recorder.h"
#include "tests/models/tiny_model.h"

namespace qk::sniffer {
namespace {

/// What a run hands to the writer.
struct Handed {
  std::vector<saver::RowBlock> blocks;
  std::vector<size_t> units;  // of each block
  std::vector<int64_t> rows_by_document;
};

Handed capture(const CaptureConfig& config, const std::vector<at::Device>& devices,
               models::Split split = models::Split::Heads, size_t units = 1) {
  const auto folder = test::write_tiny_model("core_parts", test::tiny_config("qwen3"));
  auto model = models::describe_model(folder, nullptr);
  const CapturePlan plan = plan_capture(config, model.spec, at::kBFloat16);
  auto decoder = models::Decoder::load(folder, std::move(model),
                                       {.precision = at::kBFloat16,
                                        .devices = devices,
                                        .split = split,
                                        .before_rotary = config.capture_pre_rope,
                                        .wanted = plan.wanted});
  Handed handed;
  Sniffer sniffer(
      config, plan.layout, {.devices = decoder.devices(), .stop = nullptr},
      [&](saver::RowBlock block, size_t unit) {
        handed.units.push_back(unit);
        handed.blocks.push_back(std::move(block));
      },
      [&](const std::vector<int64_t>& rows) {
        handed.rows_by_document.insert(handed.rows_by_document.end(), rows.begin(), rows.end());
      });
  for (const int32_t seed : {1, 2}) {
    const models::PackedTokens tokens = test::pack(
        {test::some_ids(70, seed), {}, test::some_ids(700, seed + 1), test::some_ids(20, 9)});
    const std::vector<size_t> unit_of = divide_into_units(tokens.offsets, units);
    std::vector<PassDocument> documents;
    for (size_t d = 0; d + 1 < tokens.offsets.size(); ++d) {
      const auto begin = static_cast<size_t>(tokens.offsets[d]);
      const auto end = static_cast<size_t>(tokens.offsets[d + 1]);
      documents.push_back({.example_id = 10 * seed + static_cast<int64_t>(d),
                           .ids = std::span(tokens.ids).subspan(begin, end - begin),
                           .unit = unit_of[d]});
    }
    sniffer.begin_pass(documents);
    decoder.prefill(tokens, sniffer);
    sniffer.end_pass();
  }
  sniffer.finish_passes();
  return handed;
}

/// Groups may come in any order, the rows of each in theirs.
void expect_same(Handed got, Handed expected) {
  for (Handed* handed : {&got, &expected})
    std::ranges::stable_sort(handed->blocks, {}, &saver::RowBlock::group);
  EXPECT_EQ(got.rows_by_document, expected.rows_by_document);
  ASSERT_FALSE(expected.blocks.empty());
  ASSERT_EQ(got.blocks.size(), expected.blocks.size());
  for (size_t i = 0; i < expected.blocks.size(); ++i) {
    const saver::RowBlock &a = got.blocks[i], &b = expected.blocks[i];
    EXPECT_EQ(a.group, b.group);
    EXPECT_EQ(a.example_id, b.example_id);
    EXPECT_EQ(a.position, b.position);
    EXPECT_EQ(a.bucket, b.bucket);
    EXPECT_EQ(a.token_id, b.token_id);
    EXPECT_GT(b.vectors.size(), 0u);
    EXPECT_TRUE(std::ranges::equal(a.vectors, b.vectors)) << "block " << i;
  }
}

/// The devices' first one by itself, and all of them.
class Sniffing : public testing::TestWithParam<std::vector<at::Device>> {
 protected:
  void expect_rows_of_one_part(const CaptureConfig& config) const {
    const Handed one = capture(config, {GetParam().front()});
    for (const models::Split split : {models::Split::Heads, models::Split::Layers})
      expect_same(capture(config, GetParam(), split), one);
  }
};

CaptureConfig sampled(SamplerType type) {
  CaptureConfig config;
  config.sampler = {.type = type, .base_rate = 8};
  return config;
}

TEST_P(Sniffing, GivesTheRowsOfOnePart) {
  CaptureConfig config = sampled(SamplerType::All);
  config.capture_token_strings = true;
  expect_rows_of_one_part(config);
  config = sampled(SamplerType::Uniform);
  expect_rows_of_one_part(config);
  config.capture_pre_rope = true;
  expect_rows_of_one_part(config);
}

TEST_P(Sniffing, GivesRowsInTheOrderOfADraw) {
  CaptureConfig config = sampled(SamplerType::All);
  config.max_rows_per_batch = 50;
  expect_rows_of_one_part(config);
}

TEST_P(Sniffing, GivesTheRowsOfSomeHeads) {
  CaptureConfig config = sampled(SamplerType::All);
  config.layers = {1}, config.heads = {1};
  expect_rows_of_one_part(config);
}

/// Every vector with where it belongs.
std::vector<std::string> rows_of(const Handed& handed, const CapturePlan& plan) {
  std::vector<std::string> rows;
  for (const saver::RowBlock& block : handed.blocks) {
    const size_t count = block.position.size(),
                 heads = plan.layout.groups[static_cast<size_t>(block.group)].heads.size();
    const size_t bytes = block.vectors.size() / (count * heads);
    for (size_t i = 0; i < count * heads; ++i) {
      const auto* vector = reinterpret_cast<const char*>(block.vectors.data() + i * bytes);
      rows.push_back(fmt::format("{} {} {} {} ", block.group, i / count,
                                 block.example_id[i % count], block.position[i % count]) +
                     std::string(vector, bytes));
    }
  }
  std::ranges::sort(rows);
  return rows;
}

TEST_P(Sniffing, ABlockHasRowsOfOneUnit) {
  const CaptureConfig config = sampled(SamplerType::Uniform);
  const auto folder = test::write_tiny_model("core_units", test::tiny_config("qwen3"));
  const CapturePlan plan =
      plan_capture(config, models::describe_model(folder, nullptr).spec, at::kBFloat16);
  const Handed whole = capture(config, {GetParam().front()});
  const Handed parts = capture(config, GetParam(), models::Split::Heads, 3);
  EXPECT_EQ(rows_of(parts, plan), rows_of(whole, plan));
  EXPECT_EQ(parts.rows_by_document, whole.rows_by_document);
  std::map<int32_t, std::set<size_t>> units;  // by example
  for (size_t i = 0; i < parts.blocks.size(); ++i)
    for (const int32_t example : parts.blocks[i].example_id) units[example].insert(parts.units[i]);
  using Units = std::map<int32_t, std::set<size_t>>;
  EXPECT_EQ(units, (Units{{10, {0}}, {12, {0}}, {13, {1}}, {20, {0}}, {22, {0}}, {23, {1}}}));
}

std::vector<size_t> units_of(const std::vector<int64_t>& lengths, size_t count) {
  std::vector<int64_t> offsets = {0};
  for (const int64_t length : lengths) offsets.push_back(offsets.back() + length);
  return divide_into_units(offsets, count);
}

TEST(Units, HaveAboutAsManyTokens) {
  using testing::ElementsAre;
  EXPECT_THAT(units_of({9, 9, 9, 9, 9, 9}, 3), ElementsAre(0, 0, 1, 1, 2, 2));
  EXPECT_THAT(units_of({9, 9, 9, 9}, 1), ElementsAre(0, 0, 0, 0));
  EXPECT_THAT(units_of({9, 9}, 4), ElementsAre(0, 1));
  EXPECT_THAT(units_of({90, 1, 1, 1, 1}, 4), ElementsAre(0, 1, 2, 3, 3));
  EXPECT_THAT(units_of({1, 1, 1, 90, 1}, 4), ElementsAre(0, 0, 0, 0, 1));
  EXPECT_THAT(units_of({0, 0, 0}, 2), ElementsAre(0, 1, 1));
  EXPECT_THAT(units_of({5, 0, 0}, 4), ElementsAre(0, 1, 2));
}

std::vector<std::vector<at::Device>> devices() {
  std::vector<std::vector<at::Device>> all = {{at::kCPU, at::kCPU}};
  if (at::hasCUDA()) {
    const auto last = static_cast<c10::DeviceIndex>(at::accelerator::deviceCount() - 1);
    all.push_back({at::Device(at::kCUDA, 0), at::Device(at::kCUDA, last)});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Devices, Sniffing, testing::ValuesIn(devices()), [](const auto& info) {
  return info.param.front().is_cpu() ? "cpu" : "cuda";
});

}  // namespace
}  // namespace qk::sniffer

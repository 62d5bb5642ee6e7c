#include "saver/row_file.h"

#include <arrow/array.h>
#include <arrow/io/file.h>
#include <arrow/table.h>
#include <parquet/arrow/reader.h>

#include <random>

#include "capture_fixture.h"

namespace qk::saver::testing {
namespace {

constexpr int64_t kHeadDim = 64, kRows = 10'000;  // two whole pages and a part of one

/// What heads look like: no vector like another, exponents close together.
std::vector<float> vectors_of_a_head() {
  std::mt19937 engine(1);
  std::normal_distribution<float> normal;
  std::vector<float> values(kRows * kHeadDim);
  for (float& value : values) value = normal(engine);
  return values;
}

uintmax_t write(const std::filesystem::path& file, int level, const std::vector<float>& vectors) {
  const CaptureLayout layout{.groups = {}, .head_dim = kHeadDim};
  const RowFormat format(layout, level);
  std::vector<int32_t> column(kRows);
  RowFile rows(format, file);
  rows.write({.bucket = column,
              .example_id = column,
              .position = column,
              .vectors = std::as_bytes(std::span(vectors)),
              .sliding_window = {},
              .token_str = {}});
  return rows.close().bytes;
}

std::vector<float> read(const std::filesystem::path& file) {
  auto input = arrow::io::ReadableFile::Open(file.string()).ValueOrDie();
  auto reader = parquet::arrow::OpenFile(input, arrow::default_memory_pool()).ValueOrDie();
  const auto table = reader->ReadTable().ValueOrDie()->CombineChunks().ValueOrDie();
  const auto lists = std::static_pointer_cast<arrow::FixedSizeListArray>(
      table->GetColumnByName("vector")->chunk(0));
  const auto values = std::static_pointer_cast<arrow::FloatArray>(lists->values());
  return {values->raw_values(), values->raw_values() + values->length()};
}

TEST(RowFile, HoldsTheSameVectorsAtEveryCompressionLevel) {
  const auto folder = fresh_folder();
  std::filesystem::create_directories(folder);
  const std::vector<float> vectors = vectors_of_a_head();
  for (const int level : {0, 1, 3}) {
    const auto file = folder / std::to_string(level);
    write(file, level, vectors);
    EXPECT_EQ(read(file), vectors) << level;
  }
}

TEST(RowFile, EntropyCodingAloneIsNoLargerThanLevel1) {
  const auto folder = fresh_folder();
  std::filesystem::create_directories(folder);
  const std::vector<float> vectors = vectors_of_a_head();
  const uintmax_t coded = write(folder / "0", 0, vectors), level1 = write(folder / "1", 1, vectors);
  EXPECT_LT(coded, level1);
  EXPECT_LT(coded, vectors.size() * sizeof(float) * 9 / 10);
}

}  // namespace
}  // namespace qk::saver::testing

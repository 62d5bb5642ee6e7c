/// Reading must not hold the dataset: the peak memory of the process may grow only little while
/// large files are read.
#include <sys/resource.h>

#include <arrow/builder.h>
#include <arrow/table.h>
#include <parquet/arrow/writer.h>

#include "tests/source/fixtures.h"

#ifdef __SANITIZE_ADDRESS__
/// The sanitizer holds freed memory back by default, which would count as growth.
extern "C" const char* __asan_default_options() { return "quarantine_size_mb=1"; }
#endif

namespace qk::source {
namespace {

constexpr int64_t kMiB = 1 << 20;
constexpr int64_t kFileBytes = 96 * kMiB;
constexpr int64_t kAllowedBytes = 48 * kMiB;

int64_t peak_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

/// Writes `row` until the file has its size, unpacked; `between` stands between two rows. Packed,
/// because the disk is not what is tested.
std::string write_rows(const testing::TempFolder& folder, const std::string& name,
                       const std::string& head, const std::string& row, const std::string& between,
                       const std::string& tail) {
  const std::string path = folder / name;
  const auto codec = arrow::util::Codec::Create(arrow::Compression::ZSTD).ValueOrDie();
  const auto raw = arrow::io::FileOutputStream::Open(path).ValueOrDie();
  const auto out = arrow::io::CompressedOutputStream::Make(codec.get(), raw).ValueOrDie();
  EXPECT_TRUE(out->Write(head + row).ok());
  const std::string next = between + row;
  for (int64_t written = 0; written < kFileBytes; written += static_cast<int64_t>(next.size())) {
    EXPECT_TRUE(out->Write(next).ok());
  }
  EXPECT_TRUE(out->Write(tail).ok());
  EXPECT_TRUE(out->Close().ok());
  return path;
}

void expect_flat(const std::string& path) {
  const int64_t before = peak_bytes();
  const auto reader = open_text({.path = path, .name = {}, .id_column = {}, .max_samples = {}});
  int64_t bytes = 0;
  while (const auto row = reader->next()) bytes += static_cast<int64_t>(row->text.size());
  EXPECT_GT(bytes, kFileBytes * 9 / 10);
  EXPECT_LT(peak_bytes() - before, kAllowedBytes);
}

const std::string kRow = "{\"text\": \"" + std::string(20'000, 'x') + "\", \"id\": 1}";

TEST(Memory, StaysFlatOverJsonLines) {
  const testing::TempFolder folder;
  expect_flat(write_rows(folder, "a.jsonl.zst", "", kRow, "\n", "\n"));
}

TEST(Memory, StaysFlatOverAJsonArray) {
  const testing::TempFolder folder;
  expect_flat(write_rows(folder, "a.json.zst", "[", kRow, ",\n", "]"));
}

TEST(Memory, StaysFlatOverCsv) {
  const testing::TempFolder folder;
  expect_flat(write_rows(folder, "a.csv.zst", "text,id\n",
                         "\"" + std::string(20'000, 'x') + "\n\",1", "\n", "\n"));
}

TEST(Memory, StaysFlatOverOneLargeParquetRowGroup) {
  const testing::TempFolder folder;
  const std::string path = folder / "a.parquet";
  const auto schema = arrow::schema({arrow::field("text", arrow::utf8())});
  const auto out = arrow::io::FileOutputStream::Open(path).ValueOrDie();
  const auto properties = parquet::WriterProperties::Builder()
                              .disable_dictionary()
                              ->compression(parquet::Compression::ZSTD)
                              ->build();
  const auto writer =
      parquet::arrow::FileWriter::Open(*schema, arrow::default_memory_pool(), out, properties)
          .ValueOrDie();
  ASSERT_TRUE(writer->NewBufferedRowGroup().ok());
  arrow::StringBuilder text;
  for (int row = 0; row < 100; ++row) ASSERT_TRUE(text.Append(std::string(20'000, 'x')).ok());
  const auto batch = arrow::RecordBatch::Make(schema, 100, {text.Finish().ValueOrDie()});
  for (int64_t bytes = 0; bytes < kFileBytes; bytes += 100 * 20'000)
    ASSERT_TRUE(writer->WriteRecordBatch(*batch).ok());
  ASSERT_TRUE(writer->Close().ok());
  expect_flat(path);
}

}  // namespace
}  // namespace qk::source

// What a capture takes: memory while it runs, bytes when it is done.
#include <arrow/api.h>
#include <arrow/io/file.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/writer.h>
#include <parquet/file_reader.h>

#include "tests/e2e/workspace.h"

namespace qk::e2e {
namespace {

namespace fs = std::filesystem;

class Size : public Workspace {
 protected:
  /// Peak memory of a capture of every position of so many documents of 64 tokens.
  int64_t peak_kib(int documents, int writer_threads) const {
    std::string lines;
    for (int i = 0; i < documents; ++i) {
      lines += R"({"text": "In the beginning was the Word, and the Word was with God, and the )"
               "Word was God. The same was in the beginning with God: number " +
               std::to_string(i) + "\"}\n";
    }
    write("tiny.jsonl", lines);
    const Arguments arguments = tiny(
        {"output.memory_budget=32MB", "output.writer_threads=" + std::to_string(writer_threads)});
    const Outcome outcome = run(with_flag(arguments, "--replace"));
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return outcome.peak_kib;
  }
};

/// The larger one's heads have more rows than a row group; all rows of either are more than the
/// budget.
TEST_F(Size, OfMemoryIsFlatWhenTheDatasetGrowsTenfold) {
  const int64_t small = peak_kib(600, 1);
  EXPECT_LE(peak_kib(6000, 1), small + small / 10);
  EXPECT_LE(peak_kib(6000, 4), small + small / 10);
}

/// Compressed bytes of the column `vector`.
int64_t vector_bytes(const fs::path& file) {
  const auto metadata = parquet::ParquetFileReader::OpenFile(file.string())->metadata();
  int64_t bytes = 0;
  for (int group = 0; group < metadata->num_row_groups(); ++group) {
    const auto row_group = metadata->RowGroup(group);
    for (int column = 0; column < metadata->num_columns(); ++column) {
      const auto chunk = row_group->ColumnChunk(column);
      if (chunk->path_in_schema()->ToDotString().starts_with("vector"))
        bytes += chunk->total_compressed_size();
    }
  }
  return bytes;
}

/// Writes the file's rows in Parquet's PLAIN encoding + zstd.
void copy_plain(const fs::path& file, const fs::path& copy) {
  auto input = arrow::io::ReadableFile::Open(file.string()).ValueOrDie();
  auto reader = parquet::arrow::OpenFile(input, arrow::default_memory_pool()).ValueOrDie();
  const auto table = reader->ReadTable().ValueOrDie();
  auto output = arrow::io::FileOutputStream::Open(copy.string()).ValueOrDie();
  const auto properties = parquet::WriterProperties::Builder()
                              .compression(parquet::Compression::ZSTD)
                              ->disable_dictionary()
                              ->build();
  EXPECT_TRUE(
      parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), output, 1 << 20, properties)
          .ok());
  EXPECT_TRUE(output->Close().ok());
}

TEST_F(Size, OfVectorsIsAtMostThreeQuartersOfPlainZstd) {
  ASSERT_EQ(run(sample({"dataset.max_samples=8", "capture.sampler.type=all"})).exit_code, 0);
  int64_t ours = 0, plain = 0;
  for (const auto& entry : fs::directory_iterator(path("data/sample"))) {
    if (!entry.is_directory()) continue;
    ours += vector_bytes(entry.path() / "data.parquet");
    copy_plain(entry.path() / "data.parquet", path("plain.parquet"));
    plain += vector_bytes(path("plain.parquet"));
  }
  ASSERT_GT(plain, 1'000'000);
  EXPECT_LE(static_cast<double>(ours), 0.75 * static_cast<double>(plain));
}

}  // namespace
}  // namespace qk::e2e

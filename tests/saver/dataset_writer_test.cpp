#include "saver/dataset_writer.h"

#include <arrow/array.h>
#include <arrow/io/file.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <parquet/arrow/reader.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/statistics.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"
#include "capture_fixture.h"

namespace qk::saver::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::shared_ptr<arrow::Table> read_table(const fs::path& file) {
  auto input = arrow::io::ReadableFile::Open(file.string()).ValueOrDie();
  auto reader = parquet::arrow::OpenFile(input, arrow::default_memory_pool()).ValueOrDie();
  const std::shared_ptr<arrow::Table> table = reader->ReadTable().ValueOrDie();
  EXPECT_TRUE(table->ValidateFull().ok());
  return table->CombineChunks().ValueOrDie();
}

template <typename Array>
std::shared_ptr<Array> column(const arrow::Table& table, const std::string& name) {
  return std::static_pointer_cast<Array>(table.GetColumnByName(name)->chunk(0));
}

/// Compares the file of one head with what the capture had appended.
void expect_rows(const Synthetic& capture, const fs::path& file, size_t group, size_t head) {
  SCOPED_TRACE(file.string());
  const auto table = read_table(file);
  ASSERT_EQ(table->num_rows(), capture.rows_of_group(group));
  const auto bucket = column<arrow::Int32Array>(*table, "bucket");
  const auto example_id = column<arrow::Int32Array>(*table, "example_id");
  const auto position = column<arrow::Int32Array>(*table, "position");
  const auto window = column<arrow::Int32Array>(*table, "sliding_window");
  const auto vector = column<arrow::FixedSizeListArray>(*table, "vector");
  const auto values = std::static_pointer_cast<arrow::FloatArray>(vector->values());
  const std::optional<int32_t> wanted_window = capture.layout.groups[group].sliding_window;
  int64_t at = 0;
  for (int64_t document = 0; document < capture.documents; ++document) {
    for (int64_t row = 0; row < capture.rows_in(document, group); ++row, ++at) {
      ASSERT_EQ(bucket->Value(at), row / 2);
      ASSERT_EQ(example_id->Value(at), static_cast<int32_t>(capture.document(document).example_id));
      ASSERT_EQ(position->Value(at), 2 * row + 1);
      ASSERT_EQ(window->IsNull(at), !wanted_window.has_value());
      ASSERT_EQ(window->IsNull(at) ? 0 : window->Value(at), wanted_window.value_or(0));
      for (int64_t dim = 0; dim < capture.layout.head_dim; ++dim) {
        ASSERT_EQ(values->Value(at * capture.layout.head_dim + dim),
                  capture.value(document, group, head, row, dim));
      }
      if (capture.layout.token_strings) {
        const auto tokens = column<arrow::StringArray>(*table, "token_str");
        ASSERT_EQ(tokens->GetString(at), "piece" + std::to_string((document + row) % 9));
      }
    }
  }
}

class DatasetWriterTypes : public ::testing::TestWithParam<VectorType> {};

TEST_P(DatasetWriterTypes, FilesHoldEveryRowInDatasetOrder) {
  const Synthetic capture(GetParam(), /*token_strings=*/true);
  const fs::path root = fresh_folder();
  run(capture, options(root));
  expect_rows(capture, root / "l00h00q/data.parquet", 0, 0);
  expect_rows(capture, root / "l00h01q/data.parquet", 0, 1);
  expect_rows(capture, root / "l00h03q/data.parquet", 0, 2);
  expect_rows(capture, root / "l00h00k/data.parquet", 1, 0);
  expect_rows(capture, root / "l02h00q/data.parquet", 2, 0);
  expect_rows(capture, root / "l02h11q/data.parquet", 2, 1);
  expect_rows(capture, root / "l02h01k/data.parquet", 3, 0);
}

INSTANTIATE_TEST_SUITE_P(All, DatasetWriterTypes,
                         ::testing::Values(VectorType::Float32, VectorType::BFloat16,
                                           VectorType::Float16));

TEST(DatasetWriter, LeavesOnlyFinalFiles) {
  const fs::path root = fresh_folder();
  run(Synthetic(), options(root));
  std::vector<std::string> names;
  for (const auto& [name, bytes] : contents(root)) names.push_back(name);
  EXPECT_THAT(names, ElementsAre("README.md", "examples.parquet", "l00h00k/data.parquet",
                                 "l00h00q/data.parquet", "l00h01q/data.parquet",
                                 "l00h03q/data.parquet", "l02h00q/data.parquet",
                                 "l02h01k/data.parquet", "l02h11q/data.parquet", "run.json"));
  EXPECT_FALSE(fs::exists(root / ".sniff"));
}

TEST(DatasetWriter, ColumnsHaveTheDocumentedTypes) {
  const fs::path root = fresh_folder();
  run(Synthetic(VectorType::BFloat16, true, 16), options(root));
  const auto schema = read_table(root / "l00h00q/data.parquet")->schema();
  EXPECT_THAT(schema->field_names(), ElementsAre("bucket", "example_id", "position", "vector",
                                                 "sliding_window", "token_str"));
  for (const char* name : {"bucket", "example_id", "position"}) {
    EXPECT_TRUE(schema->GetFieldByName(name)->type()->Equals(arrow::int32()));
    EXPECT_FALSE(schema->GetFieldByName(name)->nullable());
  }
  EXPECT_TRUE(schema->GetFieldByName("sliding_window")->type()->Equals(arrow::int32()));
  EXPECT_TRUE(schema->GetFieldByName("sliding_window")->nullable());
  EXPECT_TRUE(schema->GetFieldByName("token_str")->type()->Equals(arrow::utf8()));
  const auto vector = schema->GetFieldByName("vector")->type();
  ASSERT_EQ(vector->id(), arrow::Type::FIXED_SIZE_LIST);
  EXPECT_EQ(static_cast<const arrow::FixedSizeListType&>(*vector).list_size(), 16);
  EXPECT_TRUE(
      static_cast<const arrow::FixedSizeListType&>(*vector).value_type()->Equals(arrow::float32()));
}

TEST(DatasetWriter, VectorsAreByteStreamSplitAndZstdWithStatistics) {
  const fs::path root = fresh_folder();
  run(Synthetic(), options(root));
  const auto metadata =
      parquet::ParquetFileReader::OpenFile((root / "l00h00q/data.parquet").string())->metadata();
  const auto vectors = metadata->RowGroup(0)->ColumnChunk(3);
  EXPECT_EQ(vectors->path_in_schema()->ToDotString(), "vector.list.element");
  EXPECT_EQ(vectors->compression(), parquet::Compression::ZSTD);
  EXPECT_THAT(vectors->encodings(), ::testing::Contains(parquet::Encoding::BYTE_STREAM_SPLIT));
  EXPECT_FALSE(vectors->has_dictionary_page());
  for (int i = 0; i < metadata->num_columns(); ++i) {
    EXPECT_TRUE(metadata->RowGroup(0)->ColumnChunk(i)->is_stats_set()) << i;
  }
}

TEST(DatasetWriter, WithoutTokenStringsThereIsNoColumnForThem) {
  const fs::path root = fresh_folder();
  run(Synthetic(), options(root));
  EXPECT_EQ(read_table(root / "l00h00q/data.parquet")->GetColumnByName("token_str"), nullptr);
}

TEST(DatasetWriter, ExamplesListEveryDocumentSkippedOnesIncluded) {
  const Synthetic capture;
  const fs::path root = fresh_folder();
  run(capture, options(root));
  const auto table = read_table(root / "examples.parquet");
  ASSERT_EQ(table->num_rows(), capture.documents);
  for (int64_t i = 0; i < capture.documents; ++i) {
    const Document document = capture.document(i);
    EXPECT_EQ(column<arrow::Int64Array>(*table, "index")->Value(i), i);
    EXPECT_EQ(column<arrow::Int32Array>(*table, "example_id")->Value(i),
              static_cast<int32_t>(document.example_id));
    EXPECT_EQ(column<arrow::Int64Array>(*table, "full_id")->Value(i), document.example_id);
    EXPECT_EQ(column<arrow::StringArray>(*table, "source_id")->GetString(i), document.source_id);
    EXPECT_EQ(column<arrow::Int64Array>(*table, "tokens")->Value(i), document.tokens);
    EXPECT_EQ(column<arrow::BooleanArray>(*table, "truncated")->Value(i), document.truncated);
    EXPECT_EQ(column<arrow::Int64Array>(*table, "rows")->Value(i), document.rows);
  }
}

TEST(DatasetWriter, SummaryCountsDocumentsRowsAndFiles) {
  const Synthetic capture;
  const fs::path root = fresh_folder();
  const WriteSummary summary = run(capture, options(root));
  EXPECT_EQ(summary.files, 7);
  EXPECT_EQ(summary.rows, capture.rows());
  EXPECT_EQ(summary.documents, 20);
  EXPECT_EQ(summary.skipped, 3);
  EXPECT_EQ(summary.truncated, 5);
  int64_t tokens = 0;
  for (int64_t i = 0; i < capture.documents; ++i) tokens += capture.document(i).tokens;
  EXPECT_EQ(summary.tokens, tokens);
  uintmax_t bytes = 0;
  for (const char* name :
       {"l00h00q", "l00h01q", "l00h03q", "l00h00k", "l02h00q", "l02h11q", "l02h01k"}) {
    bytes += fs::file_size(root / name / "data.parquet");
  }
  EXPECT_EQ(summary.bytes, static_cast<int64_t>(bytes));
}

TEST(DatasetWriter, RunFileHasTheHashOfEveryFile) {
  const fs::path root = fresh_folder();
  run(Synthetic(), options(root));
  const auto json = nlohmann::json::parse(qk::read_file(root / "run.json"));
  size_t files = 0;
  for (const auto& [name, bytes] : contents(root)) files += name != "run.json";
  ASSERT_EQ(json.at("files").size(), files);
  for (const auto& file : json.at("files")) {
    const fs::path path = root / file.at("name").get<std::string>();
    EXPECT_EQ(file.at("sha256"), qk::sha256_of_file(path));
    EXPECT_EQ(file.at("bytes"), fs::file_size(path));
  }
  EXPECT_EQ(json.at("config"), facts().config_yaml);
  EXPECT_EQ(json.at("counts").at("documents"), 20);
}

TEST(DatasetWriter, BucketCountsOfTheRunFileAreOverAllHeads) {
  const Synthetic capture;
  const fs::path root = fresh_folder();
  run(capture, options(root));
  const auto buckets =
      nlohmann::json::parse(qk::read_file(root / "run.json")).at("rows_per_bucket");
  int64_t sum = 0;
  for (const auto& rows : buckets) sum += rows.get<int64_t>();
  EXPECT_EQ(sum, capture.rows());
  int64_t in_bucket_1 = 0;  // rows 2 and 3 of each document
  for (size_t group = 0; group < 4; ++group) {
    for (int64_t i = 0; i < capture.documents; ++i) {
      in_bucket_1 += std::max<int64_t>(capture.rows_in(i, group) - 2, 0) *
                     static_cast<int64_t>(capture.layout.groups[group].heads.size());
    }
  }
  EXPECT_EQ(buckets.at("1"), in_bucket_1);
}

TEST(DatasetWriter, FilesDoNotDependOnBatches) {
  const Synthetic capture(VectorType::BFloat16, true);
  const fs::path one = fresh_folder("one"), many = fresh_folder("many");
  run(capture, options(one), 20);
  run(capture, options(many), 1);
  EXPECT_EQ(contents(one), contents(many));
}

TEST(DatasetWriter, FilesDoNotDependOnThreadsMemoryOrSegments) {
  const Synthetic capture(VectorType::Float16, true);
  const fs::path plain = fresh_folder("plain"), narrow = fresh_folder("narrow");
  run(capture, options(plain));
  WriterOptions tight = options(narrow);
  tight.threads = 5;
  tight.memory_budget_bytes = 1;
  tight.segment_bytes = 100;
  run(capture, tight);
  EXPECT_EQ(contents(plain), contents(narrow));
}

TEST(DatasetWriter, RowGroupsBreakAtFixedRowsWhateverTheBatches) {
  const Synthetic capture(VectorType::BFloat16, true);
  const fs::path one = fresh_folder("one"), many = fresh_folder("many");
  for (const auto& [root, step] : {std::pair(one, 20), std::pair(many, 3)}) {
    WriterOptions small_groups = options(root);
    small_groups.row_group_bytes = 8 * 8 * sizeof(float);
    run(capture, small_groups, step);
  }
  EXPECT_EQ(contents(one), contents(many));
  expect_rows(capture, one / "l00h03q/data.parquet", 0, 2);
  const auto metadata =
      parquet::ParquetFileReader::OpenFile((one / "l00h00q/data.parquet").string())->metadata();
  ASSERT_EQ(metadata->num_row_groups(), (capture.rows_of_group(0) + 7) / 8);
  for (int i = 0; i + 1 < metadata->num_row_groups(); ++i)
    EXPECT_EQ(metadata->RowGroup(i)->num_rows(), 8);
}

TEST(DatasetWriter, DocumentsMayComeInParts) {
  const Synthetic capture;
  const fs::path whole = fresh_folder("whole"), parts = fresh_folder("parts");
  run(capture, options(whole));
  {
    DatasetWriter writer(options(parts), capture.layout, facts());
    for (int64_t i = 0; i < capture.documents; ++i) {
      CapturedBatch batch = capture.batch(i, i + 1);
      for (RowBlock& block : batch.blocks) {
        CapturedBatch part;
        part.blocks.push_back(std::move(block));
        writer.append(part);
      }
      batch.blocks.clear();
      EXPECT_EQ(writer.documents_done(), i);
      writer.append(batch);
    }
    writer.close();
  }
  EXPECT_EQ(contents(whole), contents(parts));
}

TEST(DatasetWriter, CountsAsItGoes) {
  const Synthetic capture;
  DatasetWriter writer(options(fresh_folder()), capture.layout, facts());
  EXPECT_EQ(writer.found(), Found::Nothing);
  append_all(writer, capture, 0, 7);
  EXPECT_EQ(writer.documents_done(), 20);
  EXPECT_EQ(writer.rows_appended(), capture.rows());
}

TEST(DatasetWriter, ACaptureWithoutAnyRowIsFinishedToo) {
  Synthetic capture;
  capture.documents = 0;
  const fs::path root = fresh_folder();
  const WriteSummary summary = run(capture, options(root));
  EXPECT_EQ(summary.files, 0);
  DatasetWriter again(options(root), capture.layout, facts());
  EXPECT_EQ(again.found(), Found::Finished);
}

TEST(DatasetWriter, DocumentsThatMiscountTheirRowsAreABug) {
  const Synthetic capture;
  DatasetWriter writer(options(fresh_folder()), capture.layout, facts());
  CapturedBatch batch = capture.batch(0, 3);
  ++batch.documents[1].rows;
  EXPECT_THAT(message_of<InternalError>([&] { writer.append(batch); }), HasSubstr("rows"));
}

TEST(DatasetWriter, StopInterruptsTheFinalPassAndLeavesTheSpool) {
  const Synthetic capture;
  const fs::path root = fresh_folder(), whole = fresh_folder("whole");
  const std::atomic<bool> stop{true};
  WriterOptions stopped = options(root);
  stopped.stop = &stop;
  EXPECT_THROW(run(capture, stopped), Interrupted);
  EXPECT_FALSE(fs::exists(root / "run.json"));
  DatasetWriter again(options(root), capture.layout, facts());
  EXPECT_EQ(again.documents_done(), 20);
  again.close();
  run(capture, options(whole));
  EXPECT_EQ(contents(root), contents(whole));
}

TEST(DatasetWriter, ReportsTheFinalPassInFiles) {
  const Synthetic capture;
  WriterOptions reporting = options(fresh_folder());
  std::vector<std::pair<int64_t, int64_t>> reports;
  reporting.on_final_pass = [&](int64_t done, int64_t total) { reports.emplace_back(done, total); };
  run(capture, reporting);
  ASSERT_FALSE(reports.empty());
  EXPECT_THAT(reports.back(), ::testing::Pair(7, 7));
}

}  // namespace
}  // namespace qk::saver::testing

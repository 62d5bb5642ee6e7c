#include "tests/verify/damage.h"

#include <arrow/api.h>
#include <arrow/io/file.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/writer.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "saver/arrow_check.h"
#include "saver/dataset_writer.h"
#include "sniffer/sampling.h"

namespace qk::verify::testing {
namespace {

namespace fs = std::filesystem;
using saver::check_arrow;

constexpr const char* kConfig = R"(
dataset: {path: texts.jsonl}
model: {name: tiny}
capture: {sampler: {type: uniform, base_rate: 4}, min_bucket_size: 8}
)";
constexpr int64_t kDocuments = 5, kHeadDim = 4;

saver::CaptureLayout layout() {
  return {.groups = {{.layer = 0, .kind = 'q', .heads = {0, 1}, .sliding_window = {}},
                     {.layer = 0, .kind = 'k', .heads = {0}, .sliding_window = 32}},
          .head_dim = kHeadDim,
          .vector_type = saver::VectorType::Float32,
          .token_strings = false};
}

int64_t tokens_of(int64_t document) { return document == 3 ? 0 : 20 + 7 * document; }
int64_t id_of(int64_t document) { return document * 0x300000001LL - 1; }

void add_rows(saver::CapturedBatch& batch, saver::Document& document, int32_t group,
              const std::vector<int32_t>& heads, const std::vector<int32_t>& positions) {
  saver::RowBlock block{.group = group,
                        .bucket = {},
                        .example_id = {},
                        .position = positions,
                        .token_id = {},
                        .vectors = {}};
  for (const int32_t position : positions) {
    block.bucket.push_back(position / 8);
    block.example_id.push_back(static_cast<int32_t>(document.example_id));
  }
  std::vector<float> values(heads.size() * positions.size() * kHeadDim);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i) + 0.5f;
  const auto bytes = std::as_bytes(std::span(values));
  block.vectors = std::vector(bytes.begin(), bytes.end());
  document.rows += static_cast<int64_t>(heads.size() * positions.size());
  batch.blocks.push_back(std::move(block));
}

saver::CapturedBatch batch(int64_t number) {
  static const sniffer::PositionSampler sampler({sniffer::SamplerType::Uniform, 4}, 8, {});
  saver::Document document{.index = number,
                           .example_id = id_of(number),
                           .source_id = std::to_string(number),
                           .tokens = tokens_of(number),
                           .truncated = number == 2,
                           .rows = 0};
  saver::CapturedBatch batch;
  for (int32_t group = 0; const saver::LayerHeads& heads : layout().groups) {
    add_rows(batch, document, group++, heads.heads,
             sampler.select(document.example_id, heads.layer, heads.kind, heads.heads.front(),
                            document.tokens));
  }
  batch.documents.push_back(document);
  return batch;
}

std::shared_ptr<arrow::Table> with_column(const std::shared_ptr<arrow::Table>& table,
                                          const std::string& column,
                                          const std::shared_ptr<arrow::Array>& values) {
  const int index = table->schema()->GetFieldIndex(column);
  return check_arrow(table->SetColumn(index, table->schema()->field(index),
                                      std::make_shared<arrow::ChunkedArray>(values)));
}

}  // namespace

void write_capture(const fs::path& root) {
  saver::WriterOptions options;
  options.data_root = root;
  options.threads = 1;
  options.row_group_bytes = 16 * kHeadDim * 4;  // some row groups
  saver::DatasetWriter writer(options, layout(),
                              {.tool_version = "1",
                               .config_yaml = kConfig,
                               .card_facts = {},
                               .model_name = "tiny",
                               .dataset_path = "texts.jsonl",
                               .dataset_split = "train",
                               .repo_hint = {},
                               .branch = {},
                               .identity = {}});
  for (int64_t i = 0; i < kDocuments; ++i) writer.append(batch(i));
  writer.close();
}

void edit_table(const fs::path& root, const std::string& name, const Edit& edit) {
  std::shared_ptr<arrow::Table> table;
  {
    auto input = check_arrow(arrow::io::ReadableFile::Open((root / name).string()));
    auto reader = check_arrow(parquet::arrow::OpenFile(input, arrow::default_memory_pool()));
    table = check_arrow(check_arrow(reader->ReadTable())->CombineChunks());
  }
  table = edit(table);
  auto output = check_arrow(arrow::io::FileOutputStream::Open((root / name).string()));
  check_arrow(parquet::arrow::WriteTable(
      *table, arrow::default_memory_pool(), output, 8, parquet::default_writer_properties(),
      parquet::ArrowWriterProperties::Builder().store_schema()->build()));
  check_arrow(output->Close());

  auto run = nlohmann::ordered_json::parse(read_file(root / "run.json"));
  int64_t all_bytes = 0;
  for (auto& file : run.at("files")) {
    const std::string file_name = file.at("name");
    if (file_name.ends_with("data.parquet")) all_bytes += fs::file_size(root / file_name);
    if (file_name != name) continue;
    file["bytes"] = fs::file_size(root / name);
    file["sha256"] = sha256_of_file(root / name);
  }
  run["counts"]["bytes"] = all_bytes;
  std::ofstream(root / "run.json") << run.dump(2);
}

std::shared_ptr<arrow::Table> with_value(const std::shared_ptr<arrow::Table>& table,
                                         const std::string& column, int64_t row, int32_t value) {
  const auto& old =
      static_cast<const arrow::Int32Array&>(*table->GetColumnByName(column)->chunk(0));
  arrow::Int32Builder builder;
  for (int64_t i = 0; i < old.length(); ++i) {
    const bool null = i != row && old.IsNull(i);
    check_arrow(null ? builder.AppendNull() : builder.Append(i == row ? value : old.Value(i)));
  }
  return with_column(table, column, check_arrow(builder.Finish()));
}

std::shared_ptr<arrow::Table> with_vector(const std::shared_ptr<arrow::Table>& table, int64_t row,
                                          float value) {
  const auto column = table->GetColumnByName("vector")->chunk(0);
  const auto& list = static_cast<const arrow::FixedSizeListArray&>(*column);
  const auto& old = static_cast<const arrow::FloatArray&>(*list.values());
  arrow::FloatBuilder builder;
  for (int64_t i = 0; i < old.length(); ++i)
    check_arrow(builder.Append(i / kHeadDim == row ? value : old.Value(i)));
  const auto changed = std::make_shared<arrow::FixedSizeListArray>(column->type(), column->length(),
                                                                   check_arrow(builder.Finish()));
  return with_column(table, "vector", changed);
}

void flip_bit(const fs::path& file, size_t at) {
  std::string bytes = read_file(file);
  bytes.at(at) ^= 1;
  std::ofstream(file, std::ios::binary) << bytes;
}

}  // namespace qk::verify::testing

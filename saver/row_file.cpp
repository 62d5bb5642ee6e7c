#include "saver/row_file.h"

#include <arrow/ipc/writer.h>
#include <arrow/type.h>
#include <arrow/util/base64.h>
#include <arrow/util/key_value_metadata.h>
#include <parquet/arrow/schema.h>
#include <parquet/column_writer.h>
#include <parquet/file_writer.h>

#include <algorithm>
#include <bit>

#include "saver/arrow_check.h"

namespace qk::saver {
namespace {

constexpr int64_t kValuesPerCall = 64 << 10;
constexpr const char* kVectorColumn = "vector.list.element";

std::shared_ptr<parquet::WriterProperties> writer_properties(int compression_level) {
  parquet::WriterProperties::Builder builder;
  builder.compression(parquet::Compression::ZSTD)->compression_level(compression_level);
  builder.disable_dictionary()->write_batch_size(kValuesPerCall);
  builder.encoding(parquet::Encoding::DELTA_BINARY_PACKED);
  builder.encoding(kVectorColumn, parquet::Encoding::BYTE_STREAM_SPLIT);
  builder.enable_dictionary("sliding_window")->encoding("sliding_window", parquet::Encoding::PLAIN);
  builder.enable_dictionary("token_str")->encoding("token_str", parquet::Encoding::PLAIN);
  return builder.build();
}

/// The Arrow schema as pyarrow stores it: readers get FixedSizeList back instead of a list.
std::shared_ptr<const arrow::KeyValueMetadata> stored_schema(const arrow::Schema& schema) {
  const std::shared_ptr<arrow::Buffer> bytes = check_arrow(arrow::ipc::SerializeSchema(schema));
  return arrow::key_value_metadata({"ARROW:schema"},
                                   {arrow::util::base64_encode(std::string_view(*bytes))});
}

template <typename Writer>
Writer& next_column(parquet::RowGroupWriter& group) {
  return static_cast<Writer&>(*group.NextColumn());
}

void write_ints(parquet::RowGroupWriter& group, std::span<const int32_t> values) {
  auto& column = next_column<parquet::Int32Writer>(group);
  column.WriteBatch(static_cast<int64_t>(values.size()), nullptr, nullptr, values.data());
  column.Close();
}

}  // namespace

int64_t rows_per_group(int64_t head_dim, int64_t bytes) {
  const int64_t rows = bytes / (head_dim * static_cast<int64_t>(sizeof(float)));
  return static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(std::max<int64_t>(rows, 1))));
}

std::shared_ptr<arrow::Schema> row_schema(int64_t head_dim, bool token_strings) {
  const auto element = arrow::field("element", arrow::float32(), /*nullable=*/false);
  arrow::FieldVector fields = {
      arrow::field("bucket", arrow::int32(), false),
      arrow::field("example_id", arrow::int32(), false),
      arrow::field("position", arrow::int32(), false),
      arrow::field("vector", arrow::fixed_size_list(element, static_cast<int32_t>(head_dim)),
                   false),
      arrow::field("sliding_window", arrow::int32(), true),
  };
  if (token_strings) fields.push_back(arrow::field("token_str", arrow::utf8(), false));
  return arrow::schema(std::move(fields));
}

RowFormat::RowFormat(const CaptureLayout& layout, int compression_level)
    : head_dim(layout.head_dim),
      token_strings(layout.token_strings),
      properties(writer_properties(compression_level)) {
  const std::shared_ptr<arrow::Schema> arrow_schema = row_schema(head_dim, token_strings);
  std::shared_ptr<parquet::SchemaDescriptor> descriptor;
  check_arrow(parquet::arrow::ToParquetSchema(arrow_schema.get(), *properties, &descriptor));
  schema = std::static_pointer_cast<parquet::schema::GroupNode>(descriptor->schema_root());
  metadata = stored_schema(*arrow_schema);
  const int64_t rows = std::max<int64_t>(kValuesPerCall / head_dim, 1);
  const auto levels = static_cast<size_t>(std::max(rows * head_dim, kValuesPerCall));
  ones.assign(levels, 1);
  vector_starts.assign(levels, 1);
  for (int64_t row = 0; row < rows; ++row) vector_starts[static_cast<size_t>(row * head_dim)] = 0;
}

RowFile::RowFile(const RowFormat& format, const std::filesystem::path& file)
    : format_(format), file_(std::make_shared<HashedFile>(file)) {
  writer_ = with_parquet([&] {
    return parquet::ParquetFileWriter::Open(file_, format.schema, format.properties,
                                            format.metadata);
  });
}

RowFile::~RowFile() = default;

void RowFile::write(const RowGroup& rows) {
  const auto count = static_cast<int64_t>(rows.position.size());
  with_parquet([&] {
    parquet::RowGroupWriter& group = *writer_->AppendRowGroup();
    write_ints(group, rows.bucket);
    write_ints(group, rows.example_id);
    write_ints(group, rows.position);

    auto& vectors = next_column<parquet::FloatWriter>(group);
    const int64_t values = count * format_.head_dim;
    const int64_t step = std::max<int64_t>(kValuesPerCall / format_.head_dim, 1) * format_.head_dim;
    for (int64_t at = 0; at < values; at += step) {
      vectors.WriteBatch(std::min(step, values - at), format_.ones.data(),
                         format_.vector_starts.data(), rows.vectors.data() + at);
    }
    vectors.Close();

    auto& windows = next_column<parquet::Int32Writer>(group);
    const std::vector<int16_t> levels(rows.position.size(), rows.sliding_window ? 1 : 0);
    const std::vector<int32_t> window(rows.position.size(), rows.sliding_window.value_or(0));
    windows.WriteBatch(count, levels.data(), nullptr, window.data());
    windows.Close();

    if (format_.token_strings) {
      auto& tokens = next_column<parquet::ByteArrayWriter>(group);
      tokens.WriteBatch(count, nullptr, nullptr, rows.token_str.data());
      tokens.Close();
    }
    group.Close();
  });
  rows_ += count;
}

FileFacts RowFile::close() {
  with_parquet([&] { writer_->Close(); });
  check_arrow(file_->Close());
  FileFacts facts = file_->publish();
  facts.rows = rows_;
  return facts;
}

}  // namespace qk::saver

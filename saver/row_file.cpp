#include "saver/row_file.h"

#include <arrow/ipc/writer.h>
#include <arrow/type.h>
#include <arrow/util/base64.h>
#include <arrow/util/key_value_metadata.h>
#include <parquet/arrow/schema.h>
#include <parquet/column_writer.h>
#include <parquet/file_writer.h>
#include <parquet/metadata.h>
#define ZSTD_STATIC_LINKING_ONLY  // literal compression is set through it
#include <zstd.h>

#include <algorithm>
#include <bit>

#include "saver/arrow_check.h"

namespace qk::saver {
namespace {

constexpr const char* kMagic = "PAR1";
constexpr const char* kVectorColumn = "vector.list.element";

/// zstd that hardly looks for repeats, which vectors do not have, and leaves the work to the
/// Huffman coding of each byte stream: faster than level 1, and smaller, since no chance match of a
/// few bytes breaks it up.
std::shared_ptr<arrow::util::CodecOptions> entropy_coding() {
  auto options = std::make_shared<arrow::util::ZstdCodecOptions>();
  options->compression_level = -100;
  options->compression_context_params = {{ZSTD_c_minMatch, 7},
                                         {ZSTD_c_literalCompressionMode, ZSTD_lcm_huffman}};
  return options;
}

std::shared_ptr<parquet::WriterProperties> writer_properties(int compression_level) {
  parquet::WriterProperties::Builder builder;
  builder.compression(parquet::Compression::ZSTD)
      ->compression_level(std::max(compression_level, 1));
  if (compression_level == 0) builder.codec_options(kVectorColumn, entropy_coding());
  builder.disable_dictionary();
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

/// The column chunks of one row group, one after another.
class Columns {
 public:
  Columns(const RowFormat& format, const std::shared_ptr<HashedFile>& file,
          parquet::RowGroupMetaDataBuilder& metadata, int16_t group)
      : format_(format), file_(file), metadata_(metadata), group_(group) {}

  void add(std::span<const int32_t> values) {
    write<parquet::Int32Type>(values.size(), nullptr, values.data());
  }

  void add(size_t rows, std::optional<int32_t> constant) {
    const std::vector<int16_t> levels(rows, constant ? 1 : 0);
    const std::vector<int32_t> values(rows, constant.value_or(0));
    write<parquet::Int32Type>(rows, levels.data(), values.data());
  }

  void add(std::span<const parquet::ByteArray> values) {
    write<parquet::ByteArrayType>(values.size(), nullptr, values.data());
  }

  void add_vectors(std::span<const std::byte> vectors) {
    parquet::ColumnChunkMetaDataBuilder& chunk = *metadata_.NextColumnChunk();
    bytes_ += format_.vectors.write(vectors, *open_pages(chunk), chunk);
  }

  void finish() { metadata_.Finish(bytes_, group_); }

 private:
  template <typename Type>
  void write(size_t rows, const int16_t* levels, const typename Type::c_type* values) {
    parquet::ColumnChunkMetaDataBuilder& chunk = *metadata_.NextColumnChunk();
    const auto writer =
        parquet::ColumnWriter::Make(&chunk, open_pages(chunk), format_.properties.get());
    static_cast<parquet::TypedColumnWriter<Type>&>(*writer).WriteBatch(static_cast<int64_t>(rows),
                                                                       levels, nullptr, values);
    bytes_ += writer->Close();
  }

  std::unique_ptr<parquet::PageWriter> open_pages(
      parquet::ColumnChunkMetaDataBuilder& chunk) const {
    const auto& path = chunk.descr()->path();
    return parquet::PageWriter::Open(file_, format_.properties->compression(path), &chunk, group_,
                                     static_cast<int16_t>(metadata_.current_column()),
                                     arrow::default_memory_pool(), false, nullptr, nullptr, false,
                                     nullptr, nullptr, *format_.properties->codec_options(path));
  }

  const RowFormat& format_;
  const std::shared_ptr<HashedFile>& file_;
  parquet::RowGroupMetaDataBuilder& metadata_;
  int16_t group_;
  int64_t bytes_ = 0;
};

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
    : token_strings(layout.token_strings),
      properties(writer_properties(compression_level)),
      vectors(layout.head_dim, layout.vector_type) {
  const std::shared_ptr<arrow::Schema> arrow_schema = row_schema(layout.head_dim, token_strings);
  check_arrow(parquet::arrow::ToParquetSchema(arrow_schema.get(), *properties, &schema));
  metadata = stored_schema(*arrow_schema);
}

RowFile::RowFile(const RowFormat& format, const std::filesystem::path& file)
    : format_(format), file_(std::make_shared<HashedFile>(file)) {
  check_arrow(file_->Write(kMagic, 4));
  metadata_ = parquet::FileMetaDataBuilder::Make(format.schema.get(), format.properties);
}

RowFile::~RowFile() = default;

void RowFile::write(const RowGroup& rows) {
  const size_t count = rows.position.size();
  with_parquet([&] {
    parquet::RowGroupMetaDataBuilder& group = *metadata_->AppendRowGroup();
    group.set_num_rows(static_cast<int64_t>(count));
    Columns columns(format_, file_, group, groups_);
    columns.add(rows.bucket);
    columns.add(rows.example_id);
    columns.add(rows.position);
    columns.add_vectors(rows.vectors);
    columns.add(count, rows.sliding_window);
    if (format_.token_strings) columns.add(rows.token_str);
    columns.finish();
  });
  rows_ += static_cast<int64_t>(count);
  ++groups_;
}

uint64_t RowFile::bytes() const { return static_cast<uint64_t>(check_arrow(file_->Tell())); }

FileFacts RowFile::close() {
  with_parquet(
      [&] { parquet::WriteFileMetaData(*metadata_->Finish(format_.metadata), file_.get()); });
  check_arrow(file_->Close());
  FileFacts facts = file_->publish();
  facts.rows = rows_;
  return facts;
}

}  // namespace qk::saver

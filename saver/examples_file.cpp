#include "saver/examples_file.h"

#include <arrow/builder.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <parquet/arrow/writer.h>

#include <memory>

#include "saver/arrow_check.h"

namespace qk::saver {
namespace {

constexpr const char* kName = "examples.parquet";
constexpr int64_t kGroupRows = 64 << 10;

class ExamplesFile {
 public:
  explicit ExamplesFile(const std::filesystem::path& file)
      : file_(std::make_shared<HashedFile>(file)) {
    auto properties =
        parquet::WriterProperties::Builder().compression(parquet::Compression::ZSTD)->build();
    auto arrow_properties = parquet::ArrowWriterProperties::Builder().store_schema()->build();
    writer_ = check_arrow(parquet::arrow::FileWriter::Open(*schema_, arrow::default_memory_pool(),
                                                           file_, properties, arrow_properties));
  }

  void add(const Document& document) {
    check_arrow(index_.Append(document.index));
    check_arrow(example_id_.Append(static_cast<int32_t>(document.example_id)));
    check_arrow(full_id_.Append(document.example_id));
    check_arrow(source_id_.Append(document.source_id));
    check_arrow(tokens_.Append(document.tokens));
    check_arrow(truncated_.Append(document.truncated));
    check_arrow(row_count_.Append(document.rows));
    if (index_.length() == kGroupRows) flush();
  }

  FileFacts close() {
    if (index_.length() > 0) flush();
    check_arrow(writer_->Close());
    check_arrow(file_->Close());
    FileFacts facts = file_->publish();
    facts.name = kName;
    facts.rows = rows_;
    return facts;
  }

 private:
  void flush() {
    arrow::ArrayVector columns;
    for (arrow::ArrayBuilder* builder : std::initializer_list<arrow::ArrayBuilder*>{
             &index_, &example_id_, &full_id_, &source_id_, &tokens_, &truncated_, &row_count_}) {
      columns.push_back(check_arrow(builder->Finish()));
    }
    const int64_t rows = columns.front()->length();
    check_arrow(writer_->WriteTable(*arrow::Table::Make(schema_, columns, rows), rows));
    rows_ += rows;
  }

  std::shared_ptr<arrow::Schema> schema_ = examples_schema();
  std::shared_ptr<HashedFile> file_;
  std::unique_ptr<parquet::arrow::FileWriter> writer_;
  arrow::Int64Builder index_, full_id_, tokens_, row_count_;
  arrow::Int32Builder example_id_;
  arrow::StringBuilder source_id_;
  arrow::BooleanBuilder truncated_;
  int64_t rows_ = 0;
};

}  // namespace

std::shared_ptr<arrow::Schema> examples_schema() {
  return arrow::schema({
      arrow::field("index", arrow::int64(), false),
      arrow::field("example_id", arrow::int32(), false),
      arrow::field("full_id", arrow::int64(), false),
      arrow::field("source_id", arrow::utf8(), false),
      arrow::field("tokens", arrow::int64(), false),
      arrow::field("truncated", arrow::boolean(), false),
      arrow::field("rows", arrow::int64(), false),
  });
}

FileFacts write_examples(SpoolCursor cursor, const std::filesystem::path& folder) {
  return with_parquet([&] {
    ExamplesFile file(folder / kName);
    while (cursor.next()) {
      for (const Document& document : cursor.read_documents()) file.add(document);
    }
    return file.close();
  });
}

}  // namespace qk::saver

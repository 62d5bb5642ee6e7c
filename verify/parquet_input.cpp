#include "verify/parquet_input.h"

#include <arrow/io/file.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>

#include "saver/arrow_check.h"

namespace qk::verify {

using saver::check_arrow;
using saver::with_parquet;

ParquetInput::ParquetInput(const std::filesystem::path& file, const arrow::Schema& schema) {
  with_parquet([&] {
    parquet::arrow::FileReaderBuilder builder;
    check_arrow(builder.Open(check_arrow(arrow::io::ReadableFile::Open(file.string()))));
    reader_ = check_arrow(builder.Build());
    std::shared_ptr<arrow::Schema> found;
    check_arrow(reader_->GetSchema(&found));
    if (!found->Equals(schema, /*check_metadata=*/false)) {
      throw OutputError("its columns are {}, not {}", found->ToString(), schema.ToString());
    }
  });
}

int64_t ParquetInput::rows() const { return reader_->parquet_reader()->metadata()->num_rows(); }

int ParquetInput::groups() const { return reader_->num_row_groups(); }

int64_t ParquetInput::rows_in(int group) const {
  return reader_->parquet_reader()->metadata()->RowGroup(group)->num_rows();
}

std::shared_ptr<arrow::Table> ParquetInput::read(int group,
                                                 const std::vector<std::string>& columns) const {
  return with_parquet([&] {
    const parquet::SchemaDescriptor& schema = *reader_->parquet_reader()->metadata()->schema();
    std::vector<int> leaves;
    for (int leaf = 0; leaf < schema.num_columns(); ++leaf) {
      const std::string& name = schema.GetColumnRoot(leaf)->name();
      if (std::find(columns.begin(), columns.end(), name) != columns.end()) leaves.push_back(leaf);
    }
    return check_arrow(check_arrow(reader_->ReadRowGroup(group, leaves))->CombineChunks());
  });
}

}  // namespace qk::verify

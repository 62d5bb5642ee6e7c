#include "tests/base/parquet_texts.h"

#include <arrow/api.h>
#include <arrow/io/file.h>
#include <gtest/gtest.h>
#include <parquet/arrow/writer.h>

namespace qk::tests {

std::shared_ptr<arrow::Table> table_of(const std::vector<std::string>& texts) {
  arrow::StringBuilder column;
  EXPECT_TRUE(column.AppendValues(texts).ok());
  return arrow::Table::Make(arrow::schema({arrow::field("text", arrow::utf8())}),
                            {column.Finish().ValueOrDie()});
}

void write_parquet(const std::filesystem::path& file, const std::vector<std::string>& texts,
                   int64_t group_rows) {
  const auto out = arrow::io::FileOutputStream::Open(file.string()).ValueOrDie();
  const arrow::Status written =
      parquet::arrow::WriteTable(*table_of(texts), arrow::default_memory_pool(), out, group_rows);
  EXPECT_TRUE(written.ok() && out->Close().ok()) << written.ToString();
}

}  // namespace qk::tests

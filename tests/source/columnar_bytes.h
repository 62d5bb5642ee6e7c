#pragma once
/// Texts as the bytes of Parquet and Arrow files.
#include <arrow/builder.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/writer.h>
#include <arrow/table.h>
#include <gtest/gtest.h>
#include <parquet/arrow/writer.h>

#include <memory>
#include <string>
#include <vector>

namespace qk::source::testing {

inline std::shared_ptr<arrow::Table> table_of(const std::vector<std::string>& texts) {
  arrow::StringBuilder text;
  arrow::Int64Builder id;
  for (const std::string& value : texts) {
    EXPECT_TRUE(text.Append(value).ok());
    EXPECT_TRUE(id.Append(text.length()).ok());
  }
  const auto schema =
      arrow::schema({arrow::field("id", arrow::int64()), arrow::field("text", arrow::utf8())});
  return arrow::Table::Make(schema, {id.Finish().ValueOrDie(), text.Finish().ValueOrDie()});
}

inline std::string parquet_bytes(const std::vector<std::string>& texts, int64_t group_rows = 2) {
  const auto out = arrow::io::BufferOutputStream::Create().ValueOrDie();
  EXPECT_TRUE(
      parquet::arrow::WriteTable(*table_of(texts), arrow::default_memory_pool(), out, group_rows)
          .ok());
  return out->Finish().ValueOrDie()->ToString();
}

enum class Ipc { File, Stream };

inline std::string ipc_bytes(const std::vector<std::string>& texts, Ipc kind) {
  const auto out = arrow::io::BufferOutputStream::Create().ValueOrDie();
  const auto table = table_of(texts);
  const auto writer = kind == Ipc::File
                          ? arrow::ipc::MakeFileWriter(out, table->schema()).ValueOrDie()
                          : arrow::ipc::MakeStreamWriter(out, table->schema()).ValueOrDie();
  EXPECT_TRUE(writer->WriteTable(*table, 2).ok());
  EXPECT_TRUE(writer->Close().ok());
  return out->Finish().ValueOrDie()->ToString();
}

}  // namespace qk::source::testing

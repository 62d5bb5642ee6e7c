#include "tests/golden/parquet_rows.h"

#include <arrow/api.h>
#include <arrow/io/file.h>
#include <parquet/arrow/reader.h>

#include <stdexcept>

namespace qk::test {
namespace {

template <typename T>
T value_or_throw(arrow::Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.status().ToString());
  return std::move(result).ValueUnsafe();
}

std::shared_ptr<arrow::Table> read_table(const std::filesystem::path& file) {
  auto input = value_or_throw(arrow::io::ReadableFile::Open(file.string()));
  auto reader = value_or_throw(parquet::arrow::OpenFile(input, arrow::default_memory_pool()));
  return value_or_throw(value_or_throw(reader->ReadTable())->CombineChunks());
}

/// The only chunk of a column; nullptr when there is no such column.
std::shared_ptr<arrow::Array> column(const arrow::Table& table, const std::string& name) {
  const auto chunked = table.GetColumnByName(name);
  if (!chunked) return nullptr;
  if (chunked->num_chunks() == 0) return value_or_throw(arrow::MakeEmptyArray(chunked->type()));
  return chunked->chunk(0);
}

std::string text_at(const arrow::Array& array, int64_t row) {
  const auto scalar = value_or_throw(array.GetScalar(row));
  return scalar->ToString();
}

/// Works for fixed-size and variable lists, whose values lie one after another.
const float* vector_at(const arrow::Array& array, int64_t row, int64_t& length) {
  std::shared_ptr<arrow::Array> values;
  int64_t offset = 0;
  if (array.type_id() == arrow::Type::FIXED_SIZE_LIST) {
    const auto& list = static_cast<const arrow::FixedSizeListArray&>(array);
    values = list.values(), offset = list.value_offset(row), length = list.value_length();
  } else {
    const auto& list = dynamic_cast<const arrow::ListArray&>(array);
    values = list.values(), offset = list.value_offset(row), length = list.value_length(row);
  }
  return dynamic_cast<const arrow::FloatArray&>(*values).raw_values() + offset;
}

std::optional<int32_t> integer_at(const arrow::Array& array, int64_t row) {
  if (array.IsNull(row)) return std::nullopt;
  if (array.type_id() == arrow::Type::INT64) {
    return static_cast<int32_t>(static_cast<const arrow::Int64Array&>(array).Value(row));
  }
  return dynamic_cast<const arrow::Int32Array&>(array).Value(row);
}

}  // namespace

std::map<std::string, Rows> read_rows(const std::filesystem::path& file) {
  const auto table = read_table(file);
  const auto config = column(*table, "config"), token = column(*table, "token_str");
  const auto bucket = column(*table, "bucket"), example = column(*table, "example_id");
  const auto position = column(*table, "position"), window = column(*table, "sliding_window");
  const auto vector = column(*table, "vector");
  std::map<std::string, Rows> rows;
  for (int64_t i = 0; i < table->num_rows(); ++i) {
    Rows& r = rows[config ? text_at(*config, i) : ""];
    r.bucket.push_back(integer_at(*bucket, i).value());
    r.example_id.push_back(integer_at(*example, i).value());
    r.position.push_back(integer_at(*position, i).value());
    r.sliding_window.push_back(integer_at(*window, i));
    if (token) r.token_str.push_back(text_at(*token, i));
    int64_t length = 0;
    const float* values = vector_at(*vector, i, length);
    r.vectors.insert(r.vectors.end(), values, values + length);
  }
  return rows;
}

std::map<std::string, Rows> read_capture(const std::filesystem::path& data_root) {
  std::map<std::string, Rows> capture;
  for (const auto& entry : std::filesystem::directory_iterator(data_root)) {
    const auto file = entry.path() / "data.parquet";
    if (!std::filesystem::exists(file)) continue;
    capture[entry.path().filename().string()] = std::move(read_rows(file)[""]);
  }
  return capture;
}

}  // namespace qk::test

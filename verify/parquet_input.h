#pragma once
/// Parquet files of a capture, a row group at a time.
#include <arrow/array.h>
#include <arrow/table.h>
#include <arrow/type_traits.h>
#include <parquet/arrow/reader.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace qk::verify {

class ParquetInput {
 public:
  /// Throws OutputError when it isn't a Parquet file, or has other columns than `schema`.
  ParquetInput(const std::filesystem::path& file, const arrow::Schema& schema);

  int64_t rows() const;
  int groups() const;
  int64_t rows_in(int group) const;

  /// Columns by name, each in one chunk. Throws OutputError.
  std::shared_ptr<arrow::Table> read(int group, const std::vector<std::string>& columns) const;

 private:
  std::unique_ptr<parquet::arrow::FileReader> reader_;
};

/// The values of a column without nulls.
template <typename ArrowType>
const typename ArrowType::c_type* values_of(const arrow::Table& table, const std::string& column) {
  const auto& chunk = *table.GetColumnByName(column)->chunk(0);
  return static_cast<const typename arrow::TypeTraits<ArrowType>::ArrayType&>(chunk).raw_values();
}

}  // namespace qk::verify

#include "report/row_groups.h"

#include <ATen/Functions.h>
#include <arrow/array.h>
#include <arrow/io/file.h>
#include <arrow/table.h>
#include <parquet/arrow/reader.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>

#include <cstring>

#include "saver/arrow_check.h"

namespace qk::report {
namespace {

using saver::check_arrow;

/// Everything that Arrow or Parquet complain about names the file.
template <typename Code>
auto naming(const std::string& file, Code&& code) {
  try {
    return saver::with_parquet(code);
  } catch (const OutputError& error) {
    throw OutputError("{}: {}", file, error.what());
  }
}

std::vector<int32_t> integers(const arrow::Table& table, const char* name) {
  const std::shared_ptr<arrow::ChunkedArray> column = table.GetColumnByName(name);
  if (column == nullptr || column->type()->id() != arrow::Type::INT32)
    throw OutputError("no int32 column '{}'", name);
  std::vector<int32_t> values;
  values.reserve(static_cast<size_t>(column->length()));
  for (const auto& chunk : column->chunks()) {
    const auto& array = static_cast<const arrow::Int32Array&>(*chunk);
    values.insert(values.end(), array.raw_values(), array.raw_values() + array.length());
  }
  return values;
}

/// The values of the column `vector`, as one tensor.
at::Tensor vectors_of(const arrow::Table& table, int64_t head_dim) {
  const std::shared_ptr<arrow::ChunkedArray> column = table.GetColumnByName("vector");
  const auto type = column == nullptr
                        ? nullptr
                        : std::dynamic_pointer_cast<arrow::FixedSizeListType>(column->type());
  if (type == nullptr || type->list_size() != head_dim ||
      type->value_type()->id() != arrow::Type::FLOAT) {
    throw OutputError("no column 'vector' of lists of {} float32", head_dim);
  }
  at::Tensor vectors = at::empty({column->length(), head_dim}, at::kFloat);
  auto* out = vectors.mutable_data_ptr<float>();
  for (const auto& chunk : column->chunks()) {
    const auto& list = static_cast<const arrow::FixedSizeListArray&>(*chunk);
    const auto& values = static_cast<const arrow::FloatArray&>(*list.values());
    const auto count = static_cast<size_t>(list.length() * head_dim);
    std::memcpy(out, values.raw_values() + list.offset() * head_dim, count * sizeof(float));
    out += count;
  }
  return vectors;
}

}  // namespace

RowGroups::RowGroups(const HeadFile& head, int64_t head_dim)
    : name_(head.file.string()), head_dim_(head_dim) {
  reader_ = naming(name_, [&] {
    auto file = check_arrow(arrow::io::ReadableFile::Open(name_));
    return check_arrow(parquet::arrow::OpenFile(file, arrow::default_memory_pool()));
  });
}

RowGroups::~RowGroups() = default;

int RowGroups::count() const { return reader_->num_row_groups(); }

int64_t RowGroups::rows() const { return reader_->parquet_reader()->metadata()->num_rows(); }

Rows RowGroups::read(int group, bool vectors) const {
  return naming(name_, [&] {
    std::vector<int> columns = {0, 1, 2};
    if (vectors) columns.push_back(3);
    const std::shared_ptr<arrow::Table> table = check_arrow(reader_->ReadRowGroup(group, columns));
    return Rows{.bucket = integers(*table, "bucket"),
                .example_id = integers(*table, "example_id"),
                .position = integers(*table, "position"),
                .vectors = vectors ? vectors_of(*table, head_dim_) : at::Tensor()};
  });
}

}  // namespace qk::report

#include "source/batch_rows.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "source/arrow_cells.h"

namespace qk::source {
namespace {

/// Cells that are read without a look at their neighbours check themselves; the others are checked
/// here at once.
arrow::Status check_cells(const arrow::Array& column) {
  ARROW_RETURN_NOT_OK(column.Validate());
  return checks_itself(*column.type()) ? arrow::Status::OK() : column.ValidateFull();
}

}  // namespace

std::vector<int> BatchRows::wanted_fields(const arrow::Schema& schema) const {
  const auto index_of = [&](const std::string& column) {
    const std::vector<int> found = schema.GetAllFieldIndices(column);
    if (found.empty()) throw_missing_column(file_, column, schema.field_names());
    if (found.size() > 1)
      throw DatasetError("{}: {} columns are called '{}'", file_.name, found.size(), column);
    return found.front();
  };
  std::vector<int> fields = {index_of(columns_.text)};
  const arrow::DataType& type = *schema.field(fields[0])->type();
  if (!holds_text(type)) {
    throw DatasetError("{}: column '{}' is of type {}; the text column must be text", file_.name,
                       columns_.text, type.ToString());
  }
  if (columns_.id && *columns_.id != columns_.text) fields.push_back(index_of(*columns_.id));
  return fields;
}

void BatchRows::throw_damaged(std::string_view what) const {
  const std::string where =
      row_ < 0 ? "before the first row" : fmt::format("after row {} (from 0)", row_);
  throw DatasetError("{}, {}: damaged: {}", file_.name, where, what);
}

arrow::Status BatchRows::try_load_batch() {
  do {
    ARROW_ASSIGN_OR_RAISE(batch_, next_batch());
    if (!batch_) return arrow::Status::OK();
  } while (batch_->num_rows() == 0);
  texts_ = batch_->GetColumnByName(columns_.text);
  ids_ = columns_.id ? batch_->GetColumnByName(*columns_.id) : nullptr;
  QK_ASSERT(texts_ && (ids_ || !columns_.id));
  ARROW_RETURN_NOT_OK(check_cells(*texts_));
  return ids_ ? check_cells(*ids_) : arrow::Status::OK();
}

bool BatchRows::load_batch() {
  try {
    const arrow::Status status = try_load_batch();
    if (!status.ok()) throw_damaged(status.message());
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw_damaged(error.what());
  }
  in_batch_ = 0;
  return batch_ != nullptr;
}

bool BatchRows::has_row() { return (batch_ && in_batch_ < batch_->num_rows()) || load_batch(); }

int64_t BatchRows::skip(int64_t rows) {
  int64_t skipped = 0;
  while (skipped < rows && has_row()) {
    const int64_t step = std::min(rows - skipped, batch_->num_rows() - in_batch_);
    in_batch_ += step;
    row_ += step;
    skipped += step;
  }
  return skipped;
}

void BatchRows::pass_unread(int64_t rows) {
  batch_.reset();
  row_ += rows;
}

bool BatchRows::next(Row& row) {
  if (!has_row()) return false;
  ++row_;
  try {
    row = {.text = text_cell(*texts_, in_batch_),
           .id = ids_ ? id_cell(*ids_, in_batch_) : IdValue{}};
  } catch (const DatasetError& error) {
    throw DatasetError("{}: {}", place(), error.what());
  }
  ++in_batch_;
  return true;
}

std::string BatchRows::place() const {
  return fmt::format("{}, row {} (from 0)", file_.name, row_);
}

}  // namespace qk::source

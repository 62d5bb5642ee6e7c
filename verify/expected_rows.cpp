#include "verify/expected_rows.h"

#include "base/error.h"
#include "saver/examples_file.h"

namespace qk::verify {

ExampleReader::ExampleReader(const std::filesystem::path& data_root)
    : input_(data_root / "examples.parquet", *saver::examples_schema()) {}

std::optional<Example> ExampleReader::next() {
  while (row_ == rows_) {
    if (next_group_ == input_.groups()) return std::nullopt;
    table_ = input_.read(next_group_++,
                         {"index", "example_id", "full_id", "tokens", "truncated", "rows"});
    row_ = 0, rows_ = table_->num_rows();
  }
  const auto number = [&](const char* column) {
    return values_of<arrow::Int64Type>(*table_, column)[row_];
  };
  const auto& truncated = *table_->GetColumnByName("truncated")->chunk(0);
  const Example example{
      .index = number("index"),
      .full_id = number("full_id"),
      .tokens = number("tokens"),
      .rows = number("rows"),
      .example_id = values_of<arrow::Int32Type>(*table_, "example_id")[row_],
      .truncated = static_cast<const arrow::BooleanArray&>(truncated).Value(row_)};
  ++row_;
  return example;
}

ExpectedRows::ExpectedRows(const std::filesystem::path& data_root,
                           const sniffer::PositionSampler& sampler, const saver::LayerHeads& group)
    : examples_(data_root), sampler_(sampler), group_(group) {}

bool ExpectedRows::next_document() {
  const std::optional<Example> example = examples_.next();
  if (!example) return false;
  positions_ = sampler_.select(example->full_id, group_.layer, group_.kind, group_.heads.front(),
                               example->tokens);
  example_id_ = static_cast<int32_t>(example->full_id);
  at_ = 0;
  ++documents_;
  rows_ += static_cast<int64_t>(positions_.size());
  return true;
}

std::optional<ExpectedRows::Row> ExpectedRows::next() {
  while (at_ == positions_.size()) {
    if (!next_document()) return std::nullopt;
  }
  const int32_t position = positions_[at_++];
  return Row{sampler_.bucket(position), example_id_, position};
}

int64_t ExpectedRows::rows_before(int64_t document) {
  while (documents_ < document) QK_ASSERT(next_document());
  return rows_;
}

}  // namespace qk::verify

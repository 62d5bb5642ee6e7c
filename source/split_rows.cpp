#include "source/split_rows.h"

#include <filesystem>
#include <system_error>
#include <utility>

namespace qk::source {
namespace {

int64_t size_of(const DataFile& file) {
  if (file.remote) return file.remote->bytes();
  std::error_code error;
  const auto size = std::filesystem::file_size(file.path, error);
  return error ? 0 : static_cast<int64_t>(size);
}

}  // namespace

SplitRows::SplitRows(std::vector<DataFile> files, Columns columns)
    : files_(std::move(files)), columns_(std::move(columns)) {
  for (const DataFile& file : files_) total_bytes_ += size_of(file);
}

bool SplitRows::open() {
  if (!rows_ && file_ < files_.size()) rows_ = open_rows(files_[file_], columns_);
  return rows_ != nullptr;
}

void SplitRows::close() {
  rows_.reset();
  passed_bytes_ += size_of(files_[file_++]);
}

bool SplitRows::next(Row& row) {
  while (open()) {
    if (rows_->next(row)) return true;
    close();
  }
  return false;
}

int64_t SplitRows::skip(int64_t rows) {
  int64_t skipped = 0;
  while (skipped < rows && open()) {
    skipped += rows_->skip(rows - skipped);
    if (skipped < rows) close();
  }
  return skipped;
}

double SplitRows::progress() const {
  if (total_bytes_ == 0) return 1.0;
  const double current =
      rows_ ? rows_->progress() * static_cast<double>(size_of(files_[file_])) : 0.0;
  return (static_cast<double>(passed_bytes_) + current) / static_cast<double>(total_bytes_);
}

}  // namespace qk::source

#pragma once
/// The border to Arrow and Parquet: their Status and exceptions become OutputError.
#include <arrow/result.h>
#include <arrow/status.h>
#include <parquet/exception.h>

#include <utility>

#include "base/error.h"

namespace qk::saver {

inline void check_arrow(const arrow::Status& status) {
  if (status.ok()) return;
  if (status.IsOutOfMemory()) throw OutputError("Parquet: out of memory: {}", status.message());
  throw OutputError("{}", status.message());
}

template <typename T>
T check_arrow(arrow::Result<T> result) {
  check_arrow(result.status());
  return std::move(result).ValueUnsafe();
}

/// Runs code that may throw Parquet's exceptions.
template <typename Code>
auto with_parquet(Code&& code) {
  try {
    return code();
  } catch (const parquet::ParquetStatusException& error) {
    check_arrow(error.status());
    throw;
  } catch (const parquet::ParquetException& error) {
    throw OutputError("Parquet: {}", error.what());
  }
}

}  // namespace qk::saver

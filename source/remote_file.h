#pragma once
/// A ByteSource as a file of Arrow's.
#include <arrow/io/interfaces.h>

#include <memory>

#include "source/byte_source.h"

namespace qk::source {

/// Reads ahead in blocks and keeps a few of them, because readers go through some columns side by
/// side in small steps. Errors of the source pass through Arrow as they are.
std::shared_ptr<arrow::io::RandomAccessFile> open_remote(std::shared_ptr<ByteSource> source);

}  // namespace qk::source

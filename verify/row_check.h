#pragma once
/// Checks of single files.
#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "saver/file_facts.h"
#include "verify/capture.h"
#include "verify/report.h"

namespace qk::verify {

/// A data.parquet by its place in the layout.
struct HeadPlace {
  size_t group = 0, head = 0;
};

struct FileResult {
  std::vector<Finding> problems, notes;
  std::map<int64_t, int64_t> rows_per_bucket;  ///< of a data.parquet
};

/// Is the file there, with this size and SHA-256? False: it is no use to look into it.
bool check_bytes(const Capture& capture, const saver::FileFacts& file, FileResult& result);

/// A data.parquet: schema, row count, rows in order against the sampler (when examples.parquet can
/// be read), window, NaN and infinity, vectors of zeros. stop: throws Interrupted once it is set.
void check_rows(const Capture& capture, const saver::FileFacts& file, HeadPlace place,
                bool with_sampler, const std::atomic<bool>* stop, FileResult& result);

}  // namespace qk::verify

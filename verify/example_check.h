#pragma once
/// examples.parquet against the sampler and run.json.
#include <atomic>
#include <cstdint>
#include <vector>

#include "verify/capture.h"
#include "verify/report.h"

namespace qk::verify {

struct ExampleResult {
  bool readable = false;
  std::vector<int64_t> rows;  ///< per group: what the sampler gives for each of its heads
  std::vector<Finding> problems;
};

ExampleResult check_examples(const Capture& capture, const std::atomic<bool>* stop);

}  // namespace qk::verify

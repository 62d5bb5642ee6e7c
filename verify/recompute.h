#pragma once
/// Runs the model again over a sample of a capture's documents.
#include <vector>

#include "verify/capture.h"
#include "verify/report.h"
#include "verify/verify.h"

namespace qk::verify {

/// Compares the captured vectors of every n-th document, n = 1 / options.recompute, with those
/// computed now, bit for bit; differences become findings, one per file at most. The capture's
/// files must be in order otherwise. Paths of the config are relative to the working directory.
/// Throws the errors of model, tokenizer and dataset.
Recomputed recompute(const Capture& capture, const Options& options,
                     std::vector<Finding>& problems);

}  // namespace qk::verify

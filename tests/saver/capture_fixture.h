#pragma once
/// A made-up capture for the writer's tests: every value follows from (document, group, head, row,
/// dimension).
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <thread>

#include "saver/dataset_writer.h"

namespace qk::saver::testing {

struct Synthetic {
  CaptureLayout layout;
  int64_t documents = 20;

  /// Layers 0 (full attention) and 2 (window 64), queries and keys, and a group without rows (layer
  /// 5).
  explicit Synthetic(VectorType type = VectorType::BFloat16, bool token_strings = false,
                     int64_t head_dim = 8);

  /// Every sixth document has no token.
  Document document(int64_t index) const;
  int64_t rows_in(int64_t document, size_t group) const;
  float value(int64_t document, size_t group, size_t head, int64_t row, int64_t dim) const;
  CapturedBatch batch(int64_t first, int64_t last) const;  ///< documents first..last-1
  int64_t rows_of_group(size_t group) const;               ///< of one head, over all documents
  int64_t rows() const;                                    ///< over all heads
};

/// A new, empty folder for the running test.
std::filesystem::path fresh_folder(const std::string& name = "capture");

RunFacts facts();
WriterOptions options(const std::filesystem::path& root);

/// Appends documents first..last-1 in batches of `step`.
void append_all(DatasetWriter& writer, const Synthetic& capture, int64_t first, int64_t step);

/// A whole run, from opening to closing.
WriteSummary run(const Synthetic& capture, const WriterOptions& options, int64_t step = 3);

/// Every file under root by relative name; of run.json what doesn't depend on the clock.
std::map<std::string, std::string> contents(const std::filesystem::path& root);

/// Changes a file's last byte.
void damage(const std::filesystem::path& file);

/// Files below a capture's staging folder that have a row group.
int64_t files_begun(const std::filesystem::path& staging);

template <typename Condition>
void wait_until(Condition&& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(5);
  while (!condition()) {
    ASSERT_LT(std::chrono::steady_clock::now(), end) << "what is waited for does not come";
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

/// No file may grow beyond `bytes` while this lives; a write that would gets EFBIG, like a full
/// disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(uint64_t bytes);
  ~FileSizeLimit();

 private:
  rlimit before_{};
};

/// The message of the Error that `code` throws; fails the test when it throws none.
template <typename Kind, typename Code>
std::string message_of(Code&& code) {
  try {
    code();
  } catch (const Kind& error) {
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

}  // namespace qk::saver::testing

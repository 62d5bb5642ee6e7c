#pragma once
/// A folder of one test alone, with what a run needs in it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "tests/base/temporary_folder.h"
#include "tests/e2e/program.h"

namespace qk::e2e {

using Arguments = std::vector<std::string>;

/// Name of a file, relative to its folder -> SHA-256.
using Hashes = std::map<std::string, std::string>;

/// Each test runs in a fresh folder in which `sample` and `golden` lead to the repository's.
class Workspace : public testing::Test {
 protected:
  Workspace();

  std::filesystem::path path(const std::string& name) const { return folder_.path() / name; }
  void write(const std::string& name, std::string_view content) const {
    folder_.write(name, content);
  }

  /// A copy of the tiny Llama checkpoint, to be damaged.
  std::filesystem::path copy_of_tiny_model(const std::string& name) const;

  Outcome run(const Arguments& arguments) const;

  /// configs/sample.yaml on one thread, with these overrides. It takes seconds, and writes to
  /// data/sample.
  static Arguments sample(const std::vector<std::string>& overrides = {});
  /// The tiny Llama over tiny.jsonl, every position; takes a moment, and writes to data/tiny.
  Arguments tiny(const std::vector<std::string>& overrides = {}) const;

  tests::TemporaryFolder folder_;
};

std::filesystem::path in_repository(const std::string& name);

Arguments with_flag(Arguments arguments, const std::string& flag);

/// Every file below `folder`, hidden ones too.
Hashes all_files(const std::filesystem::path& folder);

/// The data.parquet files and examples.parquet: what depends on nothing but the config and its
/// inputs.
Hashes captured_files(const std::filesystem::path& data_root);

}  // namespace qk::e2e

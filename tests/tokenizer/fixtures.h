#pragma once
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <string>

#include "base/error.h"
#include "base/files.h"

namespace qk::tests {

/// tests/tokenizer/fixtures/`name`, written by make_fixtures.py.
inline std::filesystem::path tokenizer_fixture(const std::string& name) {
  return std::filesystem::path(QK_SOURCE_DIR) / "tests/tokenizer/fixtures" / name;
}

inline std::string fixture_json(const std::string& name) {
  return read_file(tokenizer_fixture(name) / "tokenizer.json");
}

/// The message of the TokenizerError that `action` throws; a failure when it throws none.
inline std::string tokenizer_error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const TokenizerError& error) {
    return error.what();
  }
  ADD_FAILURE() << "no TokenizerError";
  return {};
}

}  // namespace qk::tests

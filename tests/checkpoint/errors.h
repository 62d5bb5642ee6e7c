#pragma once
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "base/error.h"

namespace qk::tests {

/// The message of the CheckpointError that `action` throws; a failure when it throws none.
inline std::string checkpoint_error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const CheckpointError& error) {
    return error.what();
  }
  ADD_FAILURE() << "no CheckpointError";
  return {};
}

}  // namespace qk::tests

#pragma once
/// Captures by several processes, held against that of one.
#include <sys/types.h>

#include <string>
#include <vector>

#include "tests/e2e/workspace.h"

namespace qk::e2e {

class SeveralProcesses : public Workspace {
 protected:
  /// Some passes of a few documents each; every document counts.
  static Arguments capture(const std::string& data_root, std::vector<std::string> overrides = {});

  Hashes by_one_process() const;

  /// The same over lengths.jsonl: short documents, some long ones between them, the longest at the
  /// end.
  Arguments capture_of_lengths(const std::string& data_root,
                               std::vector<std::string> overrides = {}) const;
};

/// In the order in which they were started.
std::vector<pid_t> children_of(pid_t process);

}  // namespace qk::e2e

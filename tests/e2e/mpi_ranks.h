#pragma once
/// Captures by ranks that mpirun starts.
#include <sys/types.h>

#include <vector>

#include "tests/e2e/several_processes.h"

namespace qk::e2e {

class MpiRanks : public SeveralProcesses {
 protected:
  /// The words of a command in which `count` ranks run with these arguments.
  static Arguments ranks(int count, const Arguments& arguments);

  /// more: ranks that follow those.
  static Arguments mpirun(const Arguments& ranks, const std::vector<Arguments>& more = {});

  Program start(Arguments words) const;
  Outcome run_command(const Arguments& words) const { return start(words).wait(); }

  /// The processes of a job, by rank.
  static std::vector<pid_t> ranks_of(const Program& job);
};

}  // namespace qk::e2e

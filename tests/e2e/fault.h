#pragma once
/// Runs that something ends, and the same command after them.
#include <cstdlib>

#include "tests/e2e/workspace.h"

namespace qk::e2e {

/// An environment variable of the programs started while this lives.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    ::setenv(name, value.c_str(), 1);
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;
  ~Variable() { ::unsetenv(name_); }

 private:
  const char* name_;
};

class Fault : public Workspace {
 protected:
  Fault();
  ~Fault() override;

  /// Some passes, each of which adds to the spool.
  Arguments capture(std::vector<std::string> overrides = {}) const;

  /// The build with fault points; fault: see tests/faults.
  Outcome run_with(const std::string& fault, const Arguments& arguments) const;

  /// The same, not waited for.
  std::unique_ptr<Program> start_with(const std::string& fault, const Arguments& arguments) const;

  /// Every file; of run.json what does not depend on the clock.
  Hashes everything() const;

  /// What an uninterrupted run leaves; data_root is empty again.
  Hashes uninterrupted(const Arguments& arguments) const;

  /// The same command again ends well, and in these files. data_root is empty again.
  void expect_resumed(const Hashes& expected) const;

  /// The run says what is wrong, where, and what to do; and ends with the exit code for storage.
  void expect_told(const Outcome& outcome, const std::string& what,
                   const std::string& remedy) const;

  /// data_root; where syncs cost nothing, if there is such a place: it is the process that dies
  /// here, not the machine.
  const std::filesystem::path root_;
};

}  // namespace qk::e2e

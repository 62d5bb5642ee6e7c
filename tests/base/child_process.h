#pragma once
/// Starting other programs from tests.
#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace qk::tests {

/// Throws std::system_error unless the error number is 0.
void check_errno(int error, const char* what);

struct Pipe {
  int read = -1, write = -1;
};

/// Neither end is passed on to children by itself.
Pipe make_pipe();

struct ChildOptions {
  int in = -1, out = -1, err = -1;            ///< -1: nothing to read, and this process's own
  std::filesystem::path folder = {};          ///< empty: this process's
  std::vector<std::string> environment = {};  ///< NAME=value, beside this process's
};

/// words: the program's path, then its arguments. Throws std::system_error.
pid_t start_child(std::vector<std::string> words, const ChildOptions& options);

/// Kills it, if it still runs.
void end_child(pid_t process);

}  // namespace qk::tests

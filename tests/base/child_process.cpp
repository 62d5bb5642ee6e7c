#include "tests/base/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace qk::tests {
namespace {

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> all;
  for (std::string& word : words) all.push_back(word.data());
  return all;
}

}  // namespace

void check_errno(int error, const char* what) {
  if (error != 0) throw std::system_error(error, std::generic_category(), what);
}

Pipe make_pipe() {
  int ends[2];
  check_errno(::pipe2(ends, O_CLOEXEC) == 0 ? 0 : errno, "pipe2");
  return {.read = ends[0], .write = ends[1]};
}

pid_t start_child(std::vector<std::string> words, const ChildOptions& options) {
  std::vector<char*> argv = pointers(words);
  argv.push_back(nullptr);
  std::vector<std::string> added = options.environment;
  std::vector<char*> variables = pointers(added);  // the first of a name counts
  for (char** variable = environ; *variable != nullptr; ++variable) variables.push_back(*variable);
  variables.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (!options.folder.empty())
    posix_spawn_file_actions_addchdir_np(&actions, options.folder.c_str());
  if (options.in < 0) {
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  } else {
    posix_spawn_file_actions_adddup2(&actions, options.in, STDIN_FILENO);
  }
  if (options.out >= 0) posix_spawn_file_actions_adddup2(&actions, options.out, STDOUT_FILENO);
  if (options.err >= 0) posix_spawn_file_actions_adddup2(&actions, options.err, STDERR_FILENO);
  pid_t process = -1;
  const int error =
      ::posix_spawn(&process, argv[0], &actions, nullptr, argv.data(), variables.data());
  posix_spawn_file_actions_destroy(&actions);
  check_errno(error, argv[0]);
  return process;
}

void end_child(pid_t process) {
  ::kill(process, SIGKILL);
  ::waitpid(process, nullptr, 0);
}

}  // namespace qk::tests

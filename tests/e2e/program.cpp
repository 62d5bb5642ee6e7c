#include "tests/e2e/program.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace qk::e2e {
namespace {

void check(int error, const char* what) {
  if (error != 0) throw std::system_error(error, std::generic_category(), what);
}

/// Read end, write end; neither is passed on by itself.
std::pair<int, int> make_pipe() {
  int ends[2];
  check(::pipe2(ends, O_CLOEXEC) == 0 ? 0 : errno, "pipe2");
  return {ends[0], ends[1]};
}

std::pair<int, int> make_terminal() {
  int ours = -1, theirs = -1;
  const winsize size{.ws_row = 24, .ws_col = 200, .ws_xpixel = 0, .ws_ypixel = 0};
  check(::openpty(&ours, &theirs, nullptr, nullptr, &size) == 0 ? 0 : errno, "openpty");
  for (const int end : {ours, theirs}) ::fcntl(end, F_SETFD, FD_CLOEXEC);
  return {ours, theirs};
}

/// Ours, but threads that wait for each other must not spin: tests share the machine.
std::vector<char*> environment() {
  static std::string policy = "OMP_WAIT_POLICY=PASSIVE";
  std::vector<char*> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) variables.push_back(*variable);
  variables.push_back(policy.data());
  variables.push_back(nullptr);
  return variables;
}

pid_t spawn(const std::string& binary, const std::vector<std::string>& arguments,
            const std::filesystem::path& folder, int out, int err) {
  std::vector<std::string> words = {binary};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
  pid_t process = -1;
  const int error =
      ::posix_spawn(&process, binary.c_str(), &actions, nullptr, argv.data(), environment().data());
  posix_spawn_file_actions_destroy(&actions);
  check(error, binary.c_str());
  return process;
}

/// Appends what is there; closes the stream at its end.
void drain(int& stream, std::string& text) {
  char buffer[4096];
  const ssize_t count = ::read(stream, buffer, sizeof buffer);
  if (count > 0) {
    text.append(buffer, static_cast<size_t>(count));
  } else if (count == 0 || errno != EINTR) {  // a terminal ends with EIO
    ::close(std::exchange(stream, -1));
  }
}

}  // namespace

Program::Program(const std::vector<std::string>& arguments, const std::filesystem::path& folder,
                 Stderr kind, const std::string& binary) {
  const auto [out, childs_out] = make_pipe();
  const auto [err, childs_err] = kind == Stderr::Terminal ? make_terminal() : make_pipe();
  out_ = out, err_ = err;
  process_ = spawn(binary.empty() ? QK_BINARY : binary, arguments, folder, childs_out, childs_err);
  ::close(childs_out);
  ::close(childs_err);
}

Program::~Program() {
  for (const int stream : {out_, err_}) {
    if (stream >= 0) ::close(stream);
  }
  if (process_ < 0) return;
  ::kill(process_, SIGKILL);
  ::waitpid(process_, nullptr, 0);
}

bool Program::read_some() {
  if (out_ < 0 && err_ < 0) return false;
  pollfd streams[] = {{.fd = out_, .events = POLLIN, .revents = 0},
                      {.fd = err_, .events = POLLIN, .revents = 0}};
  if (::poll(streams, 2, -1) < 0) return errno == EINTR;
  if (streams[0].revents != 0) drain(out_, outcome_.out);
  if (streams[1].revents != 0) drain(err_, outcome_.err);
  return true;
}

void Program::wait_for(const std::string& text) {
  while (outcome_.err.find(text) == std::string::npos) {
    if (!read_some())
      throw std::runtime_error("ended without saying '" + text + "': " + outcome_.err);
  }
}

void Program::send(int signal) const { check(::kill(process_, signal) == 0 ? 0 : errno, "kill"); }

Outcome Program::wait() {
  while (read_some()) {
  }
  int status = 0;
  rusage usage{};
  while (::wait4(process_, &status, 0, &usage) < 0) check(errno == EINTR ? 0 : errno, "wait4");
  process_ = -1;
  outcome_.peak_kib = usage.ru_maxrss;
  if (WIFEXITED(status)) outcome_.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) outcome_.signal = WTERMSIG(status);
  return outcome_;
}

}  // namespace qk::e2e

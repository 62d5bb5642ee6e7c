#include "tests/e2e/program.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <utility>

#include "tests/base/child_process.h"

namespace qk::e2e {
namespace {

std::pair<int, int> make_terminal() {
  int ours = -1, theirs = -1;
  const winsize size{.ws_row = 24, .ws_col = 200, .ws_xpixel = 0, .ws_ypixel = 0};
  tests::check_errno(::openpty(&ours, &theirs, nullptr, nullptr, &size) == 0 ? 0 : errno,
                     "openpty");
  for (const int end : {ours, theirs}) ::fcntl(end, F_SETFD, FD_CLOEXEC);
  return {ours, theirs};
}

/// Our end, the child's.
std::pair<int, int> make_stream(Stderr kind) {
  if (kind == Stderr::Terminal) return make_terminal();
  const tests::Pipe pipe = tests::make_pipe();
  return {pipe.read, pipe.write};
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
  const tests::Pipe out = tests::make_pipe();
  const auto [err, childs_err] = make_stream(kind);
  out_ = out.read, err_ = err;
  // threads that wait for each other must not spin: tests share the machine
  const std::string policy = "OMP_WAIT_POLICY=PASSIVE";
  std::vector<std::string> words = {binary.empty() ? QK_BINARY : binary};
  words.insert(words.end(), arguments.begin(), arguments.end());
  process_ = tests::start_child(
      std::move(words),
      {.out = out.write, .err = childs_err, .folder = folder, .environment = {policy}});
  ::close(out.write);
  ::close(childs_err);
}

Program::~Program() {
  for (const int stream : {out_, err_}) {
    if (stream >= 0) ::close(stream);
  }
  if (process_ < 0) return;
  tests::end_child(process_);
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

void Program::send(int signal) const {
  tests::check_errno(::kill(process_, signal) == 0 ? 0 : errno, "kill");
}

Outcome Program::wait() {
  while (read_some()) {
  }
  int status = 0;
  rusage usage{};
  while (::wait4(process_, &status, 0, &usage) < 0)
    tests::check_errno(errno == EINTR ? 0 : errno, "wait4");
  process_ = -1;
  outcome_.peak_kib = usage.ru_maxrss;
  if (WIFEXITED(status)) outcome_.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) outcome_.signal = WTERMSIG(status);
  return outcome_;
}

}  // namespace qk::e2e

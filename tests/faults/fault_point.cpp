// What fails is in the environment variable QK_FAULT:
//
//   log FILE       nothing; each point that is passed is written to FILE, a line each
//   kill NAME N    SIGKILL when the point is passed for the N-th time
//   wait NAME FILE "waiting at NAME" is said, and the point is passed once FILE exists
//   tear N         SIGKILL in the middle of the N-th write
//   short          no write takes more than 1000 bytes
//   fail E BYTES   after so many bytes every write fails with E: ENOSPC, EDQUOT, EROFS, EIO, ESTALE
//   room BYTES     the disk says that so much is left
//   clock          the time of day runs backwards, from 2001 on
#include "base/fault_point.h"

#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>
#include <string>
#include <string_view>

namespace qk::fault {
namespace {

struct Plan {
  std::string kind, name, file;
  int64_t count = 0;

  Plan() {
    const char* text = std::getenv("QK_FAULT");
    std::istringstream words(text == nullptr ? "" : text);
    words >> kind;
    if (kind == "kill" || kind == "wait" || kind == "fail") words >> name;
    if (kind == "log" || kind == "wait") words >> file;
    words >> count;
  }
};

const Plan& plan() {
  static const Plan plan;
  return plan;
}

std::atomic<int64_t> passed{0};

int error_number(const std::string& name) {
  static const std::map<std::string, int> kNumbers = {
      {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}, {"EROFS", EROFS}, {"EIO", EIO}, {"ESTALE", ESTALE}};
  return kNumbers.at(name);
}

size_t bytes_of(const iovec* parts, int count) {
  size_t bytes = 0;
  for (int i = 0; i < count; ++i) bytes += parts[i].iov_len;
  return bytes;
}

/// Writes at most `most` bytes, of the first part that has any.
ssize_t write_some(int fd, const iovec* parts, int count, size_t most) {
  const iovec* part =
      std::find_if(parts, parts + count, [](const iovec& p) { return p.iov_len > 0; });
  if (part == parts + count) return 0;
  return ::write(fd, part->iov_base, std::min(part->iov_len, most));
}

}  // namespace

void point(const char* name) {
  if (plan().kind == "log") {
    static std::mutex mutex;
    const std::scoped_lock lock(mutex);
    std::ofstream(plan().file, std::ios::app) << name << '\n';
  }
  if (plan().name != name) return;
  if (plan().kind == "kill" && ++passed == plan().count) ::raise(SIGKILL);
  if (plan().kind != "wait") return;
  std::fprintf(stderr, "waiting at %s\n", name);
  while (!std::filesystem::exists(plan().file)) ::usleep(10'000);
}

ssize_t writev(int fd, const iovec* parts, int count) {
  const size_t bytes = bytes_of(parts, count);
  if (plan().kind == "short") return write_some(fd, parts, count, 1000);
  if (plan().kind == "tear" && ++passed == plan().count) {
    write_some(fd, parts, count, bytes / 2);
    ::raise(SIGKILL);
  }
  if (plan().kind == "fail") {
    const int64_t before = passed.fetch_add(static_cast<int64_t>(bytes));
    const int64_t left = plan().count - before;
    if (left <= 0) {
      errno = error_number(plan().name);
      return -1;
    }
    if (left < static_cast<int64_t>(bytes))
      return write_some(fd, parts, count, static_cast<size_t>(left));
  }
  return ::writev(fd, parts, count);
}

uint64_t room(uint64_t free_bytes) {
  return plan().kind == "room" ? static_cast<uint64_t>(plan().count) : free_bytes;
}

}  // namespace qk::fault

/// In place of the C library's, for the whole program and its libraries.
extern "C" int clock_gettime(clockid_t clock, timespec* time) noexcept {
  static const char* fault = std::getenv("QK_FAULT");
  static std::atomic<int64_t> asked{0};
  const auto result = static_cast<int>(::syscall(SYS_clock_gettime, clock, time));
  if (clock == CLOCK_REALTIME && fault != nullptr && std::string_view(fault) == "clock")
    time->tv_sec = 1'000'000'000 - asked++;
  return result;
}

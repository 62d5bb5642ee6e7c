#include "tests/base/private_mounts.h"

#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

#include "tests/base/child_process.h"

namespace qk::tests {
namespace {

/// In the new user name space this process is who it was.
void keep_user(uid_t user, gid_t group) {
  std::ofstream("/proc/self/setgroups") << "deny";
  std::ofstream("/proc/self/uid_map") << fmt::format("{0} {0} 1", user);
  std::ofstream("/proc/self/gid_map") << fmt::format("{0} {0} 1", group);
}

}  // namespace

bool enter_private_mounts() {
  const uid_t user = ::geteuid();
  const gid_t group = ::getegid();
  if (::unshare(CLONE_NEWNS) != 0) {
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
    keep_user(user, group);
  }
  return ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

void mount_disk(const std::filesystem::path& folder, const std::string& size) {
  const std::string options = "size=" + size;
  check_errno(::mount("none", folder.c_str(), "tmpfs", 0, options.c_str()) == 0 ? 0 : errno,
              "mount");
}

}  // namespace qk::tests

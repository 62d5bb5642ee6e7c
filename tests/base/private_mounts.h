#pragma once
/// Small disks for tests: mounts that nobody but the test and the programs it starts can see.
#include <filesystem>
#include <string>

namespace qk::tests {

/// What a test that can't have them says when it is skipped.
constexpr const char* kNeedsPrivateMounts =
    "mounting a disk for the test needs root (CAP_SYS_ADMIN) or user name spaces";

/// From here on what this process mounts is its own and ends with it: in a new mount name space,
/// where that is refused in a new user name space too, which only a process of one thread can enter
/// (libarrow starts another). False where the system refuses both.
bool enter_private_mounts();

/// Mounts an empty file system in memory; size: as "16m". Throws std::system_error.
void mount_disk(const std::filesystem::path& folder, const std::string& size);

}  // namespace qk::tests

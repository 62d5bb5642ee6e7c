#pragma once
/// Where tests make a run fail. In the product, points are nothing and the writes are the system's;
/// tests/faults has what takes their place in a build of its own.
#include <sys/uio.h>

#include <cstdint>

namespace qk::fault {

#ifdef QK_FAULT_POINTS
/// A state of the disk has just changed, or is about to. The process may end here.
void point(const char* name);

/// writev that may write less than it could, or find the disk full or gone.
ssize_t writev(int fd, const iovec* parts, int count);

/// Of a disk's free bytes, those that there are to be.
uint64_t room(uint64_t free_bytes);
#else
inline void point(const char*) {}
inline ssize_t writev(int fd, const iovec* parts, int count) { return ::writev(fd, parts, count); }
inline uint64_t room(uint64_t free_bytes) { return free_bytes; }
#endif

}  // namespace qk::fault

#pragma once
/// Work that comes in numbered pieces.
#include <cstddef>
#include <functional>

namespace qk::verify {

/// Calls work(0) ... work(count - 1) on some threads; rethrows the first error when all have
/// stopped.
void for_each_index(int threads, size_t count, const std::function<void(size_t)>& work);

}  // namespace qk::verify

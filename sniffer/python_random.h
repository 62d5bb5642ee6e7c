#pragma once
/// The draws of Python's random module, number for number.
#include <cstdint>
#include <vector>

namespace qk::sniffer {

/// Python's random.Random(seed).sample(range(population), count). count: at most population, which
/// is below 2^32.
std::vector<int64_t> python_sample(int64_t seed, int64_t population, int64_t count);

}  // namespace qk::sniffer

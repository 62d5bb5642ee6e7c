#include "saver/spool_index.h"

#include <algorithm>

namespace qk::saver {

uint64_t SpoolIndex::bytes() const {
  uint64_t sum = 0;
  for (const SpoolUnit& unit : units) sum += unit.bytes;
  return sum;
}

uint64_t SpoolIndex::records() const {
  uint64_t sum = 0;
  for (const SpoolUnit& unit : units) sum += unit.records;
  return sum;
}

void SpoolIndex::sort() { std::ranges::sort(units, {}, &SpoolUnit::first_document); }

}  // namespace qk::saver

#pragma once
/// What lies where in a spool. It has lanes, each of which one writer appends to; the final pass
/// sees the units of all lanes in dataset order.
#include <cstdint>
#include <map>
#include <numeric>
#include <vector>

namespace qk::saver {

/// Where a lane ends.
struct LaneEnd {
  std::vector<uint64_t> segments;  ///< bytes of each segment
  uint64_t next_sequence = 0;
  uint64_t documents = 0;

  uint64_t bytes() const { return std::accumulate(segments.begin(), segments.end(), uint64_t{0}); }
};

/// The records of some consecutive documents, one behind the other in a lane; the last of them
/// lists the documents.
struct SpoolUnit {
  int64_t first_document = 0;  ///< index in the dataset
  int64_t documents = 0;
  int64_t lane = 0;
  uint64_t segment = 0, begin = 0;  ///< of the first record
  uint64_t records = 0;
  uint64_t bytes = 0;  ///< of the records

  int64_t end_document() const { return first_document + documents; }
};

/// Between two rows of one group, in dataset order.
struct SpoolPlace {
  int64_t document = 0;  ///< the first of a unit
  uint64_t rows = 0;     ///< of the group, in that unit, that are passed
};

struct SpoolIndex {
  std::map<int64_t, LaneEnd> lanes;
  std::vector<SpoolUnit> units;

  uint64_t bytes() const;  ///< of the units
  uint64_t records() const;
  void sort();  ///< units in dataset order
};

}  // namespace qk::saver

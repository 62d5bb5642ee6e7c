#pragma once
/// A set of whole numbers that come in long runs.
#include <cstdint>
#include <map>

namespace qk {

class IndexSet {
 public:
  /// Adds begin..end-1.
  void add(int64_t begin, int64_t end);

  int64_t count() const { return count_; }

  /// Is any of begin..end-1 in the set?
  bool intersects(int64_t begin, int64_t end) const;

  /// The least number from `index` on that is not in the set.
  int64_t next_missing(int64_t index) const;

  /// The least number from `index` on that is in the set; INT64_MAX: there is none.
  int64_t next_present(int64_t index) const;

  /// Begin -> end, ascending, neither touching nor overlapping.
  const std::map<int64_t, int64_t>& runs() const { return runs_; }

 private:
  std::map<int64_t, int64_t> runs_;
  int64_t count_ = 0;
};

}  // namespace qk

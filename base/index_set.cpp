#include "base/index_set.h"

#include <algorithm>
#include <iterator>
#include <limits>

namespace qk {

void IndexSet::add(int64_t begin, int64_t end) {
  if (begin >= end) return;
  auto next = runs_.lower_bound(begin);
  if (next != runs_.begin() && std::prev(next)->second >= begin) --next;
  while (next != runs_.end() && next->first <= end) {
    begin = std::min(begin, next->first);
    end = std::max(end, next->second);
    count_ -= next->second - next->first;
    next = runs_.erase(next);
  }
  runs_.emplace_hint(next, begin, end);
  count_ += end - begin;
}

bool IndexSet::intersects(int64_t begin, int64_t end) const { return next_present(begin) < end; }

int64_t IndexSet::next_missing(int64_t index) const {
  const auto next = runs_.upper_bound(index);
  return next == runs_.begin() ? index : std::max(index, std::prev(next)->second);
}

int64_t IndexSet::next_present(int64_t index) const {
  const auto next = runs_.upper_bound(index);
  if (next != runs_.begin() && std::prev(next)->second > index) return index;
  return next == runs_.end() ? std::numeric_limits<int64_t>::max() : next->first;
}

}  // namespace qk

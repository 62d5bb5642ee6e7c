#include "sniffer/plan_rows.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <mutex>
#include <optional>

#include "sniffer/sampling.h"

namespace qk::sniffer {
namespace {

using Buckets = std::map<int32_t, double>;

PositionSampler sampler_of(const CaptureConfig& capture) {
  return {capture.sampler, capture.min_bucket_size, capture.max_rows_per_batch};
}

void add(RowCount& count, size_t group, double heads, const Buckets& buckets) {
  for (const auto& [bucket, rows] : buckets) {
    count.of_group[group] += rows;
    count.buckets[bucket] += rows * heads;
    count.all += rows * heads;
  }
}

/// What the run will draw for one group.
Buckets drawn(const PositionSampler& sampler, const saver::LayerHeads& group,
              const std::vector<CountedDocument>& documents) {
  Buckets all;
  std::mutex mutex;
  at::parallel_for(0, static_cast<int64_t>(documents.size()), 16, [&](int64_t begin, int64_t end) {
    Buckets mine;
    for (int64_t i = begin; i < end; ++i) {
      const CountedDocument& document = documents[static_cast<size_t>(i)];
      if (document.tokens == 0) continue;
      for (const int32_t position : sampler.select(document.example_id, group.layer, group.kind,
                                                   group.heads.front(), document.tokens)) {
        ++mine[sampler.bucket(position)];
      }
    }
    const std::scoped_lock lock(mutex);
    for (const auto& [bucket, rows] : mine) all[bucket] += rows;
  });
  return all;
}

/// Expected rows of one head: each length's probabilities, added up to the bucket borders once.
class Expectation {
 public:
  Expectation(const CaptureConfig& capture, int32_t longest) : most_(capture.max_rows_per_batch) {
    const PositionSampler sampler = sampler_of(capture);
    sums_.push_back(0);
    for (int32_t position = 0; position < longest; ++position) {
      if (position == 0 || sampler.bucket(position) != borders_.back().second)
        borders_.emplace_back(position, sampler.bucket(position));
      sums_.push_back(sums_.back() + static_cast<double>(sampler.probability(position)));
    }
  }

  void add(int32_t length, double weight, Buckets& buckets) const {
    const double rows = sums_[static_cast<size_t>(length)];
    if (most_ && rows > static_cast<double>(*most_)) weight *= static_cast<double>(*most_) / rows;
    for (size_t i = 0; i < borders_.size() && borders_[i].first < length; ++i) {
      const int32_t end =
          i + 1 < borders_.size() ? std::min(borders_[i + 1].first, length) : length;
      buckets[borders_[i].second] += weight * (sums_[static_cast<size_t>(end)] -
                                               sums_[static_cast<size_t>(borders_[i].first)]);
    }
  }

 private:
  std::optional<int64_t> most_;
  std::vector<double> sums_;                          // of the probabilities before a position
  std::vector<std::pair<int32_t, int32_t>> borders_;  // first position, bucket
};

Buckets expected(const CaptureConfig& capture, const std::vector<CountedDocument>& documents) {
  std::map<int32_t, double> lengths;
  for (const CountedDocument& document : documents) lengths[document.tokens] += document.weight;
  Buckets buckets;
  if (lengths.empty()) return buckets;
  const Expectation expectation(capture, lengths.rbegin()->first);
  for (const auto& [length, weight] : lengths) expectation.add(length, weight, buckets);
  return buckets;
}

}  // namespace

RowCount count_rows(const CaptureConfig& capture, const saver::CaptureLayout& layout,
                    const DocumentCount& documents, double most_draws) {
  RowCount count;
  count.of_group.resize(layout.groups.size());
  const double draws = documents.tokens * static_cast<double>(layout.groups.size());
  count.drawn = documents.exact && draws <= most_draws;
  const Buckets of_every_group = count.drawn ? Buckets() : expected(capture, documents.documents);
  for (size_t i = 0; i < layout.groups.size(); ++i) {
    const auto heads = static_cast<double>(layout.groups[i].heads.size());
    add(count, i, heads,
        count.drawn ? drawn(sampler_of(capture), layout.groups[i], documents.documents)
                    : of_every_group);
  }
  return count;
}

}  // namespace qk::sniffer

#pragma once
/// What the report shows of a head, computed in one pass over its file in bounded memory.
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "report/capture.h"
#include "report/head_statistics.h"
#include "report/row_sample.h"

namespace qk::report {

/// Which dimensions the rotary embedding turns together.
enum class Pairing { Halves, Neighbours };  ///< (i, i + d/2) or (2i, 2i + 1)

struct AnalysisOptions {
  std::vector<int32_t> positions;  ///< edges of the bins of norms by position
  std::vector<int32_t> distances;  ///< edges of the bins of logits by distance
  Pairing pairing = Pairing::Halves;
  size_t points = 200;    ///< rows shown on their principal components
  size_t documents = 16;  ///< in which pairs of a query and a key are looked for
  size_t rows = 64;       ///< of each of these documents
};

/// NaN stands for "nothing there".
struct HeadAnalysis {
  HeadStatistics statistics;
  std::vector<float> norm_mean, norm_deviation;  ///< by position
  std::vector<float> variance;  ///< share of the variance of the first components, descending
  std::vector<float> spectrum;  ///< share of the energy of each pair of dimensions
  std::vector<float> point_position, point_x, point_y;
  double dimensions = 0;     ///< participation ratio of the variances: 1 .. head_dim
  double mean_share = 0;     ///< squared length of the mean vector over the mean squared length
  double norm_position = 0;  ///< correlation of norm and position
  std::map<int32_t, std::vector<SampledRow>> documents;  ///< for logits
};

/// Throws OutputError.
HeadAnalysis analyse(const HeadFile& head, int64_t head_dim, const AnalysisOptions& options);

/// q.k / sqrt(head_dim) of pairs of the same document with the key not after the query (and inside
/// the window), by distance.
struct Logits {
  std::vector<float> mean, deviation, pairs;
  double overall = 0;  ///< mean of all pairs; NaN without any
};
Logits logits(const HeadAnalysis& query, const HeadAnalysis& key, std::optional<int32_t> window,
              const AnalysisOptions& options);

}  // namespace qk::report

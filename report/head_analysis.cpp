#include "report/head_analysis.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace qk::report {
namespace {

constexpr float kNothing = std::numeric_limits<float>::quiet_NaN();
constexpr int64_t kComponents = 32;

size_t bin_of(const std::vector<int32_t>& edges, int32_t value) {
  const auto above = std::ranges::upper_bound(edges, value);
  const auto bin = static_cast<size_t>(above - edges.begin());
  return std::clamp<size_t>(bin, 1, edges.size() - 1) - 1;
}

/// Sums of x, y, x^2, y^2, xy.
class Correlation {
 public:
  void add(double x, double y) {
    ++n_;
    const double before = x - x_;
    x_ += before / n_;
    y_ += (y - y_) / n_;
    xx_ += before * (x - x_);
    xy_ += before * (y - y_);
  }
  double value(double deviation_of_y) const {
    const double deviations = std::sqrt(xx_ / n_) * deviation_of_y;
    return n_ < 2 || deviations <= 0 ? kNothing : xy_ / n_ / deviations;
  }

 private:
  double n_ = 0, x_ = 0, y_ = 0, xx_ = 0, xy_ = 0;
};

std::vector<float> to_vector(const at::Tensor& values) {
  const at::Tensor flat = values.to(at::kFloat).contiguous();
  const auto* data = flat.const_data_ptr<float>();
  return {data, data + flat.numel()};
}

class Analyser {
 public:
  Analyser(int64_t head_dim, const AnalysisOptions& options)
      : options_(options),
        norms_(options.positions.size() - 1),
        points_(options.points),
        documents_(options.documents, options.rows),
        sum_(at::zeros({head_dim}, at::kDouble)),
        squares_(at::zeros({head_dim, head_dim}, at::kDouble)) {}

  void add(const Rows& rows) {
    const at::Tensor norms = rows.vectors.norm(2, /*dim=*/1);
    counter_.add(rows, norms);
    const at::Tensor finite = norms.isfinite();
    const at::Tensor vectors =
        finite.all().item<bool>() ? rows.vectors : rows.vectors.index({finite});
    const at::Tensor wide = vectors.to(at::kDouble);
    sum_ += wide.sum(0);
    squares_.addmm_(wide.t(), wide);
    count_ += wide.size(0);
    add_rows(rows, norms);
  }

  HeadAnalysis finish() {
    HeadAnalysis result;
    result.statistics = counter_.result();
    for (const Spread& norm : norms_) {
      const bool some = norm.count() > 0;
      result.norm_mean.push_back(some ? static_cast<float>(norm.mean()) : kNothing);
      result.norm_deviation.push_back(some ? static_cast<float>(norm.deviation()) : kNothing);
    }
    result.norm_position = correlation_.value(result.statistics.norm.deviation());
    result.documents = documents_.take();
    if (count_ > 0) add_components(result);
    return result;
  }

 private:
  void add_rows(const Rows& rows, const at::Tensor& norms) {
    const auto width = static_cast<size_t>(rows.vectors.size(1));
    const auto* norm = norms.const_data_ptr<float>();
    const auto* vectors = rows.vectors.const_data_ptr<float>();
    for (size_t i = 0; i < rows.position.size(); ++i) {
      if (!std::isfinite(norm[i])) continue;
      const int32_t position = rows.position[i];
      const std::span vector(vectors + i * width, width);
      norms_[bin_of(options_.positions, position)].add(norm[i]);
      correlation_.add(position, norm[i]);
      const auto example = static_cast<uint32_t>(rows.example_id[i]);
      points_.add(mixed(mixed(example + 1) + static_cast<uint32_t>(position)), position, vector);
      documents_.add(rows.example_id[i], position, vector);
    }
  }

  void add_components(HeadAnalysis& result) {
    const auto n = static_cast<double>(count_);
    const at::Tensor mean = sum_ / n, second = squares_ / n;
    const at::Tensor energies = second.diagonal();
    const double energy = std::max(energies.sum().item<double>(), 1e-300);
    result.mean_share = mean.square().sum().item<double>() / energy;
    result.spectrum = to_vector(pair_sums(energies) / energy);
    const auto [ascending, vectors] = at::linalg_eigh(second - at::outer(mean, mean));
    const at::Tensor variances = ascending.flip(0).clamp_min(0);
    const double total = std::max(variances.sum().item<double>(), 1e-300);
    result.variance =
        to_vector(variances.slice(0, 0, std::min(kComponents, variances.size(0))) / total);
    result.dimensions = total * total / std::max(variances.square().sum().item<double>(), 1e-300);
    project_points(result, mean, vectors);
  }

  at::Tensor pair_sums(const at::Tensor& energies) const {
    const int64_t pairs = energies.size(0) / 2;
    return options_.pairing == Pairing::Halves
               ? energies.slice(0, 0, pairs) + energies.slice(0, pairs, 2 * pairs)
               : energies.slice(0, 0, 2 * pairs).reshape({pairs, 2}).sum(1);
  }

  /// A component's sign means nothing: its largest part is made positive.
  void project_points(HeadAnalysis& result, const at::Tensor& mean, const at::Tensor& vectors) {
    const std::vector<SampledRow> rows = points_.take();
    const at::Tensor centred = vectors_of(rows).to(at::kDouble) - mean;
    std::vector<float>* out[] = {&result.point_x, &result.point_y};
    for (int64_t i = 0; i < std::min<int64_t>(2, vectors.size(1)); ++i) {
      const at::Tensor component = vectors.select(1, vectors.size(1) - 1 - i);
      const int64_t largest = component.abs().argmax().item<int64_t>();
      const double sign = component[largest].item<double>() < 0 ? -1 : 1;
      *out[i] = to_vector(at::mv(centred, component) * sign);
    }
    result.point_y.resize(rows.size());
    for (const SampledRow& row : rows)
      result.point_position.push_back(static_cast<float>(row.position));
  }

  const AnalysisOptions& options_;
  StatisticsCounter counter_;
  std::vector<Spread> norms_;  // by position
  Correlation correlation_;
  RowSample points_;
  DocumentSample documents_;
  at::Tensor sum_, squares_;
  int64_t count_ = 0;
};

}  // namespace

HeadAnalysis analyse(const HeadFile& head, int64_t head_dim, const AnalysisOptions& options) {
  const RowGroups file(head, head_dim);
  Analyser analyser(head_dim, options);
  for (int group = 0; group < file.count(); ++group)
    analyser.add(file.read(group, /*vectors=*/true));
  HeadAnalysis result = analyser.finish();
  result.statistics.duplicates = count_duplicates(file);
  return result;
}

Logits logits(const HeadAnalysis& query, const HeadAnalysis& key, std::optional<int32_t> window,
              const AnalysisOptions& options) {
  std::vector<Spread> bins(options.distances.size() - 1);
  Spread all;
  for (const auto& [example_id, queries] : query.documents) {
    const auto found = key.documents.find(example_id);
    if (found == key.documents.end()) continue;
    const std::vector<SampledRow>& keys = found->second;
    const double scale = 1 / std::sqrt(static_cast<double>(queries.front().vector.size()));
    const at::Tensor products = at::mm(vectors_of(queries), vectors_of(keys).t()).mul(scale);
    const auto* product = products.const_data_ptr<float>();
    for (const SampledRow& q : queries) {
      for (const SampledRow& k : keys) {
        const float logit = *product++;
        const int32_t distance = q.position - k.position;
        if (distance < 0 || (window && distance >= *window)) continue;
        bins[bin_of(options.distances, distance)].add(logit);
        all.add(logit);
      }
    }
  }
  Logits result;
  for (const Spread& bin : bins) {
    const bool some = bin.count() > 0;
    result.mean.push_back(some ? static_cast<float>(bin.mean()) : kNothing);
    result.deviation.push_back(some ? static_cast<float>(bin.deviation()) : kNothing);
    result.pairs.push_back(static_cast<float>(bin.count()));
  }
  result.overall = all.count() > 0 ? all.mean() : kNothing;
  return result;
}

}  // namespace qk::report

#include "report/page.h"

#include <ATen/Parallel.h>
#include <arrow/util/base64.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <mutex>

#include "base/numbers.h"
#include "report/buckets.h"
#include "report/head_analysis.h"
#include "report/page_files.h"

namespace qk::report {
namespace {

using Json = nlohmann::ordered_json;

constexpr int32_t kPositionBins = 32;

template <typename T>
std::string base64(const std::vector<T>& values) {
  return arrow::util::base64_encode(
      {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)});
}

std::vector<float> joined(std::initializer_list<const std::vector<float>*> parts) {
  std::vector<float> all;
  for (const std::vector<float>* part : parts) all.insert(all.end(), part->begin(), part->end());
  return all;
}

/// One number of each head, for the map and the trends. NaN becomes null.
struct Metric {
  const char* id;
  const char* title;
  const char* note;
};

constexpr Metric kMetrics[] = {
    {"norm", "mean norm", "Mean length of the vectors."},
    {"spread", "spread of norms", "Standard deviation of the norms over their mean."},
    {"norm_position", "norm and position",
     "Correlation of norm and position: above 0 where later vectors are longer."},
    {"mean_share", "share of the mean",
     "Squared length of the mean vector over the mean squared length: 1 when all vectors are the "
     "same, 0 when they have no common direction."},
    {"first_component", "first component",
     "Share of the variance in the first principal component."},
    {"dimensions", "effective dimensions",
     "Participation ratio of the variances of the principal components."},
    {"slow_share", "energy in slow pairs",
     "Share of the energy in the slower half of the rotary pairs of dimensions."},
    {"logit", "mean logit",
     "Mean of q.k / sqrt(head_dim) over sampled pairs of the same document."},
    {"rows", "rows", "Vectors kept."},
};

/// The numbers of kMetrics, in that order.
std::vector<double> metrics(const HeadAnalysis& a, double logit) {
  const Spread& norm = a.statistics.norm;
  double slow = std::numeric_limits<double>::quiet_NaN();
  if (!a.spectrum.empty()) {
    slow = 0;
    for (size_t i = a.spectrum.size() / 2; i < a.spectrum.size(); ++i) slow += a.spectrum[i];
  }
  const double first = a.variance.empty() ? std::numeric_limits<double>::quiet_NaN()
                                          : static_cast<double>(a.variance[0]);
  return {norm.mean(),
          norm.mean() > 0 ? norm.deviation() / norm.mean() : 0,
          a.norm_position,
          a.mean_share,
          first,
          a.dimensions,
          slow,
          logit,
          static_cast<double>(a.statistics.rows)};
}

/// Four digits are enough for a map, and keep the page small.
Json short_number(double value) {
  if (!std::isfinite(value)) return nullptr;
  return std::stod(fmt::format("{:.5g}", value));
}

/// End of the positions that the bins cover.
int32_t end_of_positions(const Capture& capture) {
  int64_t end = int64_t{1} << 17;
  const std::string longest = capture.fact("max_length");
  std::from_chars(longest.data(), longest.data() + longest.size(), end);
  const Json& buckets = capture.run.at("rows_per_bucket");
  if (!buckets.empty()) {
    const auto last = bucket_positions(capture, std::stoi(std::prev(buckets.end()).key()));
    if (last) end = std::min(end, last->second + 1);
  }
  return static_cast<int32_t>(std::clamp<int64_t>(end, 2, std::numeric_limits<int32_t>::max()));
}

AnalysisOptions analysis_options(const Capture& capture) {
  AnalysisOptions options;
  const int32_t end = end_of_positions(capture);
  const int32_t bins = std::min(kPositionBins, end);
  for (int64_t i = 0; i <= bins; ++i)
    options.positions.push_back(static_cast<int32_t>(i * end / bins));
  options.distances = {0};
  for (int64_t edge = 1; options.distances.back() < end; edge *= 2)
    options.distances.push_back(static_cast<int32_t>(edge));
  if (capture.fact("model_type").starts_with("glm")) options.pairing = Pairing::Neighbours;
  return options;
}

/// A key head and the query heads that use it; indexes into Capture::heads.
struct Family {
  std::optional<size_t> key;
  std::vector<size_t> queries;
};

std::vector<Family> families(const Capture& capture) {
  const std::optional<int32_t> share = capture.queries_per_key();
  std::map<std::pair<int32_t, int32_t>, Family> by_key;  // layer, key head
  std::vector<Family> all;
  for (size_t i = 0; i < capture.heads.size(); ++i) {
    const HeadFile& head = capture.heads[i];
    if (!share) {
      all.push_back({head.kind == 'k' ? std::optional(i) : std::nullopt, {}});
      if (head.kind == 'q') all.back().queries = {i};
    } else if (head.kind == 'k') {
      by_key[{head.layer, head.head}].key = i;
    } else {
      by_key[{head.layer, head.head / *share}].queries.push_back(i);
    }
  }
  for (auto& [place, family] : by_key) all.push_back(std::move(family));
  return all;
}

class PageData {
 public:
  PageData(const Capture& capture, const OnHead& on_head)
      : capture_(capture),
        on_head_(on_head),
        options_(analysis_options(capture)),
        heads_(capture.heads.size()),
        statistics_(capture.heads.size()) {
    for (const auto& [bucket, rows] : capture.run.at("rows_per_bucket").items())
      buckets_[std::stoi(bucket)] = rows;
  }

  Json build() {
    const std::vector<Family> all = families(capture_);
    at::parallel_for(0, static_cast<int64_t>(all.size()), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) add_family(all[static_cast<size_t>(i)]);
    });
    return {{"title", capture_.run.value("model", "")},
            {"subtitle",
             fmt::format("Queries and keys over {}, split {}", capture_.run.value("dataset", ""),
                         capture_.run.value("split", ""))},
            {"facts", facts()},
            {"config", capture_.run.value("config", "")},
            {"flags", flags()},
            {"headDim", capture_.finished.layout.head_dim},
            {"buckets", buckets()},
            {"bucketNote", bucket_note()},
            {"positions", options_.positions},
            {"distances", options_.distances},
            {"spectrumNote", spectrum_note()},
            {"metrics", metric_list()},
            {"heads", heads_}};
  }

 private:
  void add_family(const Family& family) {
    std::optional<HeadAnalysis> key;
    if (family.key) key = analysed(*family.key);
    Json queries = Json::array();
    for (const size_t i : family.queries) {
      const HeadAnalysis query = analysed(i);
      heads_[i] = head_json(i, query, key ? &*key : nullptr);
      if (family.key) heads_[i]["links"] = {capture_.heads[*family.key].name};
      queries.push_back(capture_.heads[i].name);
    }
    if (!family.key) return;
    heads_[*family.key] = head_json(*family.key, *key, nullptr);
    heads_[*family.key]["links"] = queries;
  }

  HeadAnalysis analysed(size_t i) {
    HeadAnalysis analysis = analyse(capture_.heads[i], capture_.finished.layout.head_dim, options_);
    statistics_[i] = analysis.statistics;
    const std::scoped_lock lock(mutex_);
    on_head_(++done_, static_cast<int64_t>(heads_.size()));
    return analysis;
  }

  Json head_json(size_t i, const HeadAnalysis& a, const HeadAnalysis* key) const {
    const HeadFile& head = capture_.heads[i];
    std::vector<int32_t> bucket_rows;
    for (const auto& [bucket, rows] : buckets_) {
      const auto found = a.statistics.rows_per_bucket.find(bucket);
      bucket_rows.push_back(
          found == a.statistics.rows_per_bucket.end() ? 0 : static_cast<int32_t>(found->second));
    }
    Json json = {{"name", head.name},
                 {"layer", head.layer},
                 {"head", head.head},
                 {"kind", std::string(1, head.kind)},
                 {"window", head.sliding_window ? Json(*head.sliding_window) : Json(nullptr)},
                 {"rows", a.statistics.rows},
                 {"documents", a.statistics.documents},
                 {"links", Json::array()},
                 {"bucketRows", base64(bucket_rows)},
                 {"norm", base64(joined({&a.norm_mean, &a.norm_deviation}))},
                 {"variance", base64(a.variance)},
                 {"spectrum", base64(a.spectrum)},
                 {"points", base64(joined({&a.point_position, &a.point_x, &a.point_y}))}};
    double logit = std::numeric_limits<double>::quiet_NaN();
    if (key != nullptr) {
      const Logits found = logits(a, *key, head.sliding_window, options_);
      logit = found.overall;
      json["logits"] = base64(joined({&found.mean, &found.deviation, &found.pairs}));
    }
    for (const double value : metrics(a, logit)) json["metrics"].push_back(short_number(value));
    return json;
  }

  Json facts() const {
    const saver::WriteSummary& counts = capture_.finished.summary;
    return {{"family", capture_.fact("model_type")},
            {"documents", grouped(counts.documents)},
            {"tokens", grouped(counts.tokens)},
            {"cut documents", grouped(counts.truncated)},
            {"rows", grouped(counts.rows)},
            {"heads", grouped(static_cast<int64_t>(heads_.size()))},
            {"size", readable_bytes(counts.bytes)},
            {"vectors", fmt::format("{} values, {}, {}", capture_.finished.layout.head_dim,
                                    capture_.run.at("layout").value("vector_type", ""),
                                    capture_.fact("vectors"))},
            {"sampling", fmt::format("{}, base rate {}", capture_.fact("sampling_strategy"),
                                     capture_.fact("sampling_base_rate"))},
            {"finished", capture_.run.at("timings").value("finished_at", "")},
            {"sniff-qk", capture_.run.value("tool_version", "")}};
  }

  Json flags() const {
    Json list = Json::array();
    for (const Flag& flag : find_flags(capture_, statistics_)) {
      list.push_back({{"level", flag.level == Flag::Level::Problem ? "problem" : "note"},
                      {"where", flag.where},
                      {"text", flag.text}});
    }
    return list;
  }

  Json buckets() const {
    Json list = Json::array();
    for (const auto& [bucket, rows] : buckets_) {
      list.push_back(
          {{"bucket", bucket}, {"label", bucket_label(capture_, bucket)}, {"rows", rows}});
    }
    return list;
  }

  std::string bucket_note() const {
    if (buckets_.empty()) return "";
    const int32_t last = buckets_.rbegin()->first;
    return fmt::format("Bucket {} holds positions {}.", last, bucket_label(capture_, last));
  }

  std::string spectrum_note() const {
    return fmt::format(
        "Share of the energy in each pair of dimensions that the rotary embedding turns together "
        "({}); pair 0 turns fastest. Pairs beyond a partial rotary embedding don't turn.",
        options_.pairing == Pairing::Halves ? "i and i + d/2" : "2i and 2i + 1");
  }

  static Json metric_list() {
    Json list = Json::array();
    for (const Metric& metric : kMetrics)
      list.push_back({{"id", metric.id}, {"title", metric.title}, {"note", metric.note}});
    return list;
  }

  const Capture& capture_;
  const OnHead& on_head_;
  const AnalysisOptions options_;
  std::vector<Json> heads_;
  std::vector<HeadStatistics> statistics_;
  std::map<int32_t, int64_t> buckets_;
  std::mutex mutex_;
  int64_t done_ = 0;
};

/// JSON inside of a script element: nothing in it may end the element.
std::string for_script(const Json& json) {
  std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  for (size_t at = text.find('<'); at != std::string::npos; at = text.find('<', at))
    text.replace(at, 1, "\\u003c");
  return text;
}

}  // namespace

std::string report_page(const Capture& capture, const OnHead& on_head) {
  const std::string data = for_script(PageData(capture, on_head).build());
  const std::pair<std::string_view, std::string_view> parts[] = {
      {"@@uplot.css@@", chart_style()}, {"@@style.css@@", page_style()}, {"@@data@@", data},
      {"@@uplot.js@@", chart_script()}, {"@@app.js@@", page_script()},
  };
  std::string page;
  std::string_view rest = page_html();
  for (const auto& [mark, text] : parts) {
    const size_t at = rest.find(mark);
    page.append(rest.substr(0, at)).append(text);
    rest.remove_prefix(at + mark.size());
  }
  return page.append(rest);
}

}  // namespace qk::report

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>

#include "base/numbers.h"
#include "report/buckets.h"
#include "report/inspection.h"
#include "report/text_table.h"

namespace qk::report {
namespace {

using Json = nlohmann::ordered_json;

std::string number(double value) { return fmt::format("{:.4g}", value); }

/// What a bucket holds over all heads.
struct BucketCoverage {
  int64_t rows = 0, heads = 0;
  int64_t least = std::numeric_limits<int64_t>::max(), most = 0;  ///< rows of a head that has some
  double norm = 0;                                                ///< sum over rows

  void add(int64_t head_rows, const Spread& norms) {
    rows += head_rows;
    ++heads;
    least = std::min(least, head_rows);
    most = std::max(most, head_rows);
    norm += norms.mean() * static_cast<double>(norms.count());
  }
};

std::map<int32_t, BucketCoverage> coverage(const std::vector<HeadStatistics>& heads) {
  std::map<int32_t, BucketCoverage> buckets;
  for (const HeadStatistics& s : heads) {
    for (const auto& [bucket, rows] : s.rows_per_bucket) {
      const auto norms = s.norms.find(bucket);
      buckets[bucket].add(rows, norms == s.norms.end() ? Spread() : norms->second);
    }
  }
  return buckets;
}

std::string run_text(const Capture& capture) {
  const saver::WriteSummary& counts = capture.finished.summary;
  const Json& run = capture.run;
  std::string text = fmt::format("Capture in {}\n", capture.root.string());
  const auto line = [&](const char* label, const std::string& value) {
    text += fmt::format("  {:<10}{}\n", label, value);
  };
  line("model", fmt::format("{} ({})", run.value("model", ""), capture.fact("model_type")));
  line("dataset", fmt::format("{}, split {}", run.value("dataset", ""), run.value("split", "")));
  line("vectors", fmt::format("{} values, captured as {}, {}", capture.finished.layout.head_dim,
                              run.at("layout").value("vector_type", ""), capture.fact("vectors")));
  line("sampling",
       fmt::format("{}, base rate {}, bucket size {}", capture.fact("sampling_strategy"),
                   capture.fact("sampling_base_rate"), capture.fact("sampling_bucket_size")));
  line("documents",
       fmt::format("{} ({} truncated, {} skipped), {} tokens", grouped(counts.documents),
                   grouped(counts.truncated), grouped(counts.skipped), grouped(counts.tokens)));
  line("rows", fmt::format("{} in {} files, {}", grouped(counts.rows), grouped(counts.files),
                           readable_bytes(counts.bytes)));
  line("finished", fmt::format("{} by sniff-qk {}", run.at("timings").value("finished_at", ""),
                               run.value("tool_version", "")));
  return text;
}

std::string layers_text(const Capture& capture, const std::vector<HeadStatistics>& heads) {
  TextTable table(
      {"layer", "kind", "heads", "rows", "rows per head", "norm", "spread", "positions", "window"});
  for (size_t begin = 0; begin < heads.size();) {
    const HeadFile& first = capture.heads[begin];
    size_t end = begin;
    std::vector<int32_t> numbers;
    int64_t rows = 0;
    Spread norms;  // of the heads' mean norms
    double deviation = 0;
    int32_t earliest = heads[begin].first_position, last = 0;
    for (; end < heads.size() && capture.heads[end].layer == first.layer &&
           capture.heads[end].kind == first.kind;
         ++end) {
      numbers.push_back(capture.heads[end].head);
      rows += heads[end].rows;
      norms.add(heads[end].norm.mean());
      deviation += heads[end].norm.deviation();
      earliest = std::min(earliest, heads[end].first_position);
      last = std::max(last, heads[end].last_position);
    }
    const auto count = static_cast<int64_t>(end - begin);
    table.add({std::to_string(first.layer), first.kind == 'q' ? "query" : "key", ranges(numbers),
               grouped(rows), grouped(rows / count), number(norms.mean()),
               number(deviation / static_cast<double>(count)), fmt::format("{}-{}", earliest, last),
               first.sliding_window ? grouped(*first.sliding_window) : "-"});
    begin = end;
  }
  return "\nLayers (norm: mean over rows and heads; spread: standard deviation within a head)\n" +
         table.text();
}

std::string buckets_text(const Capture& capture, const std::vector<HeadStatistics>& heads) {
  TextTable table({"bucket", "positions", "rows", "heads", "rows per head", "norm"});
  for (const auto& [bucket, c] : coverage(heads)) {
    table.add({std::to_string(bucket), bucket_label(capture, bucket), grouped(c.rows),
               fmt::format("{} of {}", c.heads, heads.size()),
               fmt::format("{}-{}", grouped(c.least), grouped(c.most)),
               number(c.norm / static_cast<double>(std::max<int64_t>(c.rows, 1)))});
  }
  return "\nBuckets\n" + table.text();
}

std::string flags_text(const std::vector<Flag>& flags) {
  if (flags.empty()) {
    return "\nNothing odd: no duplicates, no vectors of zeros, NaN or infinity, no empty buckets, "
           "all rows there.\n";
  }
  std::string text = "\nWorth a look\n";
  for (const Flag& flag : flags) {
    text += fmt::format("  {}: {}{}\n", flag.level == Flag::Level::Problem ? "problem" : "note",
                        flag.where.empty() ? "" : flag.where + ": ", flag.text);
  }
  return text;
}

Json spread_json(const Spread& s) {
  return {{"mean", s.mean()}, {"deviation", s.deviation()}, {"min", s.least()}, {"max", s.most()}};
}

}  // namespace

std::string inspection_text(const Capture& capture, const Inspection& inspection) {
  return run_text(capture) + layers_text(capture, inspection.heads) +
         buckets_text(capture, inspection.heads) + flags_text(inspection.flags);
}

Json inspection_json(const Capture& capture, const Inspection& inspection) {
  Json heads = Json::array(), flags = Json::array();
  for (size_t i = 0; i < inspection.heads.size(); ++i)
    heads.push_back(head_json(capture.heads[i], inspection.heads[i]));
  for (const Flag& flag : inspection.flags) {
    flags.push_back({{"level", flag.level == Flag::Level::Problem ? "problem" : "note"},
                     {"where", flag.where},
                     {"text", flag.text}});
  }
  return {{"data_root", capture.root.string()},
          {"model", capture.run.at("model")},
          {"dataset", capture.run.at("dataset")},
          {"split", capture.run.at("split")},
          {"facts", capture.run.at("facts")},
          {"counts", capture.run.at("counts")},
          {"rows_per_bucket", capture.run.at("rows_per_bucket")},
          {"heads", heads},
          {"without_rows", capture.without_rows},
          {"flags", flags}};
}

std::string head_text(const Capture& capture, const HeadFile& head, const HeadStatistics& s) {
  std::string text =
      fmt::format("{}: layer {}, {} head {}, {}\n", head.name, head.layer,
                  head.kind == 'q' ? "query" : "key", head.head,
                  head.sliding_window ? fmt::format("window of {} tokens", *head.sliding_window)
                                      : "full attention");
  text += fmt::format("  {} rows of {} documents, {}, positions {}-{}\n", grouped(s.rows),
                      grouped(s.documents), readable_bytes(head.bytes), s.first_position,
                      s.last_position);
  text += fmt::format("  norm {} (spread {}, {} to {})\n", number(s.norm.mean()),
                      number(s.norm.deviation()), number(s.norm.least()), number(s.norm.most()));
  TextTable table({"bucket", "positions", "rows", "norm", "spread", "least", "most"});
  for (const auto& [bucket, rows] : s.rows_per_bucket) {
    const auto found = s.norms.find(bucket);
    const Spread norm = found == s.norms.end() ? Spread() : found->second;
    table.add({std::to_string(bucket), bucket_label(capture, bucket), grouped(rows),
               number(norm.mean()), number(norm.deviation()), number(norm.least()),
               number(norm.most())});
  }
  return text + "\n" + table.text();
}

Json head_json(const HeadFile& head, const HeadStatistics& s) {
  Json buckets = Json::array();
  for (const auto& [bucket, rows] : s.rows_per_bucket) {
    const auto norm = s.norms.find(bucket);
    buckets.push_back({{"bucket", bucket},
                       {"rows", rows},
                       {"norm", spread_json(norm == s.norms.end() ? Spread() : norm->second)}});
  }
  Json window = nullptr;
  if (head.sliding_window) window = *head.sliding_window;
  return {{"config", head.name},
          {"layer", head.layer},
          {"head", head.head},
          {"kind", std::string(1, head.kind)},
          {"sliding_window", window},
          {"rows", s.rows},
          {"documents", s.documents},
          {"bytes", head.bytes},
          {"positions", {s.first_position, s.last_position}},
          {"norm", spread_json(s.norm)},
          {"not_finite", s.not_finite},
          {"zero", s.zero},
          {"duplicates", s.duplicates},
          {"buckets", buckets}};
}

}  // namespace qk::report

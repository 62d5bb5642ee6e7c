#include "sniffer/plan_room.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

#include "base/error.h"
#include "saver/file_io.h"
#include "saver/space.h"
#include "sniffer/plan_documents.h"
#include "sniffer/plan_files.h"
#include "sniffer/plan_rows.h"

namespace qk::sniffer {
namespace {

constexpr double kCountSeconds = 1;
constexpr int64_t kLongestBound = 1 << 20;  // tokens; the bound adds up their probabilities

/// Spool and final files together, as they are at the end of a run.
double bytes_of(const CaptureConfig& capture, const saver::CaptureLayout& layout,
                const DocumentCount& documents) {
  const RowCount rows = count_rows(capture, layout, documents, /*most_draws=*/0);
  saver::CaptureTotals totals(layout.groups.size());
  for (size_t i = 0; i < rows.of_group.size(); ++i) totals.rows[i] = std::llround(rows.of_group[i]);
  return spool_bytes(layout, rows.of_group) +
         static_cast<double>(saver::most_final_bytes(layout, totals));
}

/// Every document as long as a document can be.
DocumentCount longest_documents(int64_t documents, int64_t max_length) {
  DocumentCount count;
  count.documents.push_back({.example_id = 0,
                             .tokens = static_cast<int32_t>(max_length),
                             .weight = static_cast<double>(documents)});
  count.all = static_cast<double>(documents);
  count.tokens = count.all * static_cast<double>(max_length);
  return count;
}

/// The least that the estimate allows for.
double estimated_bytes(const SniffConfig& config, const Inputs& inputs,
                       const std::atomic<bool>* stop) {
  const std::unique_ptr<source::TextReader> reader = open_texts(config, stop);
  const DocumentCount documents =
      count_documents(*reader, inputs.tokenizer, config.tokenizer.max_length, kCountSeconds);
  const double doubt = documents.tokens_error / std::max(documents.tokens, 1.0);
  return bytes_of(config.capture, inputs.plan.layout, documents) * std::max(0.0, 1 - doubt);
}

}  // namespace

void check_room(const SniffConfig& config, const Inputs& inputs, const std::atomic<bool>* stop) {
  const std::optional<int64_t> documents = inputs.reader->row_count();
  if (!documents) return;
  const int64_t longest = config.tokenizer.max_length;
  const auto left = static_cast<double>(saver::free_bytes(config.output.data_root));
  if (longest <= kLongestBound &&
      bytes_of(config.capture, inputs.plan.layout, longest_documents(*documents, longest)) <= left)
    return;
  if (config.dataset.streaming && !inputs.dataset_commit.empty()) return;
  double needed = 0;
  try {
    needed = estimated_bytes(config, inputs, stop);
  } catch (const DatasetError&) {
    return;
  } catch (const TokenizerError&) {
    return;
  }
  saver::check_room(config.output.data_root,
                    fmt::format("a capture of these {} documents", *documents),
                    static_cast<uint64_t>(needed), /*warn=*/true);
}

}  // namespace qk::sniffer

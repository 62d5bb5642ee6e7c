#include <fmt/format.h>

#include "base/numbers.h"
#include "sniffer/pipeline.h"

namespace qk::sniffer {

namespace {

std::string describe_flaws(const source::TextFlaws& flaws) {
  std::string text;
  const auto add = [&](int64_t rows, const char* what) {
    if (rows > 0) text += fmt::format("{} {} {}\n", rows, rows == 1 ? "text" : "texts", what);
  };
  add(flaws.unusable_rows, "skipped: null or no text");
  add(flaws.invalid_utf8_rows, "with invalid UTF-8, replaced by U+FFFD");
  add(flaws.nul_rows, "with NUL bytes, kept");
  return text;
}

}  // namespace

std::string summary(const RunReport& report, const std::string& data_root) {
  if (report.already_finished) {
    return fmt::format(
        "{} holds this capture already, complete; nothing to do (--replace captures anew)\n",
        data_root);
  }
  const saver::WriteSummary& w = report.written;
  const ProgressState& s = report.stages;
  const double rate = s.seconds_forward > 0
                          ? static_cast<double>(s.tokens - s.tokens_before) / s.seconds_forward
                          : 0;
  return fmt::format(
             "{} {} ({} without a token skipped, {} truncated), {} tokens\n"
             "{} rows in {} files, {} in {}\n"
             "{} in all: loading {}, waiting for text {}, model {} ({} tok/s), "
             "waiting for disk {}, writing files {}\n",
             w.documents, w.documents == 1 ? "document" : "documents", w.skipped, w.truncated,
             w.tokens, w.rows, w.files, readable_bytes(w.bytes), data_root,
             short_time(report.seconds_total), short_time(report.seconds_loading),
             short_time(s.seconds_text), short_time(s.seconds_forward), short_number(rate),
             short_time(s.seconds_writing), short_time(w.seconds_finalizing)) +
         describe_flaws(report.flaws);
}

}  // namespace qk::sniffer

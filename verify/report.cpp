#include "verify/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace qk::verify {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kShown = 50;

std::string lines(const char* label, const std::vector<Finding>& findings) {
  std::string text;
  for (size_t i = 0; i < std::min(findings.size(), kShown); ++i) {
    const Finding& finding = findings[i];
    text += fmt::format("{}: {}: {} ({})\n", label, finding.file, finding.what, finding.check);
  }
  if (findings.size() > kShown)
    text += fmt::format("... and {} more; --json lists all\n", findings.size() - kShown);
  return text;
}

Json to_json(const std::vector<Finding>& findings) {
  Json list = Json::array();
  for (const Finding& f : findings)
    list.push_back({{"check", f.check}, {"file", f.file}, {"what", f.what}});
  return list;
}

std::string describe(const Recomputed& again) {
  if (again.different_rows == 0) {
    return fmt::format("recomputed {} documents: {} vectors, all the same bits\n", again.documents,
                       again.rows);
  }
  return fmt::format("recomputed {} documents: {} of {} vectors differ, by {:g} at most\n",
                     again.documents, again.different_rows, again.rows, again.worst_difference);
}

}  // namespace

std::string to_text(const Report& report) {
  std::string text =
      fmt::format("{}: {} documents, {} rows in {} files, {} bytes\n", report.data_root,
                  report.documents, report.rows, report.files, report.bytes);
  if (report.recomputed) text += describe(*report.recomputed);
  text += lines("note", report.notes) + lines("PROBLEM", report.problems);
  if (report.problems.empty()) {
    text +=
        "good: files, SHA-256, schema, rows, positions, buckets and vectors are as they should "
        "be\n";
  } else {
    text += fmt::format("{} {}\n", report.problems.size(),
                        report.problems.size() == 1 ? "problem" : "problems");
  }
  return text;
}

std::string to_json(const Report& report) {
  Json json = {{"data_root", report.data_root},
               {"good", report.problems.empty()},
               {"documents", report.documents},
               {"files", report.files},
               {"rows", report.rows},
               {"bytes", report.bytes},
               {"problems", to_json(report.problems)},
               {"notes", to_json(report.notes)}};
  if (report.recomputed) {
    const Recomputed& again = *report.recomputed;
    json["recomputed"] = {{"documents", again.documents},
                          {"rows", again.rows},
                          {"different_rows", again.different_rows},
                          {"worst_difference", again.worst_difference}};
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace qk::verify

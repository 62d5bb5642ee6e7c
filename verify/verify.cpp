#include "verify/verify.h"

#include <fmt/format.h>

#include <atomic>
#include <map>

#include "saver/data_root.h"
#include "saver/final_task.h"
#include "verify/capture.h"
#include "verify/example_check.h"
#include "verify/parallel.h"
#include "verify/recompute.h"
#include "verify/row_check.h"

namespace qk::verify {
namespace {

class Verification {
 public:
  Verification(const std::filesystem::path& data_root, const Options& options)
      : options_(options), capture_(open_capture(data_root)) {
    const saver::WriteSummary& told = capture_.run.summary;
    report_.data_root = data_root.string();
    report_.documents = told.documents;
    report_.files = told.files;
    report_.rows = told.rows;
    report_.bytes = told.bytes;
    const auto& groups = capture_.run.layout.groups;
    for (size_t group = 0; group < groups.size(); ++group) {
      for (size_t head = 0; head < groups[group].heads.size(); ++head)
        places_[saver::config_name(groups[group], head) + "/data.parquet"] = {group, head};
    }
  }

  Report run() {
    check_names();
    examples_ = check_examples(capture_, options_.stop);
    take(examples_.problems, report_.problems);
    check_files();
    if (examples_.readable) check_presence();
    check_counts();
    if (options_.recompute > 0 && report_.problems.empty()) {
      report_.recomputed = recompute(capture_, options_, report_.problems);
    }
    return std::move(report_);
  }

 private:
  static void take(std::vector<Finding>& from, std::vector<Finding>& to) {
    std::move(from.begin(), from.end(), std::back_inserter(to));
  }

  void problem(const char* check, const std::string& file, std::string what) {
    report_.problems.push_back({check, file, std::move(what)});
  }

  void check_names() {
    for (const std::string& name : saver::foreign_files({capture_.root}, &capture_.run))
      problem("files", name, "is not one of the capture's files");
  }

  void check_files() {
    const std::vector<saver::FileFacts>& files = capture_.run.files;
    std::vector<FileResult> results(files.size());
    std::atomic<size_t> done{0};
    for_each_index(options_.threads, files.size(), [&](size_t i) {
      const auto place = places_.find(files[i].name);
      if (check_bytes(capture_, files[i], results[i]) && place != places_.end()) {
        check_rows(capture_, files[i], place->second, examples_.readable, options_.stop,
                   results[i]);
      }
      options_.on_progress(fmt::format("verified {}/{} files", ++done, files.size()));
    });
    for (FileResult& result : results) {
      take(result.problems, report_.problems);
      take(result.notes, report_.notes);
      for (const auto& [bucket, rows] : result.rows_per_bucket) buckets_[bucket] += rows;
    }
  }

  /// Heads for which the sampler gives rows have files.
  void check_presence() {
    for (const auto& [name, place] : places_) {
      const int64_t expected = examples_.rows[place.group];
      if (expected > 0 && capture_.run.find(name) == nullptr) {
        problem("files", name,
                fmt::format("run.json doesn't list it; the sampler gives {} rows", expected));
      }
    }
  }

  /// Sums that run.json has beside its list of files. What is wrong with the files comes first.
  void check_counts() {
    if (!report_.problems.empty()) return;
    int64_t files = 0, rows = 0, bytes = 0;
    for (const saver::FileFacts& file : capture_.run.files) {
      if (!places_.contains(file.name)) continue;
      ++files;
      rows += file.rows;
      bytes += static_cast<int64_t>(file.bytes);
    }
    const auto say = [&](const char* what, int64_t is, int64_t should) {
      if (is != should)
        problem("counts", "run.json", fmt::format("says {} {}; there are {}", is, what, should));
    };
    say("files", report_.files, files);
    say("rows", report_.rows, rows);
    say("bytes", report_.bytes, bytes);
    if (buckets_ != capture_.run.rows_per_bucket)
      problem("counts", "run.json", "rows_per_bucket isn't what the files have");
  }

  const Options& options_;
  const Capture capture_;
  std::map<std::string, HeadPlace> places_;  // of the layout's files, by name
  ExampleResult examples_;
  std::map<int64_t, int64_t> buckets_;
  Report report_;
};

}  // namespace

Report verify(const std::filesystem::path& data_root, const Options& options) {
  return Verification(data_root, options).run();
}

}  // namespace qk::verify

#include "verify/example_check.h"

#include <fmt/format.h>

#include <optional>

#include "base/error.h"
#include "verify/expected_rows.h"

namespace qk::verify {
namespace {

class ExampleCheck {
 public:
  explicit ExampleCheck(const Capture& capture) : capture_(capture) {
    result_.rows.resize(capture.run.layout.groups.size());
  }

  ExampleResult run(const std::atomic<bool>* stop) {
    try {
      ExampleReader examples(capture_.root);
      while (const std::optional<Example> example = examples.next()) {
        if (stop != nullptr && *stop) throw Interrupted("stopped");
        check(*example);
      }
      result_.readable = true;
      check_counts();
    } catch (const OutputError& error) {
      problem(error.what());
    }
    return std::move(result_);
  }

 private:
  void problem(std::string what) {
    result_.problems.push_back({"examples", "examples.parquet", std::move(what)});
  }

  void check(const Example& example) {
    const auto say = [&](const char* column, int64_t is, int64_t should) {
      if (is == should || told_) return;
      told_ = true;  // one line for the first of what may be millions
      problem(fmt::format("line {}: {} is {}, should be {}", documents_, column, is, should));
    };
    say("index", example.index, documents_);
    say("example_id", example.example_id, static_cast<int32_t>(example.full_id));
    say("rows", example.rows, rows_of(example));
    ++documents_;
    tokens_ += example.tokens;
    skipped_ += example.tokens == 0;
    truncated_ += example.truncated;
  }

  /// Over all heads, by the sampler; adds to the groups' rows.
  int64_t rows_of(const Example& example) {
    int64_t rows = 0;
    for (size_t i = 0; i < result_.rows.size(); ++i) {
      const saver::LayerHeads& group = capture_.run.layout.groups[i];
      const auto kept = static_cast<int64_t>(
          capture_.sampler
              .select(example.full_id, group.layer, group.kind, group.heads.front(), example.tokens)
              .size());
      result_.rows[i] += kept;
      rows += kept * static_cast<int64_t>(group.heads.size());
    }
    return rows;
  }

  void check_counts() {
    const saver::WriteSummary& told = capture_.run.summary;
    const auto say = [&](const char* what, int64_t is, int64_t should) {
      if (is != should) problem(fmt::format("has {} {}, run.json says {}", is, what, should));
    };
    say("documents", documents_, told.documents);
    say("tokens", tokens_, told.tokens);
    say("skipped documents", skipped_, told.skipped);
    say("truncated documents", truncated_, told.truncated);
  }

  const Capture& capture_;
  ExampleResult result_;
  bool told_ = false;
  int64_t documents_ = 0, tokens_ = 0, skipped_ = 0, truncated_ = 0;
};

}  // namespace

ExampleResult check_examples(const Capture& capture, const std::atomic<bool>* stop) {
  return ExampleCheck(capture).run(stop);
}

}  // namespace qk::verify

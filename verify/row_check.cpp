#include "verify/row_check.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>

#include "base/error.h"
#include "base/files.h"
#include "saver/row_file.h"
#include "verify/expected_rows.h"
#include "verify/parquet_input.h"

namespace qk::verify {
namespace fs = std::filesystem;
namespace {

/// How often something was found, and where first.
struct Occurrences {
  int64_t count = 0, first_row = 0;
  void add(int64_t row) {
    if (count++ == 0) first_row = row;
  }
  std::string where() const {
    return count == 1 ? fmt::format("row {}", first_row)
                      : fmt::format("{} rows, the first is {}", count, first_row);
  }
};

/// One data.parquet, row group by row group.
class RowCheck {
 public:
  RowCheck(const Capture& capture, const saver::FileFacts& file, HeadPlace place,
           FileResult& result)
      : capture_(capture),
        file_(file),
        group_(capture.run.layout.groups[place.group]),
        result_(result) {}

  void run(bool with_sampler, const std::atomic<bool>* stop) {
    const saver::CaptureLayout& layout = capture_.run.layout;
    const auto schema = saver::row_schema(layout.head_dim, layout.token_strings);
    const ParquetInput input(capture_.root / file_.name, *schema);
    if (input.rows() != file_.rows) {
      problem("rows", fmt::format("has {} rows, run.json says {}", input.rows(), file_.rows));
    }
    if (with_sampler) expected_.emplace(capture_.root, capture_.sampler, group_);
    for (int group = 0; group < input.groups(); ++group) {
      if (stop != nullptr && *stop) throw Interrupted("stopped");
      if (input.rows_in(group) > 0) check(*input.read(group, schema->field_names()));
    }
    if (with_sampler) check_end();
    tell();
  }

 private:
  void problem(const char* check, std::string what) {
    result_.problems.push_back({check, file_.name, std::move(what)});
  }

  void check(const arrow::Table& table) {
    const int32_t* bucket = values_of<arrow::Int32Type>(table, "bucket");
    const int32_t* example_id = values_of<arrow::Int32Type>(table, "example_id");
    const int32_t* position = values_of<arrow::Int32Type>(table, "position");
    for (int64_t i = 0; i < table.num_rows(); ++i) {
      ++result_.rows_per_bucket[bucket[i]];
      if (expected_) check_row({bucket[i], example_id[i], position[i]}, rows_ + i);
    }
    check_window(*table.GetColumnByName("sliding_window")->chunk(0));
    const auto& list =
        static_cast<const arrow::FixedSizeListArray&>(*table.GetColumnByName("vector")->chunk(0));
    const auto& values = static_cast<const arrow::FloatArray&>(*list.values());
    check_vectors({values.raw_values() + list.value_offset(0),
                   static_cast<size_t>(table.num_rows() * list.value_length())},
                  static_cast<size_t>(list.value_length()));
    rows_ += table.num_rows();
  }

  void check_row(const ExpectedRows::Row& row, int64_t number) {
    const std::optional<ExpectedRows::Row> expected = expected_->next();
    if (expected == row || wrong_row_) return;
    const auto text = [](const ExpectedRows::Row& r) {
      return fmt::format("bucket {}, example {}, position {}", r.bucket, r.example_id, r.position);
    };
    wrong_row_ = fmt::format("row {} is {}; the sampler gives {}", number, text(row),
                             expected ? text(*expected) : "no more rows");
  }

  void check_end() {
    int64_t missing = 0;
    while (expected_->next()) ++missing;
    if (wrong_row_) problem("rows", *wrong_row_);
    if (missing > 0) {
      problem("rows", fmt::format("ends after {} rows; the sampler gives {} more", rows_, missing));
    }
  }

  void check_window(const arrow::Array& column) {
    const auto& window = static_cast<const arrow::Int32Array&>(column);
    for (int64_t i = 0; i < window.length(); ++i) {
      const bool right = group_.sliding_window
                             ? window.IsValid(i) && window.Value(i) == *group_.sliding_window
                             : window.IsNull(i);
      if (!right) wrong_window_.add(rows_ + i);
    }
  }

  void check_vectors(std::span<const float> values, size_t head_dim) {
    for (size_t at = 0; at < values.size(); at += head_dim) {
      const auto vector = values.subspan(at, head_dim);
      const auto row = rows_ + static_cast<int64_t>(at / head_dim);
      float sum = 0;  // of magnitudes: zero for zeros alone; infinite or NaN only if a value is, or
                      // values are huge
      for (const float value : vector) sum += std::fabs(value);
      if (sum == 0) zero_.add(row);
      if (std::isfinite(sum)) continue;
      const auto finite = [](float value) { return std::isfinite(value); };
      if (!std::all_of(vector.begin(), vector.end(), finite)) not_finite_.add(row);
    }
  }

  void tell() {
    if (wrong_window_.count > 0) {
      problem("rows", "sliding_window isn't the layer's: " + wrong_window_.where());
    }
    if (not_finite_.count > 0) problem("vectors", "NaN or infinite: " + not_finite_.where());
    if (zero_.count > 0) {
      result_.notes.push_back({"vectors", file_.name, "only zeros: " + zero_.where()});
    }
  }

  const Capture& capture_;
  const saver::FileFacts& file_;
  const saver::LayerHeads& group_;
  FileResult& result_;
  std::optional<ExpectedRows> expected_;
  int64_t rows_ = 0;  // of earlier row groups
  std::optional<std::string> wrong_row_;
  Occurrences wrong_window_, not_finite_, zero_;
};

}  // namespace

bool check_bytes(const Capture& capture, const saver::FileFacts& file, FileResult& result) {
  const fs::path path = capture.root / file.name;
  std::error_code error;
  const uintmax_t bytes = fs::file_size(path, error);
  if (error) {
    result.problems.push_back({"files", file.name, "can't be found: " + error.message()});
    return false;
  }
  if (bytes != file.bytes) {
    result.problems.push_back(
        {"size", file.name, fmt::format("has {} bytes, run.json says {}", bytes, file.bytes)});
  } else if (sha256_of_file(path) != file.sha256) {
    result.problems.push_back({"sha256", file.name, "isn't as it was written"});
  }
  return true;
}

void check_rows(const Capture& capture, const saver::FileFacts& file, HeadPlace place,
                bool with_sampler, const std::atomic<bool>* stop, FileResult& result) {
  try {
    RowCheck(capture, file, place, result).run(with_sampler, stop);
  } catch (const OutputError& error) {
    result.problems.push_back({"parquet", file.name, error.what()});
  }
}

}  // namespace qk::verify

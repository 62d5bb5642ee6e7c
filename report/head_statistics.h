#pragma once
/// What one pass over a head's file tells, in memory that doesn't grow with the file.
#include <cstdint>
#include <map>
#include <vector>

#include "report/capture.h"
#include "report/row_groups.h"

namespace qk::report {

/// Count, mean, spread and range of some numbers.
class Spread {
 public:
  void add(double value);
  int64_t count() const { return count_; }
  double mean() const { return count_ == 0 ? 0 : mean_; }
  double deviation() const;  ///< of the population
  double least() const { return least_; }
  double most() const { return most_; }

 private:
  int64_t count_ = 0;
  double mean_ = 0, squares_ = 0, least_ = 0, most_ = 0;
};

struct HeadStatistics {
  int64_t rows = 0;
  int64_t documents = 0;  ///< stretches of rows with the same example_id
  std::map<int32_t, int64_t> rows_per_bucket;
  std::map<int32_t, Spread> norms;  ///< of the vectors, by bucket
  Spread norm;                      ///< of all vectors; rows that aren't finite are left out
  int32_t first_position = 0, last_position = 0;
  int64_t not_finite = 0;  ///< rows with a NaN or an infinity
  int64_t zero = 0;        ///< rows of zeros
  int64_t duplicates = 0;  ///< rows whose (example_id, position) another row has too
  uint64_t row_hash = 0;  ///< of (bucket, example_id, position) in order; the same for all heads of
                          ///< a layer and kind
};

/// Takes the rows of one head, row group by row group. Counts everything but duplicates.
class StatisticsCounter {
 public:
  /// norms: of rows.vectors.
  void add(const Rows& rows, const at::Tensor& norms);
  const HeadStatistics& result() const { return result_; }

 private:
  void add_row(int32_t bucket, int32_t example_id, int32_t position);
  void add_norm(int32_t bucket, float norm);

  HeadStatistics result_;
  int32_t example_ = 0;
};

/// Duplicates are counted in as many further passes over two columns as keep the memory bounded.
/// Throws OutputError.
HeadStatistics head_statistics(const HeadFile& head, int64_t head_dim);

/// A good hash of 64 bits.
uint64_t mixed(uint64_t x);

/// Rows whose key (example_id, position) occurred before. keys_in_memory: at most so many at a
/// time.
int64_t count_duplicates(const RowGroups& file, int64_t keys_in_memory = int64_t{8} << 20);

}  // namespace qk::report

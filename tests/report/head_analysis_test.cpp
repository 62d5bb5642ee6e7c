#include "report/head_analysis.h"

#include <gmock/gmock.h>

#include <cmath>
#include <numeric>

#include "report/inspection.h"
#include "tests/base/temporary_folder.h"
#include "tests/report/small_capture.h"

namespace qk::report {
namespace {

using saver::LayerHeads;
using ::testing::Each;
using ::testing::Lt;
using ::testing::SizeIs;
using testing::SmallCapture;

class Analysing : public ::testing::Test {
 protected:
  Capture write() {
    made.write(folder_.path() / "data");
    return open_capture(folder_.path() / "data");
  }

  SmallCapture made;
  AnalysisOptions options{.positions = {0, 20, 40}, .distances = {0, 1, 2, 4, 8, 16, 32, 64}};

 private:
  tests::TemporaryFolder folder_;
};

double total(const std::vector<float>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

TEST_F(Analysing, VectorsOnALineHaveOneComponent) {
  made.value = [](int64_t, const LayerHeads&, int32_t, int32_t position, int64_t dim) {
    return static_cast<float>(position) * (dim == 1 ? 3.0f : 0.0f) + 1.0f;
  };
  const Capture capture = write();
  const HeadAnalysis a = analyse(capture.heads[0], 4, options);
  EXPECT_NEAR(a.variance[0], 1, 1e-6);
  EXPECT_NEAR(a.dimensions, 1, 1e-6);
  EXPECT_NEAR(total(a.variance), 1, 1e-6);
  ASSERT_THAT(a.point_x, SizeIs(120));
  for (size_t i = 0; i < a.point_x.size(); ++i)
    EXPECT_NEAR(a.point_x[i], 3 * (a.point_position[i] - 19.5), 1e-3);
  EXPECT_GT(a.norm_position, 0.99);
}

TEST_F(Analysing, EqualVectorsAreTheirMean) {
  made.value = [](int64_t, const LayerHeads&, int32_t, int32_t, int64_t dim) {
    return static_cast<float>(dim + 1);
  };
  const Capture capture = write();
  const HeadAnalysis a = analyse(capture.heads[0], 4, options);
  EXPECT_NEAR(a.mean_share, 1, 1e-9);
  const double energy = 1 + 4 + 9 + 16;
  ASSERT_THAT(a.spectrum, SizeIs(2));
  EXPECT_NEAR(a.spectrum[0], (1 + 9) / energy, 1e-6);
  EXPECT_NEAR(a.spectrum[1], (4 + 16) / energy, 1e-6);
  options.pairing = Pairing::Neighbours;
  EXPECT_NEAR(analyse(capture.heads[0], 4, options).spectrum[0], (1 + 4) / energy, 1e-6);
}

TEST_F(Analysing, NormsAreBinnedByPosition) {
  made.value = [](int64_t, const LayerHeads&, int32_t, int32_t position, int64_t dim) {
    return dim == 0 ? static_cast<float>(position < 20 ? 2 : 5) : 0.0f;
  };
  const HeadAnalysis a = analyse(write().heads[0], 4, options);
  EXPECT_EQ(a.norm_mean, (std::vector<float>{2, 5}));
  EXPECT_EQ(a.norm_deviation, (std::vector<float>{0, 0}));
}

TEST_F(Analysing, LogitsAreThoseOfEarlierKeysInTheWindow) {
  // Queries are 2 at dimension 0, a key is its position there: q.k / sqrt(4) = key's position.
  made.value = [](int64_t, const LayerHeads& group, int32_t, int32_t position, int64_t dim) {
    return dim != 0 ? 0.0f : group.kind == 'q' ? 2.0f : static_cast<float>(position);
  };
  const Capture capture = write();
  const HeadAnalysis query = analyse(capture.heads[3], 4, options);
  const HeadAnalysis key = analyse(capture.heads[5], 4, options);
  const Logits all = logits(query, key, {}, options);
  EXPECT_EQ(all.pairs[0], 3 * 40);  // distance 0
  EXPECT_NEAR(all.mean[0], 19.5, 1e-5);
  EXPECT_EQ(total(all.pairs), 3 * 40 * 41 / 2);
  const Logits near = logits(query, key, 16, options);
  EXPECT_EQ(near.pairs[4], all.pairs[4]);  // distances 8 to 15
  EXPECT_EQ(near.pairs[5], 0);
  EXPECT_TRUE(std::isnan(near.mean[5]));
}

TEST_F(Analysing, SamplesAreBoundedAndTheSameForHeadsOfALayer) {
  made.example_ids.resize(60);
  std::iota(made.example_ids.begin(), made.example_ids.end(), 0);
  options.points = 50;
  options.documents = 5;
  options.rows = 10;
  const Capture capture = write();
  const HeadAnalysis query = analyse(capture.heads[0], 4, options);
  const HeadAnalysis key = analyse(capture.heads[2], 4, options);
  EXPECT_THAT(query.point_x, SizeIs(50));
  EXPECT_EQ(query.point_position, key.point_position);
  ASSERT_THAT(query.documents, SizeIs(5));
  for (const auto& [example_id, rows] : query.documents) {
    EXPECT_THAT(rows, SizeIs(10));
    EXPECT_TRUE(key.documents.contains(example_id));
  }
  EXPECT_THAT(query.point_position, Each(Lt(40.0f)));
}

}  // namespace
}  // namespace qk::report

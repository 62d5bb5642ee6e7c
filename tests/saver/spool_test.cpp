#include <gmock/gmock.h>

#include <fstream>

#include "base/files.h"
#include "base/log.h"
#include "capture_fixture.h"
#include "saver/spool_reader.h"
#include "saver/spool_recovery.h"
#include "saver/spool_writer.h"

namespace qk::saver::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::Pair;

/// A spool of six documents in two records; its bytes can be damaged at will.
class Spool : public ::testing::Test {
 protected:
  Spool() : folder_(fresh_folder()), shape_(capture_.layout) {
    qk::log::set_level(qk::log::Level::Off);
    shape_.capture_id = 77;
    SpoolWriter writer(folder_, 0, shape_, {}, 1 << 30);
    writer.append(capture_.batch(0, 3));
    writer.append(capture_.batch(3, 6));
    bytes_ = qk::read_file(file());
    first_record_ = bytes_.size();  // until known better
    first_record_ = static_cast<size_t>(records().front());
  }
  ~Spool() override { qk::log::set_level(qk::log::Level::Info); }

  fs::path file() const { return segment_file(folder_, 0, 0); }

  std::vector<uint64_t> records() const {
    std::vector<uint64_t> sizes;
    SpoolIndex index;
    index.lanes[0].segments = {bytes_.size()};
    index.units = {{.documents = 6, .records = 2}};
    SpoolCursor cursor(folder_, index, shape_);
    while (cursor.next()) sizes.push_back(cursor.record().header.record_bytes);
    return sizes;
  }

  /// Documents that recovery keeps of these bytes; checks that it leaves a good spool of them.
  uint64_t documents_in(const std::string& bytes) {
    std::ofstream(file(), std::ios::binary | std::ios::trunc) << bytes;
    const RecoveredSpool recovered = recover_spool(folder_, shape_);
    const int64_t documents = recovered.totals.documents;
    const uint64_t kept = recovered.index.bytes();
    EXPECT_EQ(kept, documents == 6 ? bytes_.size() : documents == 3 ? first_record_ : 0);
    EXPECT_EQ(kept > 0 ? qk::read_file(file()) : "", bytes_.substr(0, kept));
    EXPECT_EQ(recovered.documents.count(), documents);
    EXPECT_EQ(recovered.documents.next_missing(0), documents);
    return static_cast<uint64_t>(documents);
  }

  Synthetic capture_{VectorType::BFloat16, true, 2};
  fs::path folder_;
  SpoolShape shape_;
  std::string bytes_;
  size_t first_record_ = 0;
};

TEST_F(Spool, IsCutAtAnyTornByte) {
  for (size_t size = 0; size < bytes_.size(); ++size) {
    ASSERT_EQ(documents_in(bytes_.substr(0, size)), size < first_record_ ? 0U : 3U) << size;
  }
  EXPECT_EQ(documents_in(bytes_), 6U);
}

TEST_F(Spool, IsDroppedFromTheRecordWithADamagedByteOn) {
  for (size_t at = 0; at < bytes_.size(); ++at) {
    std::string damaged = bytes_;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
    ASSERT_EQ(documents_in(damaged), at < first_record_ ? 0U : 3U) << at;
  }
}

TEST_F(Spool, IgnoresBytesThatAreNoRecords) {
  EXPECT_EQ(documents_in(bytes_ + std::string(1000, '\0')), 6U);
  EXPECT_EQ(documents_in(std::string(1000, '\0') + bytes_), 0U);
}

TEST_F(Spool, IgnoresRecordsThatComeTwice) { EXPECT_EQ(documents_in(bytes_ + bytes_), 6U); }

TEST_F(Spool, IgnoresRecordsOfAnotherCapture) {
  shape_.capture_id = 78;
  EXPECT_EQ(documents_in(bytes_), 0U);
}

TEST_F(Spool, RecordsDoNotLieInTwoSegments) {
  const fs::path folder = fresh_folder("segments");
  {
    SpoolWriter writer(folder, 0, shape_, {}, bytes_.size() - 1);
    for (int64_t i = 0; i < 12; i += 3) writer.append(capture_.batch(i, i + 3));
    EXPECT_EQ(writer.end().segments.size(), 2U);
  }
  const RecoveredSpool recovered = recover_spool(folder, shape_);
  EXPECT_EQ(recovered.documents.count(), 12);
  EXPECT_EQ(recovered.index.lanes.at(0).next_sequence, 4U);
  EXPECT_EQ(recovered.index.units.size(), 4U);
}

TEST_F(Spool, LanesAreReadTogetherInDatasetOrder) {
  const fs::path folder = fresh_folder("lanes");
  {
    SpoolWriter first(folder, 0, shape_, {}, 1), second(folder, 7, shape_, {}, 1);
    second.append(capture_.batch(3, 6));
    first.append(capture_.batch(8, 12));
    second.append(capture_.batch(0, 3));
  }
  RecoveredSpool recovered = recover_spool(folder, shape_);
  EXPECT_THAT(recovered.documents.runs(), ElementsAre(Pair(0, 6), Pair(8, 12)));
  recovered.index.sort();
  SpoolCursor cursor(folder, recovered.index, shape_);
  std::vector<int64_t> indices;
  while (cursor.next()) {
    for (const Document& document : cursor.read_documents()) indices.push_back(document.index);
  }
  EXPECT_THAT(indices, ElementsAre(0, 1, 2, 3, 4, 5, 8, 9, 10, 11));
}

TEST_F(Spool, ADamagedLaneLeavesTheOthersWhole) {
  {
    SpoolWriter other(folder_, 1, shape_, {}, 1 << 30);
    other.append(capture_.batch(6, 9));
  }
  std::ofstream(file(), std::ios::binary | std::ios::trunc) << bytes_.substr(0, first_record_ + 9);
  EXPECT_THAT(recover_spool(folder_, shape_).documents.runs(), ElementsAre(Pair(0, 3), Pair(6, 9)));
}

TEST_F(Spool, DocumentsThatAreInTwoLanesAreKeptOnce) {
  {
    SpoolWriter other(folder_, 1, shape_, {}, 1 << 30);
    other.append(capture_.batch(6, 9));
    other.append(capture_.batch(5, 6));
    other.append(capture_.batch(9, 12));
  }
  const RecoveredSpool recovered = recover_spool(folder_, shape_);
  EXPECT_THAT(recovered.documents.runs(), ElementsAre(Pair(0, 9)));
  EXPECT_EQ(recovered.totals.documents, 9);
  EXPECT_EQ(fs::file_size(segment_file(folder_, 1, 0)), recovered.index.lanes.at(1).bytes());
}

TEST_F(Spool, AUnitsPartsMayLieInTwoSegments) {
  const fs::path folder = fresh_folder("parts");
  CapturedBatch part = capture_.batch(0, 2), rest = capture_.batch(2, 4);
  rest.documents.insert(rest.documents.begin(), part.documents.begin(), part.documents.end());
  part.documents.clear();
  {
    SpoolWriter writer(folder, 0, shape_, {}, 1);
    EXPECT_FALSE(writer.append(part));
    EXPECT_TRUE(writer.append(rest));
    EXPECT_TRUE(writer.append(capture_.batch(4, 6)));
  }
  const RecoveredSpool recovered = recover_spool(folder, shape_);
  ASSERT_EQ(recovered.index.units.size(), 2U);
  EXPECT_EQ(recovered.index.units[0].records, 2U);
  SpoolCursor cursor(folder, recovered.index, shape_);
  int records = 0;
  while (cursor.next()) ++records;
  EXPECT_EQ(records, 3);
}

TEST_F(Spool, TotalsAreCountedAgain) {
  const RecoveredSpool recovered = recover_spool(folder_, shape_);
  EXPECT_EQ(recovered.totals.skipped, 1);
  int64_t rows = 0;
  for (int64_t i = 0; i < 6; ++i) rows += capture_.document(i).rows;
  EXPECT_EQ(recovered.totals.rows_of_all_heads(capture_.layout), rows);
  int64_t in_buckets = 0;
  for (const auto& [bucket, count] : recovered.totals.buckets) in_buckets += count;
  EXPECT_EQ(in_buckets, rows);
}

TEST(Documents, SurviveTheirEncoding) {
  const std::vector<Document> documents = {{.index = 1,
                                            .example_id = -5,
                                            .source_id = std::string("a\0b", 3),
                                            .tokens = 7,
                                            .truncated = true,
                                            .rows = 9},
                                           {.index = 2,
                                            .example_id = INT64_MIN,
                                            .source_id = "",
                                            .tokens = 0,
                                            .truncated = false,
                                            .rows = 0}};
  const std::vector<Document> decoded = decode_documents(encode_documents(documents), 2);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(decoded[i].index, documents[i].index);
    EXPECT_EQ(decoded[i].example_id, documents[i].example_id);
    EXPECT_EQ(decoded[i].source_id, documents[i].source_id);
    EXPECT_EQ(decoded[i].tokens, documents[i].tokens);
    EXPECT_EQ(decoded[i].truncated, documents[i].truncated);
    EXPECT_EQ(decoded[i].rows, documents[i].rows);
  }
}

}  // namespace
}  // namespace qk::saver::testing

#include <gmock/gmock.h>

#include <fstream>

#include "base/files.h"
#include "base/log.h"
#include "capture_fixture.h"
#include "saver/spool_reader.h"
#include "saver/spool_writer.h"

namespace qk::saver::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::AnyOf;

/// A spool of six documents in two records; its bytes can be damaged at will.
class Spool : public ::testing::Test {
 protected:
  Spool() : folder_(fresh_folder()), shape_(capture_.layout) {
    qk::log::set_level(qk::log::Level::Off);
    shape_.capture_id = 77;
    SpoolWriter writer(folder_, shape_, {}, 1 << 30);
    writer.append(capture_.batch(0, 3));
    writer.append(capture_.batch(3, 6));
    bytes_ = qk::read_file(file());
    first_record_ = bytes_.size();  // until known better
    first_record_ = static_cast<size_t>(records().front());
  }
  ~Spool() override { qk::log::set_level(qk::log::Level::Info); }

  fs::path file() const { return segment_file(folder_, 0); }

  std::vector<uint64_t> records() const {
    std::vector<uint64_t> sizes;
    SpoolCursor cursor(folder_, {bytes_.size()}, shape_);
    while (cursor.next()) sizes.push_back(cursor.record().header.record_bytes);
    return sizes;
  }

  /// Documents that recovery keeps of these bytes; checks that it leaves a good spool of them.
  uint64_t documents_in(const std::string& bytes) {
    std::ofstream(file(), std::ios::binary | std::ios::trunc) << bytes;
    const RecoveredSpool recovered = recover_spool(folder_, shape_);
    const uint64_t kept = recovered.end.segments.empty() ? 0 : recovered.end.segments[0];
    EXPECT_EQ(kept, (recovered.end.documents == 6   ? bytes_.size()
                     : recovered.end.documents == 3 ? first_record_
                                                    : 0));
    EXPECT_EQ(kept > 0 ? qk::read_file(file()) : "", bytes_.substr(0, kept));
    EXPECT_EQ(static_cast<uint64_t>(recovered.totals.documents), recovered.end.documents);
    return recovered.end.documents;
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
    SpoolWriter writer(folder, shape_, {}, bytes_.size() - 1);
    for (int64_t i = 0; i < 12; i += 3) writer.append(capture_.batch(i, i + 3));
    EXPECT_EQ(writer.end().segments.size(), 2U);
  }
  const RecoveredSpool recovered = recover_spool(folder, shape_);
  EXPECT_EQ(recovered.end.documents, 12U);
  EXPECT_EQ(recovered.end.next_sequence, 4U);
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

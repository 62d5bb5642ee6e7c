#include "source/remote_file.h"

#include <arrow/api.h>
#include <arrow/io/interfaces.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "base/error.h"

namespace qk::source {
namespace {

using Reads = std::vector<std::pair<int64_t, int64_t>>;  ///< offset, count

class CountingSource : public ByteSource {
 public:
  explicit CountingSource(int64_t bytes) {
    for (int64_t i = 0; i < bytes; ++i) content.push_back(static_cast<char>(i * 7 + i / 251));
  }
  int64_t bytes() override { return static_cast<int64_t>(content.size()) + missing; }
  std::string read_at(int64_t offset, int64_t count) override {
    if (broken) throw HubError("no network");
    reads.emplace_back(offset, count);
    return content.substr(static_cast<size_t>(offset), static_cast<size_t>(count));
  }

  std::string content;
  Reads reads;
  int64_t missing = 0;  ///< announced, but not there
  bool broken = false;
};

constexpr int64_t kMiB = int64_t{1} << 20;

struct RemoteFileTest : testing::Test {
  std::shared_ptr<CountingSource> source = std::make_shared<CountingSource>(30 * kMiB);
  std::shared_ptr<arrow::io::RandomAccessFile> file = open_remote(source);

  std::string read(int64_t position, int64_t count) const {
    return file->ReadAt(position, count).ValueOrDie()->ToString();
  }
};

TEST_F(RemoteFileTest, GivesTheBytesWhereverBlocksEnd) {
  for (const int64_t position : {int64_t{0}, 4 * kMiB - 3, 11 * kMiB + 1})
    EXPECT_EQ(read(position, 9 * kMiB),
              source->content.substr(static_cast<size_t>(position), 9 * kMiB))
        << position;
}

TEST_F(RemoteFileTest, ReadsInARowContinue) {
  ASSERT_TRUE(file->Seek(100).ok());
  EXPECT_EQ(file->Read(5).ValueOrDie()->ToString(), source->content.substr(100, 5));
  char bytes[7];
  EXPECT_EQ(file->Read(7, bytes).ValueOrDie(), 7);
  EXPECT_EQ(std::string(bytes, 7), source->content.substr(105, 7));
  EXPECT_EQ(file->Tell().ValueOrDie(), 112);
  EXPECT_EQ(source->reads.size(), 1u);
}

TEST_F(RemoteFileTest, TheEndComesWithWhatLiesBeforeIt) {
  read(30 * kMiB - 8, 8);
  read(30 * kMiB - 50'000, 49'992);
  EXPECT_EQ(source->reads, (Reads{{30 * kMiB - (64 << 10), 64 << 10}}));
}

TEST_F(RemoteFileTest, FourColumnsSideBySideAreReadOnce) {
  for (int64_t step = 0; step < 100; ++step) {
    for (const int64_t column : {0, 5, 10, 15}) read(column * kMiB + step * 1000, 1000);
  }
  EXPECT_EQ(source->reads.size(), 4u);
  read(20 * kMiB, 1);
  read(15 * kMiB, 1);
  EXPECT_EQ(source->reads.size(), 5u) << "the place used last stays";
  read(0, 1);
  EXPECT_EQ(source->reads.size(), 6u) << "the place not used for longest went";
}

TEST_F(RemoteFileTest, NothingLiesBehindTheEnd) {
  EXPECT_EQ(read(30 * kMiB - 2, 10).size(), 2u);
  EXPECT_EQ(read(30 * kMiB, 10), "");
  EXPECT_EQ(read(31 * kMiB, 10), "");
  EXPECT_EQ(file->GetSize().ValueOrDie(), 30 * kMiB);
}

TEST_F(RemoteFileTest, AFileThatBecameShorterIsAnError) {
  const auto shorter = std::make_shared<CountingSource>(100);
  shorter->missing = 50;
  const auto remote = open_remote(shorter);
  EXPECT_TRUE(remote->ReadAt(90, 20).status().IsIOError());
}

TEST_F(RemoteFileTest, ErrorsOfTheSourceComeAsTheyAre) {
  source->broken = true;
  EXPECT_THROW(read(0, 1), HubError);
}

}  // namespace
}  // namespace qk::source

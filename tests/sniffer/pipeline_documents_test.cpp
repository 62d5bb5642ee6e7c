#include "sniffer/pipeline_documents.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <mutex>

#include "base/error.h"
#include "sniffer/pipeline_lengths.h"
#include "tests/sniffer/datasets_here.h"
#include "tests/sniffer/ranks_here.h"

namespace qk::sniffer {
namespace {

using ::testing::HasSubstr;
using testing::RankHere;
using ::testing::SizeIs;

constexpr int64_t kMaxLength = 2048;

int64_t tokens_alone(int64_t tokens) { return tokens; }

class Documents : public ::testing::Test {
 protected:
  using Ids = std::map<int64_t, std::vector<int32_t>>;  // by index

  Ids read_alone(const source::DatasetSpec& spec) const {
    const auto reader = source::open_text(spec);
    DocumentStream stream(*reader, tokenizer_, {.max_length = kMaxLength});
    Ids documents;
    while (const auto document = stream.next()) documents[document->index] = document->ids;
    return documents;
  }

  /// What each rank gets, in the order in which it does.
  struct OfRank {
    std::vector<TokenizedDocument> documents;
    source::TextFlaws flaws;
  };

  std::vector<OfRank> read_by_ranks(const source::DatasetSpec& spec, int ranks,
                                    const IndexSet& done = {}) const {
    std::vector<OfRank> all(static_cast<size_t>(ranks));
    testing::run_ranks(ranks, [&](RankHere& job) {
      const auto reader = source::open_text(spec);
      const Lengths lengths =
          *read_lengths(*reader, tokenizer_, done, job,
                        {.max_length = kMaxLength, .cost_of_tokens = tokens_alone});
      WorkShare share(job, lengths.order);
      DocumentStream stream(*reader, tokenizer_,
                            {.max_length = kMaxLength,
                             .done = done,
                             .share = &share,
                             .cost = lengths.cost,
                             .threads = 2});
      OfRank& mine = all[static_cast<size_t>(job.rank())];
      while (auto document = stream.next()) {
        stream.finished(*document);
        mine.documents.push_back(*std::move(document));
      }
      mine.flaws = stream.flaws();
    });
    return all;
  }

  tests::TemporaryFolder folder_;
  tokenizer::Tokenizer tokenizer_ = testing::tiny_tokenizer();
};

/// Each once, the same tokens, and the longest before all that are shorter by a class.
TEST_F(Documents, OfAllRanksAreThoseOfOneProcessInEveryFormat) {
  const auto texts = testing::texts_of_all_lengths(120);
  for (const std::string& path : testing::write_all_formats(folder_, texts)) {
    SCOPED_TRACE(path);
    const Ids expected = read_alone(testing::dataset(path));
    ASSERT_THAT(expected, SizeIs(texts.size()));
    bool any_goes_back = false;
    Ids documents;
    for (const OfRank& rank : read_by_ranks(testing::dataset(path), 3)) {
      int64_t before = -1;
      for (const TokenizedDocument& document : rank.documents) {
        EXPECT_TRUE(documents.emplace(document.index, document.ids).second) << document.index;
        any_goes_back |= document.index < before;
        before = document.index;
      }
    }
    EXPECT_EQ(documents, expected);
    EXPECT_TRUE(any_goes_back);
  }
}

TEST_F(Documents, ThatAreDonePassUnreadByAllRanks) {
  const auto texts = testing::texts_of_all_lengths(60);
  IndexSet done;
  done.add(0, 7);
  done.add(20, 23);
  done.add(50, 60);
  for (const std::string& path : testing::write_all_formats(folder_, texts)) {
    SCOPED_TRACE(path);
    Ids expected = read_alone(testing::dataset(path));
    std::erase_if(expected, [&](const auto& d) { return done.intersects(d.first, d.first + 1); });
    Ids documents;
    for (const OfRank& rank : read_by_ranks(testing::dataset(path), 2, done))
      for (const TokenizedDocument& document : rank.documents)
        documents.emplace(document.index, document.ids);
    EXPECT_EQ(documents, expected);
  }
}

/// However often the dataset is walked over.
TEST_F(Documents, WithOddTextsAreCountedOnce) {
  std::string lines;
  for (const std::string& text : testing::texts_of_all_lengths(100))
    lines += "{\"text\": \"" + text + (lines.size() % 2 == 0 ? "\xff" : "\\u0000") + "\"}\n" +
             "{\"text\": null}\n";
  source::DatasetSpec spec = testing::dataset(folder_.write("odd.jsonl", lines).string());
  spec.skip_bad_text = true;
  const auto reader = source::open_text(spec);
  while (reader->next()) {
  }
  source::TextFlaws all;
  for (const OfRank& rank : read_by_ranks(spec, 3)) {
    all.invalid_utf8_rows += rank.flaws.invalid_utf8_rows;
    all.nul_rows += rank.flaws.nul_rows;
    all.unusable_rows += rank.flaws.unusable_rows;
  }
  EXPECT_EQ(all.unusable_rows, 100);
  EXPECT_EQ(all.invalid_utf8_rows, reader->flaws().invalid_utf8_rows);
  EXPECT_EQ(all.nul_rows, reader->flaws().nul_rows);
  EXPECT_GT(all.nul_rows, 0);
}

TEST_F(Documents, StopAtMaxSamplesOnAllRanks) {
  source::DatasetSpec spec = testing::dataset(
      testing::write_all_formats(folder_, testing::texts_of_all_lengths(90)).front());
  spec.max_samples = 31;
  size_t documents = 0;
  for (const OfRank& rank : read_by_ranks(spec, 2)) documents += rank.documents.size();
  EXPECT_EQ(documents, 31u);
}

/// It might go to another rank that is free earlier.
TEST_F(Documents, AreNotTakenAheadWhereTheyAreLong) {
  const std::string path = testing::write_all_formats(folder_, {"first", "second"}).front();
  const auto reader = source::open_text(testing::dataset(path));
  testing::Host host(2);
  RankHere job(0, host);
  WorkShare share(job, std::vector<Stretch>{{0, 1, 1000}, {1, 2, 1000}});
  DocumentStream stream(*reader, tokenizer_,
                        {.max_length = kMaxLength,
                         .share = &share,
                         .cost = [](int64_t) { return 1000; },
                         .threads = 3});
  const auto first = stream.next();
  ASSERT_TRUE(first);
  EXPECT_TRUE(stream.paused());
  EXPECT_EQ(job.add(parallel::Counter::Work, 0), 1);
  stream.finished(*first);
  EXPECT_FALSE(stream.paused());
  EXPECT_EQ(stream.next()->index, 1);
}

TEST_F(Documents, ThatHaveGoneSinceTheirLengthsWereReadAreAnError) {
  const std::string path = testing::write_all_formats(folder_, {"first", "second"}).front();
  const auto reader = source::open_text(testing::dataset(path));
  testing::Host host(2);
  RankHere job(0, host);
  WorkShare share(job, std::vector<Stretch>{{2, 3, 1}});
  DocumentStream stream(
      *reader, tokenizer_,
      {.max_length = kMaxLength, .share = &share, .cost = [](int64_t) { return 1; }});
  try {
    stream.next();
    FAIL();
  } catch (const DatasetError& error) {
    EXPECT_THAT(error.what(), HasSubstr("document 2 is not there any more"));
  }
}

}  // namespace
}  // namespace qk::sniffer

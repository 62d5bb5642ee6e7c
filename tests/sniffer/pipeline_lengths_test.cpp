#include "sniffer/pipeline_lengths.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "base/error.h"
#include "tests/sniffer/datasets_here.h"
#include "tests/sniffer/ranks_here.h"

namespace qk::sniffer {
namespace {

using ::testing::Each;
using ::testing::Field;
using testing::RankHere;

int64_t tokens_alone(int64_t tokens) { return tokens; }

class ReadLengths : public ::testing::Test {
 protected:
  std::vector<Lengths> read(const source::DatasetSpec& spec, int ranks, LengthOptions options,
                            const IndexSet& done = {}) const {
    options.cost_of_tokens = tokens_alone;
    std::vector<std::optional<Lengths>> found(static_cast<size_t>(ranks));
    testing::run_ranks(ranks, [&](RankHere& job) {
      const auto reader = source::open_text(spec);
      found[static_cast<size_t>(job.rank())] =
          read_lengths(*reader, tokenizer_, done, job, options);
      EXPECT_EQ(reader->next()->index, 0);
      job.barrier();
      EXPECT_EQ(job.add(parallel::Counter::Cost, 0),
                found[static_cast<size_t>(job.rank())]->total_cost);
    });
    std::vector<Lengths> all;
    for (std::optional<Lengths>& lengths : found) all.push_back(*std::move(lengths));
    return all;
  }

  tests::TemporaryFolder folder_;
  tokenizer::Tokenizer tokenizer_ = testing::tiny_tokenizer();
};

TEST_F(ReadLengths, AreTheSameOnAllRanksAndInAllFormats) {
  std::vector<Lengths> all;
  for (const std::string& path :
       testing::write_all_formats(folder_, testing::texts_of_all_lengths(150))) {
    std::vector<Lengths> of_ranks = read(testing::dataset(path), 3, {.max_length = 4096});
    EXPECT_THAT(of_ranks, Each(Field(&Lengths::order, of_ranks.front().order)));
    all.insert(all.end(), of_ranks.begin(), of_ranks.end());
  }
  for (const Lengths& lengths : all) {
    EXPECT_EQ(lengths.documents, 150);
    EXPECT_EQ(lengths.total_cost, all.front().total_cost);
    EXPECT_EQ(lengths.total_cost, cost_of(lengths.order));
    EXPECT_EQ(lengths.tokens, all.front().tokens);
  }
}

TEST_F(ReadLengths, PutTheLongestFirst) {
  std::vector<std::string> texts(200, "some words");
  texts[70] = std::string(5'000, 'x');
  texts[150] = std::string(20'000, 'x');
  for (const std::string& path : testing::write_all_formats(folder_, texts)) {
    SCOPED_TRACE(path);
    const Lengths lengths = read(testing::dataset(path), 2, {.max_length = 1 << 20}).front();
    ASSERT_GT(lengths.order.size(), 2u);
    EXPECT_EQ(lengths.order[0].begin, 150);
    EXPECT_EQ(lengths.order[1].begin, 70);
    EXPECT_EQ(lengths.order[2].begin, 0);
  }
}

TEST_F(ReadLengths, EndAtMaxLength) {
  std::vector<std::string> texts(20, std::string(1'000, 'x'));
  texts[10] = std::string(100'000, 'x');
  const std::string path = testing::write_all_formats(folder_, texts).front();
  const Lengths lengths = read(testing::dataset(path), 2, {.max_length = 16}).front();
  EXPECT_EQ(lengths.tokens, 20 * 16);
  EXPECT_EQ(lengths.cost(1'000), lengths.cost(100'000));
  EXPECT_EQ(lengths.order.front().begin, 0);
}

TEST_F(ReadLengths, LeaveOutWhatIsDone) {
  IndexSet done;
  done.add(0, 50);
  done.add(90, 100);
  const std::vector<std::string> texts(100, "some words");
  for (const std::string& path : testing::write_all_formats(folder_, texts)) {
    SCOPED_TRACE(path);
    const auto spec = testing::dataset(path);
    const Lengths all = read(spec, 2, {.max_length = 64}).front();
    const Lengths rest = read(spec, 2, {.max_length = 64}, done).front();
    EXPECT_EQ(rest.documents, 100);
    EXPECT_EQ(rest.total_cost * 100, all.total_cost * 40);
  }
}

TEST_F(ReadLengths, SayNothingOfOddTexts) {
  source::DatasetSpec spec = testing::dataset(
      folder_.write("odd.jsonl", "{\"text\": \"a\xff\"}\n{\"text\": null}\n").string());
  spec.skip_bad_text = true;
  const auto reader = source::open_text(spec);
  const auto alone = parallel::job_alone();
  ::testing::internal::CaptureStderr();
  const auto lengths = read_lengths(*reader, tokenizer_, {}, *alone,
                                    {.max_length = 64, .cost_of_tokens = tokens_alone});
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(lengths->documents, 2);
  EXPECT_EQ(reader->flaws().invalid_utf8_rows + reader->flaws().unusable_rows, 0);
}

TEST_F(ReadLengths, OfADamagedDatasetAreItsError) {
  const auto spec =
      testing::dataset(folder_.write("bad.jsonl", "{\"text\": \"a\"}\n{\"text\": 7}\n").string());
  const auto message = [&](const auto& read) -> std::string {
    const auto reader = source::open_text(spec);
    try {
      read(*reader);
    } catch (const DatasetError& error) {
      return error.what();
    }
    return "";
  };
  const auto alone = parallel::job_alone();
  const std::string of_capture = message([](source::TextReader& reader) {
    while (reader.next()) {
    }
  });
  EXPECT_NE(of_capture, "");
  EXPECT_EQ(message([&](source::TextReader& reader) {
              read_lengths(reader, tokenizer_, {}, *alone,
                           {.max_length = 64, .cost_of_tokens = tokens_alone});
            }),
            of_capture);
}

/// 64 shares of a rank, each as long as any document may be; the damaged row is behind that.
TEST_F(ReadLengths, EndWhereNoDocumentCanBeLong) {
  std::string lines;
  for (int i = 0; i < 1000; ++i) lines += "{\"text\": \"more than four tokens, this one\"}\n";
  const std::string path = folder_.write("a.jsonl", lines + "{\"text\": 7}\n").string();
  std::atomic<int> without = 0;
  testing::run_ranks(2, [&](RankHere& job) {
    const auto reader = source::open_text(testing::dataset(path));
    if (!read_lengths(*reader, tokenizer_, {}, job,
                      {.max_length = 4, .cost_of_tokens = tokens_alone}))
      ++without;
    EXPECT_EQ(reader->next()->index, 0);
  });
  EXPECT_EQ(without, 2);
}

TEST_F(ReadLengths, CanBeStopped) {
  const std::string path = testing::write_all_formats(folder_, {"a", "b"}).front();
  const auto reader = source::open_text(testing::dataset(path));
  const auto alone = parallel::job_alone();
  const std::atomic<bool> stop = true;
  EXPECT_THROW(read_lengths(*reader, tokenizer_, {}, *alone,
                            {.max_length = 64, .cost_of_tokens = tokens_alone, .stop = &stop}),
               Interrupted);
}

}  // namespace
}  // namespace qk::sniffer

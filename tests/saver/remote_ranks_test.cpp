// Ranks that do not see rank 0's folder send it what they capture.
#include <gmock/gmock.h>

#include <map>

#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "capture_fixture.h"
#include "saver/crew.h"
#include "saver/lane_receiver.h"
#include "saver/lane_sender.h"
#include "saver/spool_recovery.h"
#include "saver/spool_writer.h"
#include "thread_ranks.h"

namespace qk::saver::testing {
namespace {

namespace fs = std::filesystem;
using parallel::Job;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

class Quiet : public ::testing::Test {
 protected:
  Quiet() { qk::log::set_level(qk::log::Level::Off); }
  ~Quiet() override { qk::log::set_level(qk::log::Level::Info); }
};

/// What rank 1 sends, as rank 0 has it in lane 4.
class RemoteLane : public Quiet {
 protected:
  RemoteLane() { shape_.capture_id = 77; }

  void run(const std::function<void(parallel::Post&)>& send,
           const std::function<void(LaneReceiver&)>& receive) {
    ThreadRanks(2).run([&](Job& job) {
      if (job.rank() == 1) return send(*job.post());
      LaneReceiver receiver(*job.post(), shape_,
                            {.folder = folder_,
                             .segment_bytes = segment_bytes_,
                             .lanes = {{1, 4}},
                             .on_record = [&](const ReceivedRecord& record) { add(record); }});
      receive(receiver);
    });
  }

  void add(const ReceivedRecord& record) {
    index_.lanes[record.lane] = record.end;
    if (!record.unit) return;
    index_.units.push_back(*record.unit);
    totals_.add(record.facts.totals);
  }

  static void finish(LaneReceiver& receiver) { receiver.finish(); }

  /// What came is what a crash at this moment would leave.
  void expect_recovered() {
    const RecoveredSpool recovered = recover_spool(folder_, shape_);
    EXPECT_EQ(recovered.index.bytes(), index_.bytes());
    EXPECT_EQ(recovered.index.records(), index_.records());
    ASSERT_EQ(recovered.index.units.size(), index_.units.size());
    for (size_t i = 0; i < index_.units.size(); ++i) {
      EXPECT_EQ(recovered.index.units[i].lane, index_.units[i].lane);
      EXPECT_EQ(recovered.index.units[i].segment, index_.units[i].segment);
      EXPECT_EQ(recovered.index.units[i].begin, index_.units[i].begin);
      EXPECT_EQ(recovered.index.units[i].first_document, index_.units[i].first_document);
    }
    EXPECT_EQ(recovered.totals.documents, totals_.documents);
    EXPECT_EQ(recovered.totals.tokens, totals_.tokens);
    EXPECT_EQ(recovered.totals.rows, totals_.rows);
    EXPECT_EQ(recovered.totals.buckets, totals_.buckets);
  }

  /// The bytes of the records of these batches.
  std::string records(std::initializer_list<CapturedBatch> batches) const {
    const fs::path folder = fresh_folder("records");
    SpoolWriter writer(folder, 0, shape_, {}, 1 << 30);
    for (const CapturedBatch& batch : batches) writer.append(batch);
    return qk::read_file(segment_file(folder, 0, 0));
  }

  static void send(parallel::Post& post, std::string_view bytes) {
    post.send(std::as_bytes(std::span(bytes)));
  }

  std::string lane() const { return qk::read_file(segment_file(folder_, 4, 0)); }

  Synthetic capture_{VectorType::BFloat16, true, 2};
  SpoolShape shape_{capture_.layout};
  fs::path folder_ = fresh_folder();
  uint64_t segment_bytes_ = 1 << 30;
  SpoolIndex index_;
  CaptureTotals totals_{capture_.layout.groups.size()};
};

TEST_F(RemoteLane, HasTheBytesOfALaneOfRank0) {
  run(
      [&](parallel::Post& post) {
        LaneSender sender(shape_, post);
        sender.append(capture_.batch(0, 3));
        sender.append(capture_.batch(3, 6));
        sender.finish();
      },
      finish);
  EXPECT_EQ(lane(), records({capture_.batch(0, 3), capture_.batch(3, 6)}));
  EXPECT_EQ(index_.units.size(), 2U);
  expect_recovered();
}

TEST_F(RemoteLane, HasSegmentsAsALaneOfRank0) {
  segment_bytes_ = 1;
  run(
      [&](parallel::Post& post) {
        LaneSender sender(shape_, post);
        for (int64_t i = 0; i < 12; i += 3) sender.append(capture_.batch(i, i + 3));
        sender.finish();
      },
      finish);
  EXPECT_EQ(index_.lanes.at(4).segments.size(), 4U);
  expect_recovered();
}

TEST_F(RemoteLane, TakesRecordsLargerThanAParcel) {
  capture_ = Synthetic(VectorType::Float32, true, 1 << 15);
  shape_ = SpoolShape(capture_.layout);
  run(
      [&](parallel::Post& post) {
        LaneSender sender(shape_, post);
        sender.append(capture_.batch(0, 20));
        sender.finish();
      },
      finish);
  EXPECT_GT(index_.bytes(), 20U << 20);
  expect_recovered();
}

TEST_F(RemoteLane, CountsAUnitOnceItsLastPartIsThere) {
  CapturedBatch part = capture_.batch(0, 2), rest = capture_.batch(2, 4);
  rest.documents.insert(rest.documents.begin(), part.documents.begin(), part.documents.end());
  part.documents.clear();
  run(
      [&](parallel::Post& post) {
        LaneSender sender(shape_, post);
        sender.append(part);
        EXPECT_TRUE(index_.units.empty());
        sender.append(rest);
        sender.finish();
      },
      finish);
  ASSERT_EQ(index_.units.size(), 1U);
  EXPECT_EQ(index_.units[0].records, 2U);
  expect_recovered();
}

TEST_F(RemoteLane, KeepsTheWholeRecordsWhenTheNextOneIsTorn) {
  const std::string first = records({capture_.batch(0, 3)});
  const std::string both = records({capture_.batch(0, 3), capture_.batch(3, 6)});
  const std::string_view second = std::string_view(both).substr(first.size());
  std::atomic<bool> sent = false;
  run(
      [&](parallel::Post& post) {
        send(post, first);
        send(post, second.substr(0, second.size() / 2));
        sent = true;
        sent.notify_one();
      },
      [&](LaneReceiver&) { sent.wait(false); });
  EXPECT_EQ(index_.bytes(), first.size());
  EXPECT_EQ(lane(), both.substr(0, first.size() + second.size() / 2));
  expect_recovered();
  EXPECT_EQ(lane(), first);
}

TEST_F(RemoteLane, RefusesDamagedBytesAndKeepsWhatCameBefore) {
  const std::string first = records({capture_.batch(0, 3)});
  const std::string both = records({capture_.batch(0, 3), capture_.batch(3, 6)});
  for (size_t at = first.size(); at < both.size(); at += 9) {
    std::string damaged = both;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    fs::remove(segment_file(folder_, 4, 0));
    index_ = {};
    totals_ = CaptureTotals(capture_.layout.groups.size());
    const std::string message = message_of<OutputError>([&] {
      run(
          [&](parallel::Post& post) {
            send(post, std::string_view(damaged).substr(0, first.size()));
            send(post, std::string_view(damaged).substr(first.size()));
            send(post, "");
          },
          finish);
    });
    ASSERT_THAT(message, HasSubstr("rank 1")) << at;
    ASSERT_EQ(index_.bytes(), first.size()) << at;
    expect_recovered();
  }
}

TEST_F(RemoteLane, RefusesBytesOutOfTheirOrder) {
  const std::string first = records({capture_.batch(0, 3)});
  const auto twice = [&](parallel::Post& post) {
    send(post, first);
    send(post, first);
  };
  EXPECT_THROW(run(twice, finish), OutputError);
  const auto too_much = [&](parallel::Post& post) { send(post, first + "x"); };
  EXPECT_THROW(run(too_much, finish), OutputError);
  const auto too_little = [&](parallel::Post& post) {
    send(post, std::string_view(first).substr(0, first.size() - 1));
    send(post, "");
  };
  EXPECT_THROW(run(too_little, finish), OutputError);
}

/// Three ranks, of which rank 1 has another folder under data_root's name.
class RemoteWriters : public Quiet {
 protected:
  WriterOptions options_of(Job& job) const {
    WriterOptions mine = options(job.rank() == 1 ? elsewhere_ : root_);
    mine.job = &job;
    mine.row_group_bytes = 64;
    return mine;
  }

  /// Ranks take documents in turn, two at a time; rank 1 fails before it has as many.
  void capture(int64_t rank_1_ends_before) {
    ThreadRanks(3).run([&](Job& job) {
      DatasetWriter writer(options_of(job), capture_.layout, facts());
      for (int64_t i = 2 * job.rank(); i < capture_.documents; i += 6) {
        if (job.rank() == 1 && i >= rank_1_ends_before) throw ConfigError("rank 1 ends here");
        writer.append(capture_.batch(i, std::min(i + 2, capture_.documents)));
      }
      const WriteSummary summary = writer.close();
      if (job.rank() == 0) {
        EXPECT_EQ(summary.rows, capture_.rows());
      }
    });
  }

  std::map<std::string, std::string> by_one_process() const {
    WriterOptions alone = options(fresh_folder("alone"));
    alone.row_group_bytes = 64;
    run(capture_, alone);
    return contents(alone.data_root);
  }

  Synthetic capture_{VectorType::BFloat16, true};
  const fs::path root_ = fresh_folder(), elsewhere_ = root_.parent_path() / "not there";
};

TEST_F(RemoteWriters, EndInTheBytesOfOneProcess) {
  capture(capture_.documents);
  EXPECT_EQ(contents(root_), by_one_process());
  EXPECT_FALSE(fs::exists(root_ / ".sniff"));
  EXPECT_FALSE(fs::exists(elsewhere_));
}

TEST_F(RemoteWriters, LoseNothingThatRank0HasTaken) {
  EXPECT_THROW(capture(/*rank_1_ends_before=*/14), ConfigError);
  EXPECT_FALSE(fs::exists(elsewhere_));
  WriterOptions alone = options(root_);
  alone.row_group_bytes = 64;
  {
    DatasetWriter writer(alone, capture_.layout, facts());
    for (const int64_t document : {2, 3, 8, 9})
      EXPECT_TRUE(writer.documents_found().intersects(document, document + 1)) << document;
    for (int64_t i = 0; i < capture_.documents; ++i)
      if (!writer.documents_found().intersects(i, i + 1)) writer.append(capture_.batch(i, i + 1));
    writer.close();
  }
  EXPECT_EQ(contents(root_), by_one_process());
}

TEST_F(RemoteWriters, EndTheJobWhenRank0CanNotStoreTheirRows) {
  const FileSizeLimit full(4096);
  ThreadRanks ranks(2);
  const std::string message = message_of<OutputError>([&] {
    ranks.run([&](Job& job) {
      DatasetWriter writer(options_of(job), capture_.layout, facts());
      for (int i = 0; job.rank() == 1 && i < 20; ++i) writer.append(capture_.batch(i, i + 1));
      writer.close();
    });
  });
  EXPECT_THAT(message, HasSubstr("rows-0001-0000.spool"));
  EXPECT_THAT(message, HasSubstr("run the same command"));
}

TEST_F(RemoteWriters, AreRefusedWithoutAPost) {
  ThreadRanks ranks(2, /*with_post=*/false);
  const std::string message = message_of<OutputError>([&] {
    ranks.run([&](Job& job) { DatasetWriter(options_of(job), capture_.layout, facts()); });
  });
  EXPECT_THAT(message, HasSubstr("rank 1 does not see it"));
}

TEST(Meeting, CountsTheRanksThatSeeTheFolder) {
  const Meeting meeting{
      .documents = {}, .lanes_per_rank = 2, .first_free_lane = 7, .remote = {1, 2, 5}};
  std::vector<int> seeing;
  for (int rank = 0; rank <= 6; ++rank) seeing.push_back(meeting.seeing_before(rank));
  EXPECT_THAT(seeing, ElementsAre(0, 1, 1, 1, 2, 3, 3));
  EXPECT_THAT(meeting.lanes_of_remote(), ElementsAre(Pair(1, 7), Pair(2, 9), Pair(5, 15)));
}

}  // namespace
}  // namespace qk::saver::testing

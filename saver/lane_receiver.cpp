#include "saver/lane_receiver.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace qk::saver {
namespace {

/// Of a rank, written to its lane as they arrive.
class BytesOfRank final : public RecordBytes {
 public:
  BytesOfRank(parallel::Post& post, LaneFiles& files, parallel::Parcel first,
              const std::atomic<bool>& stop)
      : post_(post), files_(files), stop_(stop) {
    write(std::move(first));
  }

  std::span<const std::byte> next(uint64_t most) override {
    if (rest_.empty()) {
      std::optional<parallel::Parcel> parcel = post_.receive(parcel_.rank, stop_);
      if (!parcel) throw Interrupted("no more rows are taken from other ranks");
      if (parcel->bytes.empty()) throw damaged();
      write(*std::move(parcel));
    }
    const auto piece = rest_.first(std::min<uint64_t>(most, rest_.size()));
    rest_ = rest_.subspan(piece.size());
    return piece;
  }

  bool at_end() const { return rest_.empty(); }

  OutputError damaged() const {
    return OutputError(
        "rows that rank {} sent have arrived damaged. What was captured before is kept; the same "
        "command goes on from there. Check the network and the memory if it happens again",
        parcel_.rank);
  }

 private:
  void write(parallel::Parcel parcel) {
    parcel_ = std::move(parcel);
    files_.write({{parcel_.bytes.data(), parcel_.bytes.size()}});
    rest_ = parcel_.bytes;
  }

  parallel::Post& post_;
  LaneFiles& files_;
  const std::atomic<bool>& stop_;
  parallel::Parcel parcel_;
  std::span<const std::byte> rest_;  // of parcel_
};

}  // namespace

LaneReceiver::LaneReceiver(parallel::Post& post, const SpoolShape& shape, Options options)
    : post_(post), shape_(shape), on_record_(std::move(options.on_record)) {
  for (const auto& [rank, lane] : options.lanes) lanes_.try_emplace(rank, options, lane, shape);
  thread_ = std::thread([this] { run(); });
}

LaneReceiver::~LaneReceiver() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
}

void LaneReceiver::check() const {
  if (failed_) std::rethrow_exception(error_);
}

void LaneReceiver::finish() {
  thread_.join();
  check();
}

void LaneReceiver::run() {
  try {
    take_parcels();
  } catch (...) {
    error_ = std::current_exception();
    failed_ = true;
  }
}

void LaneReceiver::take_parcels() {
  while (!lanes_.empty()) {
    std::optional<parallel::Parcel> first = post_.receive(std::nullopt, stop_);
    if (!first) return;
    if (first->bytes.empty()) {
      const CaptureTotals& rest = lanes_.at(first->rank).facts.totals;
      QK_ASSERT(std::ranges::all_of(rest.rows, [](int64_t rows) { return rows == 0; }));
      lanes_.erase(first->rank);
    } else {
      take_record(*std::move(first));
    }
  }
}

void LaneReceiver::take_record(parallel::Parcel first) {
  Lane& lane = lanes_.at(first.rank);
  BytesOfRank bytes(post_, lane.files, std::move(first), stop_);
  std::vector<std::byte> head(shape_.head_bytes());
  take(bytes, head);
  const std::optional<Record> record = decode_head_behind(lane.files.end(), head, shape_);
  if (!record || !check_body(bytes, *record, shape_, lane.facts) || !bytes.at_end())
    throw bytes.damaged();
  const std::optional<SpoolUnit> unit = lane.files.end_record(lane.facts.documents);
  on_record_({.lane = lane.number, .end = lane.files.end(), .unit = unit, .facts = lane.facts});
  if (unit) lane.facts = RecordFacts(shape_.heads.size());
}

}  // namespace qk::saver

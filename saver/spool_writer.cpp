#include "saver/spool_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <limits>
#include <mutex>
#include <thread>
#include <utility>

#include "base/fault_point.h"

namespace qk::saver {
namespace fs = std::filesystem;
namespace {

constexpr auto kSyncInterval = std::chrono::seconds(5);
constexpr uint64_t kSyncBytes = 256ULL << 20;

iovec as_part(const void* data, size_t bytes) { return {const_cast<void*>(data), bytes}; }

template <typename T>
iovec as_part(const std::vector<T>& values) {
  return as_part(values.data(), values.size() * sizeof(T));
}

template <typename T>
std::span<const std::byte> bytes_of_vector(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

/// Blocks by group; nullptr where a group has no rows.
std::vector<const RowBlock*> blocks_by_group(const CapturedBatch& batch, const SpoolShape& shape) {
  std::vector<const RowBlock*> blocks(shape.heads.size());
  for (const RowBlock& block : batch.blocks) {
    const size_t rows = block.position.size();
    QK_ASSERT(block.group >= 0 && static_cast<size_t>(block.group) < blocks.size());
    QK_ASSERT(blocks[block.group] == nullptr);
    QK_ASSERT(rows <= std::numeric_limits<uint32_t>::max());
    QK_ASSERT(block.bucket.size() == rows && block.example_id.size() == rows);
    QK_ASSERT(block.token_id.size() == (shape.columns == 4 ? rows : 0));
    QK_ASSERT(block.vectors.size() == rows * shape.heads[block.group] * shape.vector_bytes);
    if (rows > 0) blocks[block.group] = &block;
  }
  return blocks;
}

std::vector<uint64_t> sums_of(const std::vector<const RowBlock*>& blocks, const SpoolShape& shape) {
  std::vector<uint64_t> sums;
  for (size_t group = 0; group < blocks.size(); ++group) {
    if (blocks[group] == nullptr) continue;
    const RowBlock& block = *blocks[group];
    Checksum columns;
    columns.add(bytes_of_vector(block.bucket));
    columns.add(bytes_of_vector(block.example_id));
    columns.add(bytes_of_vector(block.position));
    columns.add(bytes_of_vector(block.token_id));
    sums.push_back(columns.value());
    const uint64_t piece = block.position.size() * shape.vector_bytes;
    for (uint64_t head = 0; head < shape.heads[group]; ++head) {
      sums.push_back(checksum(std::span(block.vectors).subspan(head * piece, piece)));
    }
  }
  return sums;
}

void add_rows(std::vector<iovec>& parts, const std::vector<const RowBlock*>& blocks) {
  for (const RowBlock* block : blocks) {
    if (block == nullptr) continue;
    parts.push_back(as_part(block->bucket));
    parts.push_back(as_part(block->example_id));
    parts.push_back(as_part(block->position));
    parts.push_back(as_part(block->token_id));
  }
  for (const RowBlock* block : blocks) {
    if (block != nullptr) parts.push_back(as_part(block->vectors.data(), block->vectors.size()));
  }
}

}  // namespace

/// Makes written segments durable in the background. An error comes out of the next wrote().
class SpoolWriter::Syncer {
 public:
  explicit Syncer(fs::path folder) : folder_(std::move(folder)), thread_([this] { run(); }) {}

  ~Syncer() {
    {
      std::scoped_lock lock(mutex_);
      finished_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

  void wrote(const std::shared_ptr<Fd>& segment, uint64_t bytes) {
    std::scoped_lock lock(mutex_);
    if (error_) std::rethrow_exception(error_);
    if (dirty_.empty() || dirty_.back() != segment) dirty_.push_back(segment);
    dirty_bytes_ += bytes;
    if (dirty_bytes_ >= kSyncBytes) wake_.notify_one();
  }

  void forget() {
    std::scoped_lock lock(mutex_);
    dirty_.clear();
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    for (bool last = false; !last;) {
      wake_.wait_for(lock, kSyncInterval, [&] { return finished_ || dirty_bytes_ >= kSyncBytes; });
      last = finished_;
      const std::vector<std::shared_ptr<Fd>> segments = std::exchange(dirty_, {});
      dirty_bytes_ = 0;
      lock.unlock();
      const std::exception_ptr error = sync(segments);
      lock.lock();
      if (error) error_ = error;
    }
  }

  std::exception_ptr sync(const std::vector<std::shared_ptr<Fd>>& segments) const {
    try {
      for (const auto& segment : segments) sync_data(*segment, folder_);
      if (!segments.empty()) sync_folder(folder_);  // their names
      fault::point("spool.synced");
      return nullptr;
    } catch (const Error&) {
      return std::current_exception();
    }
  }

  fs::path folder_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::shared_ptr<Fd>> dirty_;
  uint64_t dirty_bytes_ = 0;
  bool finished_ = false;
  std::exception_ptr error_;
  std::thread thread_;
};

SpoolWriter::SpoolWriter(fs::path folder, int64_t lane, const SpoolShape& shape, LaneEnd end,
                         uint64_t segment_bytes)
    : folder_(std::move(folder)),
      lane_(lane),
      shape_(shape),
      end_(std::move(end)),
      segment_bytes_(segment_bytes) {}

SpoolWriter::~SpoolWriter() = default;

void SpoolWriter::forget_unsynced() {
  if (syncer_) syncer_->forget();
}

void SpoolWriter::open_segment() {
  const bool full = !end_.segments.empty() && end_.segments.back() >= segment_bytes_;
  if (segment_ && !full) return;
  segment_.reset();
  if (end_.segments.empty() || full) end_.segments.push_back(0);
  const uint64_t end = end_.segments.back();
  auto segment = std::make_shared<Fd>(open_fd(file(), O_WRONLY | O_APPEND | O_CREAT));
  if (::ftruncate(segment->get(), static_cast<off_t>(end)) != 0)
    throw io_error("cut", file(), errno);
  segment_ = std::move(segment);
  fault::point("spool.segment");
  if (!syncer_) syncer_ = std::make_unique<Syncer>(folder_);
}

fs::path SpoolWriter::file() const {
  return segment_file(folder_, lane_, end_.segments.size() - 1);
}

std::optional<SpoolUnit> SpoolWriter::append(const CapturedBatch& batch) {
  const std::vector<const RowBlock*> blocks = blocks_by_group(batch, shape_);
  const std::vector<std::byte> documents = encode_documents(batch.documents);
  const std::vector<uint64_t> sums = sums_of(blocks, shape_);

  Record record;
  record.groups.resize(blocks.size());
  for (size_t group = 0; group < blocks.size(); ++group) {
    if (blocks[group] != nullptr) record.groups[group].rows = blocks[group]->position.size();
  }
  record.header.sequence = end_.next_sequence;
  record.header.documents_before = end_.documents;
  record.header.documents = static_cast<uint32_t>(batch.documents.size());
  record.header.documents_bytes = documents.size();
  record.header.documents_sum = checksum(documents);
  record.place(shape_);
  const std::vector<std::byte> head = encode_head(record, shape_);

  std::vector<iovec> parts = {as_part(head), as_part(documents), as_part(sums)};
  add_rows(parts, blocks);

  open_segment();
  try {
    write_fully(*segment_, std::move(parts), file());
  } catch (const OutputError&) {
    segment_.reset();  // opening it again cuts off what was written of the record
    throw;
  }
  fault::point("spool.appended");
  if (unit_.records++ == 0) {
    unit_.segment = end_.segments.size() - 1;
    unit_.begin = end_.segments.back();
  }
  end_.segments.back() += record.header.record_bytes;
  ++end_.next_sequence;
  end_.documents += batch.documents.size();
  syncer_->wrote(segment_, record.header.record_bytes);
  return batch.documents.empty() ? std::nullopt : std::optional(end_unit(batch.documents));
}

SpoolUnit SpoolWriter::end_unit(const std::vector<Document>& documents) {
  unit_.lane = lane_;
  unit_.first_document = documents.front().index;
  unit_.documents = static_cast<int64_t>(documents.size());
  return std::exchange(unit_, {});
}

}  // namespace qk::saver

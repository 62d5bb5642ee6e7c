#include "source/remote_file.h"

#include <arrow/buffer.h>
#include <arrow/result.h>

#include <algorithm>
#include <cstring>
#include <list>
#include <string>

namespace qk::source {
namespace {

constexpr int64_t kBlockBytes = int64_t{4} << 20;
constexpr size_t kBlocks = 4;

class RemoteFile : public arrow::io::RandomAccessFile {
 public:
  explicit RemoteFile(std::shared_ptr<ByteSource> source)
      : source_(std::move(source)), size_(source_->bytes()) {}

  arrow::Status Close() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  bool closed() const override { return closed_; }
  arrow::Result<int64_t> Tell() const override { return position_; }
  arrow::Result<int64_t> GetSize() override { return size_; }
  arrow::Status Seek(int64_t position) override {
    position_ = position;
    return arrow::Status::OK();
  }

  arrow::Result<int64_t> ReadAt(int64_t position, int64_t count, void* out) override {
    int64_t done = 0;
    count = std::min(count, size_ - position);
    while (done < count) {
      const Block& block = block_at(position + done);
      const int64_t from = position + done - block.start;
      const int64_t part = std::min(count - done, static_cast<int64_t>(block.bytes.size()) - from);
      if (part <= 0) return arrow::Status::IOError("the file became shorter");
      std::memcpy(static_cast<char*>(out) + done, block.bytes.data() + from,
                  static_cast<size_t>(part));
      done += part;
    }
    return done;
  }

  arrow::Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t position, int64_t count) override {
    count = std::clamp<int64_t>(size_ - position, 0, count);
    ARROW_ASSIGN_OR_RAISE(std::unique_ptr<arrow::ResizableBuffer> buffer,
                          arrow::AllocateResizableBuffer(count));
    ARROW_RETURN_NOT_OK(ReadAt(position, count, buffer->mutable_data()));
    return std::shared_ptr<arrow::Buffer>(std::move(buffer));
  }

  arrow::Result<int64_t> Read(int64_t count, void* out) override {
    ARROW_ASSIGN_OR_RAISE(const int64_t done, ReadAt(position_, count, out));
    position_ += done;
    return done;
  }

  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t count) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, ReadAt(position_, count));
    position_ += buffer->size();
    return buffer;
  }

 private:
  struct Block {
    int64_t start = 0;
    std::string bytes;
  };

  /// The one used last stands first.
  const Block& block_at(int64_t position) {
    const auto holds = [&](const Block& block) {
      return position >= block.start &&
             position < block.start + static_cast<int64_t>(block.bytes.size());
    };
    const auto found = std::ranges::find_if(blocks_, holds);
    if (found != blocks_.end()) {
      blocks_.splice(blocks_.begin(), blocks_, found);
    } else {
      // a Parquet file begins to be read at its end, where its footer is
      const int64_t start =
          size_ - position <= 8 ? std::max<int64_t>(size_ - kTailBytes, 0) : position;
      blocks_.push_front({start, source_->read_at(start, std::min(kBlockBytes, size_ - start))});
      if (blocks_.size() > kBlocks) blocks_.pop_back();
    }
    return blocks_.front();
  }

  static constexpr int64_t kTailBytes = 64 << 10;

  std::shared_ptr<ByteSource> source_;
  int64_t size_ = 0, position_ = 0;
  bool closed_ = false;
  std::list<Block> blocks_;
};

}  // namespace

std::shared_ptr<arrow::io::RandomAccessFile> open_remote(std::shared_ptr<ByteSource> source) {
  return std::make_shared<RemoteFile>(std::move(source));
}

}  // namespace qk::source

#include "saver/final_task.h"

#include <algorithm>
#include <memory>

namespace qk::saver {
namespace fs = std::filesystem;
namespace {

/// The rows of one range on their way from the spool to the files: a row group at a time.
class RangeRows {
 public:
  RangeRows(const FinalPassContext& context, const HeadRange& range)
      : context_(context),
        range_(range),
        capacity_(static_cast<size_t>(
            std::min(context.totals.rows[range.group], context.rows_per_group))),
        columns_(context.shape.columns, std::vector<int32_t>(capacity_)) {
    heads_.resize(range.count);
    for (Head& head : heads_) {
      head.vectors =
          std::make_unique_for_overwrite<std::byte[]>(capacity_ * context.shape.vector_bytes);
    }
  }

  void take(const SpoolCursor& cursor) {
    const Record::Group& place = cursor.record().groups[range_.group];
    if (place.rows == 0) return;
    std::vector<uint64_t> sums(1 + context_.shape.heads[range_.group]);
    cursor.read({{sums.data(), sums.size() * sizeof(uint64_t)}}, place.sums);
    std::vector<int32_t> columns(place.rows * columns_.size());
    cursor.read({{columns.data(), columns.size() * sizeof(int32_t)}}, place.columns);
    if (checksum(std::as_bytes(std::span(columns))) != sums[0]) throw cursor.damaged();

    for (Head& head : heads_) head.sum.reset();
    for (size_t done = 0; done < place.rows;) {
      const size_t count = std::min<size_t>(place.rows - done, capacity_ - filled_);
      take_columns(columns, place.rows, done, count);
      take_vectors(cursor, place, done, count);
      done += count;
      filled_ += count;
      if (filled_ == capacity_) flush();
    }
    for (size_t i = 0; i < heads_.size(); ++i) {
      if (heads_[i].sum.value() != sums[1 + range_.first + i]) throw cursor.damaged();
    }
  }

  void close(std::vector<FileFacts>& files) {
    if (filled_ > 0) flush();
    for (size_t i = 0; i < heads_.size(); ++i) {
      FileFacts facts = heads_[i].file->close();
      facts.name = name_of(i) + "/data.parquet";
      files.push_back(std::move(facts));
      heads_[i] = {};
    }
  }

 private:
  struct Head {
    std::unique_ptr<std::byte[]> vectors;  ///< [capacity] of the captured type
    std::unique_ptr<RowFile> file;         ///< opened with the first row group
    Checksum sum;
  };

  const LayerHeads& group() const { return context_.layout.groups[range_.group]; }
  std::string name_of(size_t i) const { return config_name(group(), range_.first + i); }

  void take_columns(const std::vector<int32_t>& columns, size_t rows, size_t done, size_t count) {
    for (size_t i = 0; i < columns_.size(); ++i) {
      std::copy_n(columns.begin() + static_cast<ptrdiff_t>(i * rows + done), count,
                  columns_[i].begin() + static_cast<ptrdiff_t>(filled_));
    }
  }

  void take_vectors(const SpoolCursor& cursor, const Record::Group& place, size_t done,
                    size_t count) {
    const size_t vector_bytes = context_.shape.vector_bytes;
    const size_t bytes = count * vector_bytes;
    const auto at = [&](size_t i) {
      return place.vectors + ((range_.first + i) * place.rows + done) * vector_bytes;
    };
    std::vector<iovec> parts;
    for (Head& head : heads_) parts.push_back({head.vectors.get() + filled_ * vector_bytes, bytes});
    if (count == place.rows) {
      cursor.read(parts, at(0));  // whole pieces lie one behind the other
    } else {
      for (size_t i = 0; i < parts.size(); ++i) cursor.read({parts[i]}, at(i));
    }
    for (size_t i = 0; i < parts.size(); ++i) {
      heads_[i].sum.add({static_cast<const std::byte*>(parts[i].iov_base), bytes});
    }
  }

  void flush() {
    RowGroup rows{.bucket = std::span(columns_[0]).first(filled_),
                  .example_id = std::span(columns_[1]).first(filled_),
                  .position = std::span(columns_[2]).first(filled_),
                  .vectors = {},
                  .sliding_window = group().sliding_window,
                  .token_str = {}};
    std::vector<parquet::ByteArray> pieces;
    if (context_.format.token_strings) {
      pieces = context_.token_strings.of(std::span<const int32_t>(columns_[3]).first(filled_));
      rows.token_str = pieces;
    }
    for (size_t i = 0; i < heads_.size(); ++i) {
      context_.poll();
      if (!heads_[i].file) open(i);
      rows.vectors = {heads_[i].vectors.get(), filled_ * context_.shape.vector_bytes};
      heads_[i].file->write(rows);
    }
    filled_ = 0;
  }

  void open(size_t i) {
    const fs::path folder = context_.staging / name_of(i);
    fs::create_directory(folder);
    heads_[i].file = std::make_unique<RowFile>(context_.format, folder / "data.parquet");
  }

  const FinalPassContext& context_;
  HeadRange range_;
  size_t capacity_;
  size_t filled_ = 0;
  std::vector<std::vector<int32_t>> columns_;
  std::vector<Head> heads_;
};

}  // namespace

std::string config_name(const LayerHeads& group, size_t head) {
  return fmt::format("l{:02}h{:02}{}", group.layer, group.heads[head], group.kind);
}

TokenStrings::TokenStrings(std::function<std::string(int32_t)> token_string)
    : token_string_(std::move(token_string)) {}

std::vector<parquet::ByteArray> TokenStrings::of(std::span<const int32_t> ids) {
  std::scoped_lock lock(mutex_);
  std::vector<parquet::ByteArray> pieces;
  pieces.reserve(ids.size());
  for (const int32_t id : ids) {
    auto known = known_.find(id);
    if (known == known_.end()) known = known_.emplace(id, token_string_(id)).first;
    pieces.emplace_back(std::string_view(known->second));
  }
  return pieces;
}

std::vector<FileFacts> write_heads(const FinalPassContext& context,
                                   const std::vector<HeadRange>& ranges) {
  std::vector<std::unique_ptr<RangeRows>> rows;
  for (const HeadRange& range : ranges) rows.push_back(std::make_unique<RangeRows>(context, range));
  SpoolCursor cursor(context.spool_folder, context.spool, context.shape);
  while (cursor.next()) {
    context.poll();
    for (const auto& range : rows) range->take(cursor);
  }
  std::vector<FileFacts> files;
  for (const auto& range : rows) range->close(files);
  return files;
}

}  // namespace qk::saver

#include "saver/final_task.h"

#include <algorithm>
#include <limits>
#include <memory>

namespace qk::saver {
namespace fs = std::filesystem;
namespace {

/// The rows of one range on their way from the spool to the files: a row group at a time. Its heads
/// have the same rows in their files.
class RangeRows {
 public:
  RangeRows(const FinalPassContext& context, const HeadRange& range)
      : context_(context),
        range_(range),
        next_(file(0).next),
        wanted_(static_cast<size_t>(context.rows[range.group] - file(0).rows)),
        capacity_(std::min(wanted_, static_cast<size_t>(context.rows_per_group))),
        columns_(context.shape.columns, std::vector<int32_t>(capacity_)) {
    heads_.resize(range.count);
    for (Head& head : heads_) {
      head.vectors =
          std::make_unique_for_overwrite<std::byte[]>(capacity_ * context.shape.vector_bytes);
    }
  }

  int64_t first_document() const { return next_.document; }
  bool complete() const { return wanted_ == 0; }

  void take(const SpoolCursor& cursor) {
    const Record::Group& place = cursor.record().groups[range_.group];
    const int64_t unit = cursor.unit().first_document;
    if (place.rows == 0 || complete() || unit < next_.document) return;
    if (unit > next_.document) {
      next_ = {.document = unit, .rows = 0};
      seen_ = 0;
    }
    const uint64_t before = std::exchange(seen_, seen_ + place.rows);
    if (next_.rows < seen_) take_rows(cursor, place, next_.rows - before);
  }

  /// Writes the rows of the last row group, which may be fewer.
  void finish() {
    if (filled_ > 0) flush();
    QK_ASSERT(complete());
  }

 private:
  struct Head {
    std::unique_ptr<std::byte[]> vectors;  ///< [capacity] of the captured type
    Checksum sum;
  };

  const LayerHeads& group() const { return context_.layout.groups[range_.group]; }
  HeadFile& file(size_t i) const { return context_.files.of_group[range_.group][range_.first + i]; }

  /// Of a record whose first `known` rows are in the files. What is not wanted is read all the
  /// same, for the sums.
  void take_rows(const SpoolCursor& cursor, const Record::Group& place, size_t known) {
    std::vector<uint64_t> sums(1 + context_.shape.heads[range_.group]);
    cursor.read({{sums.data(), sums.size() * sizeof(uint64_t)}}, place.sums);
    std::vector<int32_t> columns(place.rows * columns_.size());
    cursor.read({{columns.data(), columns.size() * sizeof(int32_t)}}, place.columns);
    if (checksum(std::as_bytes(std::span(columns))) != sums[0]) throw cursor.damaged();

    for (Head& head : heads_) head.sum.reset();
    for (size_t done = 0; done < place.rows;) {
      const size_t end = done < known ? known : place.rows;
      const size_t count = std::min(end - done, capacity_ - filled_);
      const bool is_wanted = done >= known && !complete();
      take_columns(columns, place.rows, done, count);
      take_vectors(cursor, place, done, count);
      done += count;
      if (is_wanted) keep(count);
    }
    for (size_t i = 0; i < heads_.size(); ++i) {
      if (heads_[i].sum.value() != sums[1 + range_.first + i]) throw cursor.damaged();
    }
  }

  void keep(size_t count) {
    filled_ += count;
    wanted_ -= count;
    next_.rows += count;
    if (filled_ == capacity_) flush();
  }

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
    if (context_.files.format.token_strings) {
      pieces = context_.token_strings.of(std::span<const int32_t>(columns_[3]).first(filled_));
      rows.token_str = pieces;
    }
    for (size_t i = 0; i < heads_.size(); ++i) {
      context_.poll();
      if (!file(i).file) open(i);
      rows.vectors = {heads_[i].vectors.get(), filled_ * context_.shape.vector_bytes};
      file(i).file->write(rows);
      file(i).rows += static_cast<int64_t>(filled_);
      file(i).next = next_;
    }
    filled_ = 0;
  }

  void open(size_t i) {
    const fs::path folder = context_.files.staging / config_name(group(), range_.first + i);
    fs::create_directory(folder);
    file(i).file = std::make_unique<RowFile>(context_.files.format, folder / "data.parquet");
  }

  const FinalPassContext& context_;
  HeadRange range_;
  SpoolPlace next_;    ///< of the first row that is not taken
  uint64_t seen_ = 0;  ///< rows of that place's unit in the records up to the current one
  size_t wanted_;      ///< rows to be taken still
  size_t capacity_;
  size_t filled_ = 0;
  std::vector<std::vector<int32_t>> columns_;
  std::vector<Head> heads_;
};

/// The range in parts whose heads have the same rows in their files.
std::vector<HeadRange> parts_of(const HeadRange& range, const HeadFiles& files) {
  const std::vector<HeadFile>& heads = files.of_group[range.group];
  std::vector<HeadRange> parts;
  for (size_t head = range.first; head < range.first + range.count; ++head) {
    if (parts.empty() || heads[head].rows != heads[parts.back().first].rows)
      parts.push_back({range.group, head, 0});
    ++parts.back().count;
  }
  return parts;
}

}  // namespace

HeadFiles::HeadFiles(const CaptureLayout& layout, int compression_level, fs::path folder)
    : format(layout, compression_level), staging(std::move(folder)) {
  for (const LayerHeads& group : layout.groups) of_group.emplace_back(group.heads.size());
}

int64_t HeadFiles::rows() const {
  int64_t sum = 0;
  for (const auto& heads : of_group)
    for (const HeadFile& head : heads) sum += head.rows;
  return sum;
}

uint64_t HeadFiles::bytes() const {
  uint64_t sum = 0;
  for (const auto& heads : of_group)
    for (const HeadFile& head : heads) sum += head.file ? head.file->bytes() : 0;
  return sum;
}

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

void write_rows(const FinalPassContext& context, const std::vector<HeadRange>& ranges) {
  std::vector<std::unique_ptr<RangeRows>> rows;
  int64_t first = std::numeric_limits<int64_t>::max();
  for (const HeadRange& range : ranges) {
    for (const HeadRange& part : parts_of(range, context.files)) {
      rows.push_back(std::make_unique<RangeRows>(context, part));
      first = std::min(first, rows.back()->first_document());
    }
  }
  SpoolCursor cursor(context.spool_folder, context.spool, context.shape, first);
  const auto is_complete = [](const auto& range) { return range->complete(); };
  while (!std::ranges::all_of(rows, is_complete) && cursor.next()) {
    context.poll();
    for (const auto& range : rows) range->take(cursor);
  }
  for (const auto& range : rows) range->finish();
}

std::vector<FileFacts> write_heads(const FinalPassContext& context,
                                   const std::vector<HeadRange>& ranges) {
  write_rows(context, ranges);
  std::vector<FileFacts> files;
  for (const HeadRange& range : ranges) {
    for (size_t head = range.first; head < range.first + range.count; ++head) {
      HeadFile& file = context.files.of_group[range.group][head];
      FileFacts facts = file.file->close();
      facts.name = config_name(context.layout.groups[range.group], head) + "/data.parquet";
      files.push_back(std::move(facts));
      file.file.reset();
    }
  }
  return files;
}

}  // namespace qk::saver

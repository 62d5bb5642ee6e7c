#include "sniffer/pipeline_documents.h"

#include "base/error.h"

namespace qk::sniffer {
namespace {

int64_t bytes_held(const TokenizedDocument& document) {
  return static_cast<int64_t>(sizeof document + document.ids.size() * sizeof(int32_t));
}

}  // namespace

DocumentStream::DocumentStream(source::TextReader& reader, const tokenizer::Tokenizer& tokenizer,
                               Options options)
    : reader_(reader),
      tokenizer_(tokenizer),
      options_(std::move(options)),
      chunk_(options_.share != nullptr ? Chunk{0, 0} : Chunk{}) {
  for (int i = 0; i < options_.threads; ++i) threads_.emplace_back([this] { work(); });
}

DocumentStream::~DocumentStream() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

/// Whether the next document may be taken: of a chunk that this rank has, or because it has little
/// else in hand.
bool DocumentStream::may_take() const {
  if (!options_.cost || cost_in_hand_ == 0 || !chunk_) return true;
  return options_.done.next_missing(chunk_->begin) < chunk_->end ||
         cost_in_hand_ < options_.share->cost_ahead();
}

/// Of this rank's documents the next one that is not done; nullopt: there is none.
std::optional<int64_t> DocumentStream::next_wanted() {
  while (chunk_) {
    chunk_->begin = options_.done.next_missing(chunk_->begin);
    if (chunk_->begin < chunk_->end) return chunk_->begin++;
    chunk_ = options_.share != nullptr ? options_.share->next() : std::nullopt;
  }
  return std::nullopt;
}

/// An earlier document than the last one takes another walk over the dataset.
std::optional<source::TextRow> DocumentStream::next_row() {
  const std::optional<int64_t> wanted = next_wanted();
  if (!wanted) return std::nullopt;
  if (*wanted < next_index_) {
    reader_.rewind();
    next_index_ = 0;
  }
  next_index_ += reader_.skip(*wanted - next_index_);
  std::optional<source::TextRow> row = reader_.next();
  if (row) ++next_index_;
  if (!row && options_.cost) {
    throw DatasetError(
        "document {} is not there any more: the dataset has changed since its lengths were read",
        *wanted);
  }
  return row;
}

int64_t DocumentStream::cost_of(const source::TextRow& row) const {
  return options_.cost ? options_.cost(std::ssize(row.text)) : 0;
}

/// Waits for room, then takes the next row. nullopt: nothing left to do for this worker.
std::optional<source::TextRow> DocumentStream::read_row(int64_t& sequence, double& fraction) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] {
    const bool room = held_bytes_ < options_.ahead_bytes || ready_.empty();
    return (room && may_take()) || stopping_ || ended_ || error_;
  });
  if (stopping_ || ended_ || error_) return std::nullopt;
  std::optional<source::TextRow> row = next_row();
  if (row) {
    sequence = next_read_++;
    fraction = reader_.progress();
    held_bytes_ += std::ssize(row->text);
    cost_in_hand_ += cost_of(*row);
  } else {
    ended_ = true;
    changed_.notify_all();
  }
  return row;
}

void DocumentStream::work() {
  try {
    int64_t sequence = 0;
    double fraction = 0;
    while (std::optional<source::TextRow> row = read_row(sequence, fraction)) {
      tokenizer::Encoding encoding;
      if (!row->unusable) encoding = tokenizer_.encode(row->text, options_.max_length);
      TokenizedDocument document{row->index,
                                 row->example_id,
                                 std::move(row->source_id),
                                 std::move(encoding.ids),
                                 encoding.truncated,
                                 fraction,
                                 cost_of(*row)};
      const std::scoped_lock lock(mutex_);
      held_bytes_ += bytes_held(document) - std::ssize(row->text);
      ready_.emplace(sequence, std::move(document));
      changed_.notify_all();
    }
  } catch (...) {
    const std::scoped_lock lock(mutex_);
    if (!error_) error_ = std::current_exception();
    changed_.notify_all();
  }
}

std::optional<TokenizedDocument> DocumentStream::next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] {
    return ready_.contains(next_out_) || error_ || (ended_ && next_out_ == next_read_);
  });
  const auto found = ready_.find(next_out_);
  if (found == ready_.end()) {
    if (error_) std::rethrow_exception(error_);
    return std::nullopt;
  }
  TokenizedDocument document = std::move(found->second);
  ready_.erase(found);
  ++next_out_;
  held_bytes_ -= bytes_held(document);
  changed_.notify_all();
  return document;
}

bool DocumentStream::paused() const {
  const std::scoped_lock lock(mutex_);
  return next_out_ == next_read_ && !may_take() && !ended_ && !error_;
}

void DocumentStream::finished(const TokenizedDocument& document) {
  const std::scoped_lock lock(mutex_);
  cost_in_hand_ -= document.cost;
  changed_.notify_all();
}

std::optional<int64_t> DocumentStream::row_count() const {
  const std::scoped_lock lock(mutex_);
  const std::optional<int64_t> known = reader_.row_count();
  return known || !ended_ || options_.cost ? known : next_index_;
}

source::TextFlaws DocumentStream::flaws() const {
  const std::scoped_lock lock(mutex_);
  return reader_.flaws();
}

}  // namespace qk::sniffer

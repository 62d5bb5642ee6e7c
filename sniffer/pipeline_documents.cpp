#include "sniffer/pipeline_documents.h"

namespace qk::sniffer {
namespace {

int64_t bytes_held(const TokenizedDocument& document) {
  return static_cast<int64_t>(sizeof document + document.ids.size() * sizeof(int32_t));
}

}  // namespace

DocumentStream::DocumentStream(source::TextReader& reader, const tokenizer::Tokenizer& tokenizer,
                               Options options)
    : reader_(reader), tokenizer_(tokenizer), options_(std::move(options)) {
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

/// The least index from next_index_ on that nobody has or will capture but this rank.
int64_t DocumentStream::next_wanted() const {
  int64_t index = next_index_;
  while (true) {
    const int64_t missing = options_.done.next_missing(index);
    index = options_.share != nullptr ? options_.share->next(missing) : missing;
    if (index == missing) return index;
  }
}

/// Waits for room, then takes the next row. nullopt: nothing left to do for this worker.
std::optional<source::TextRow> DocumentStream::read_row(int64_t& sequence, double& fraction) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] {
    const bool room = held_bytes_ < options_.ahead_bytes || ready_.empty();
    return room || stopping_ || ended_ || error_;
  });
  if (stopping_ || ended_ || error_) return std::nullopt;
  const int64_t wanted = next_wanted();
  next_index_ += reader_.skip(wanted - next_index_);
  std::optional<source::TextRow> row = reader_.next();
  if (row) {
    sequence = next_read_++;
    next_index_ = row->index + 1;
    fraction = reader_.progress();
    held_bytes_ += static_cast<int64_t>(row->text.size());
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
      TokenizedDocument document{
          row->index,         row->example_id, std::move(row->source_id), std::move(encoding.ids),
          encoding.truncated, fraction};
      const std::scoped_lock lock(mutex_);
      held_bytes_ += bytes_held(document) - static_cast<int64_t>(row->text.size());
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

std::optional<int64_t> DocumentStream::row_count() const {
  const std::scoped_lock lock(mutex_);
  return ended_ ? next_index_ : reader_.row_count();
}

source::TextFlaws DocumentStream::flaws() const {
  const std::scoped_lock lock(mutex_);
  return reader_.flaws();
}

}  // namespace qk::sniffer

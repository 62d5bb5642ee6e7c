#include "saver/lane_sender.h"

#include <algorithm>

#include "saver/record_encoder.h"

namespace qk::saver {
namespace {

constexpr size_t kParcelBytes = 8 << 20;

}  // namespace

void LaneSender::append(const CapturedBatch& batch) {
  const EncodedRecord record(batch, shape_, end_);
  for (const iovec& part : record.parts())
    add({static_cast<const std::byte*>(part.iov_base), part.iov_len});
  if (!parcel_.empty()) send();
  ++end_.next_sequence;
  end_.documents += batch.documents.size();
}

void LaneSender::finish() { send(); }

void LaneSender::add(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto piece = bytes.first(std::min(bytes.size(), kParcelBytes - parcel_.size()));
    parcel_.insert(parcel_.end(), piece.begin(), piece.end());
    bytes = bytes.subspan(piece.size());
    if (parcel_.size() == kParcelBytes) send();
  }
}

void LaneSender::send() {
  post_.send(parcel_);
  parcel_.clear();
}

}  // namespace qk::saver

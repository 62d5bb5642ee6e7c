#include "hub/range_reader.h"

#include "base/error.h"
#include "hub/url.h"

namespace qk::hub {

const FileHead& RangeReader::head() {
  if (!head_) head_ = head_of(client_, repo_, commit_, path_);
  return *head_;
}

int64_t RangeReader::bytes() { return head().bytes; }

std::string RangeReader::read_at(int64_t offset, int64_t count) {
  if (count <= 0) return "";
  const std::string range = fmt::format("Range: bytes={}-{}", offset, offset + count - 1);
  for (bool again = false;; again = true) {
    const std::string url = head().url;
    HttpResponse answer =
        client_.send({.url = url, .headers = {"Accept-Encoding: identity", range}});
    const bool expired = answer.status == 401 || answer.status == 403;
    if (expired && !again) {
      head_.reset();
      continue;
    }
    client_.expect_success(answer, url, repo_.subject(commit_, path_));
    if (answer.status == 206 && answer.body.size() == static_cast<size_t>(count))
      return std::move(answer.body);
    throw HubError(
        "{}: {}: asked for {} bytes from {} on, the server sent {} (status {}); it can't be "
        "streamed from there, use dataset.streaming: false",
        repo_.name(), path_, count, offset, answer.body.size(), answer.status);
  }
}

}  // namespace qk::hub

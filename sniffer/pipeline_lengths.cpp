#include "sniffer/pipeline_lengths.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "sniffer/pipeline_share.h"

namespace qk::sniffer {
namespace {

using Json = nlohmann::json;

// What the bytes of a token are estimated from.
constexpr int64_t kSampledTexts = 64;
constexpr size_t kSampledBytes = 4096;  // of each

constexpr int64_t kAllTokens = std::numeric_limits<int32_t>::max();
constexpr int64_t kRowsOfNews = 256;  // after so many each, ranks tell how far they are

/// Rank 0's value.
template <typename Value>
Value of_rank_0(const Value& mine, parallel::Job& job) {
  return Json::parse(job.broadcast(Json(mine).dump())).template get<Value>();
}

/// The start of a text, whole characters.
std::string_view start_of(std::string_view text) {
  if (text.size() <= kSampledBytes) return text;
  size_t end = kSampledBytes;
  while ((static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

double bytes_per_token(source::TextReader& reader, const tokenizer::Tokenizer& tokenizer) {
  int64_t bytes = 0, tokens = 0;
  for (int64_t i = 0; i < kSampledTexts; ++i) {
    const std::optional<std::string> text = reader.next_text();
    if (!text) break;
    const std::string_view start = start_of(*text);
    bytes += std::ssize(start);
    tokens += std::ssize(tokenizer.encode(start, kAllTokens).ids);
    tokens -= tokenizer.special_tokens_per_text();
  }
  return static_cast<double>(std::max<int64_t>(1, bytes)) /
         static_cast<double>(std::max<int64_t>(1, tokens));
}

/// Documents whose lengths this rank reads.
Chunk part_of_rank(std::optional<int64_t> documents, const parallel::Job& job) {
  if (!documents) return job.rank() == 0 ? Chunk{} : Chunk{0, 0};
  const int64_t each = *documents / job.size(), left = *documents % job.size();
  const auto border = [&](int64_t rank) { return rank * each + std::min(rank, left); };
  return {border(job.rank()), border(job.rank() + 1)};
}

/// What a rank has found.
struct Part {
  CostProfile profile;
  int64_t documents = 0, tokens = 0;
  bool none_is_long = false;  ///< read only so far that this is sure
};

class Reading {
 public:
  Reading(source::TextReader& reader, const DocumentCost& cost, parallel::Job& job,
          const LengthOptions& options)
      : reader_(reader),
        cost_(cost),
        job_(job),
        options_(options),
        enough_(cost.most() * kLongPerRank * job.size()) {}

  Part run(const Chunk& rows, const IndexSet& done) {
    Part part{.profile = CostProfile(rows.begin, job_.size())};
    int64_t& at = part.documents;
    for (int64_t read = 1; !part.none_is_long; ++read) {
      const int64_t wanted = done.next_missing(std::max(at, rows.begin));
      if (wanted >= rows.end) break;
      at += reader_.skip(wanted - at);
      const std::optional<std::string> text = reader_.next_text();
      if (!text) break;
      part.profile.add(at++, cost_(std::ssize(*text)));
      part.tokens += cost_.tokens(std::ssize(*text));
      if (read % kRowsOfNews == 0) {
        part.none_is_long = tell(part) > enough_;
        if (options_.on_progress) options_.on_progress(share(at, rows));
      }
      if (options_.stop != nullptr && *options_.stop)
        throw Interrupted("stopped while reading lengths; the same command starts again");
    }
    tell(part);
    return part;
  }

 private:
  /// What all ranks together have found so far.
  int64_t tell(const Part& part) {
    const int64_t news = part.profile.cost() - std::exchange(told_, part.profile.cost());
    return job_.add(parallel::Counter::Cost, news) + news;
  }

  double share(int64_t at, const Chunk& rows) const {
    if (!reader_.row_count()) return reader_.progress();
    return static_cast<double>(at - rows.begin) / static_cast<double>(rows.end - rows.begin);
  }

  source::TextReader& reader_;
  const DocumentCost& cost_;
  parallel::Job& job_;
  const LengthOptions& options_;
  const int64_t enough_;
  int64_t told_ = 0;
};

/// Of all ranks together, on each of them.
std::vector<int64_t> sums(const std::vector<int64_t>& mine, parallel::Job& job) {
  std::vector<int64_t> all(mine.size());
  for (const std::string& text : job.gather(Json(mine).dump())) {
    const auto part = Json::parse(text).get<std::vector<int64_t>>();
    std::ranges::transform(all, part, all.begin(), std::plus());
  }
  return of_rank_0(all, job);
}

std::vector<int64_t> numbers_of(const std::vector<Stretch>& stretches) {
  std::vector<int64_t> numbers;
  for (const Stretch& s : stretches) numbers.insert(numbers.end(), {s.begin, s.end, s.cost});
  return numbers;
}

void add(std::vector<Stretch>& stretches, const std::vector<int64_t>& numbers) {
  for (size_t i = 0; i < numbers.size(); i += 3)
    stretches.push_back({numbers[i], numbers[i + 1], numbers[i + 2]});
}

/// From the ranks' parts, which follow one another.
std::vector<Stretch> order_of_job(const std::vector<Stretch>& mine, parallel::Job& job) {
  std::vector<Stretch> all;
  for (const std::string& text : job.gather(Json(numbers_of(mine)).dump()))
    add(all, Json::parse(text).get<std::vector<int64_t>>());
  const std::vector<int64_t> numbers =
      of_rank_0(numbers_of(longest_first(std::move(all), job.size())), job);
  std::vector<Stretch> order;
  add(order, numbers);
  return order;
}

}  // namespace

int64_t DocumentCost::tokens(int64_t bytes) const {
  const double tokens = static_cast<double>(bytes) / bytes_per_token_;
  return std::llround(std::min(tokens, static_cast<double>(max_length_)));
}

int64_t DocumentCost::operator()(int64_t bytes) const {
  return std::max<int64_t>(1, of_tokens_(tokens(bytes)));
}

int64_t DocumentCost::most() const { return std::max<int64_t>(1, of_tokens_(max_length_)); }

std::optional<std::vector<Stretch>> order_of(const std::optional<Lengths>& lengths,
                                             std::optional<int64_t> documents) {
  if (lengths) return lengths->order;
  if (!documents) return std::nullopt;
  return std::vector<Stretch>{{0, *documents, *documents}};
}

int64_t least_chunk(const std::optional<Lengths>& lengths, const parallel::Job& job) {
  constexpr int64_t kTokens = 512;
  return lengths ? std::min(kTokens, lengths->total_cost / (kLongPerRank * job.size())) : 0;
}

std::optional<Lengths> read_lengths(source::TextReader& reader,
                                    const tokenizer::Tokenizer& tokenizer, const IndexSet& done,
                                    parallel::Job& job, const LengthOptions& options) {
  const double bytes = of_rank_0(job.rank() == 0 ? bytes_per_token(reader, tokenizer) : 0.0, job);
  reader.rewind();
  const DocumentCost cost(bytes, options.max_length, options.cost_of_tokens);
  Part part = Reading(reader, cost, job, options).run(part_of_rank(reader.row_count(), job), done);
  reader.rewind();
  const std::vector<int64_t> all =
      sums({part.profile.cost(), part.tokens, part.documents, part.none_is_long ? 1 : 0}, job);
  if (all[3] > 0) return std::nullopt;
  return Lengths{.order = order_of_job(std::move(part.profile).stretches(all[0]), job),
                 .cost = cost,
                 .documents = reader.row_count().value_or(all[2]),
                 .total_cost = all[0],
                 .tokens = all[1]};
}

}  // namespace qk::sniffer

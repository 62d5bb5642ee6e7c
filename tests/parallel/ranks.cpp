// Several processes, started by mpirun, or with --team N by the first of them: what every rank must
// see. Ends with 1 and a line where something is wrong.
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "parallel/job.h"
#include "parallel/local_team.h"

namespace {

using qk::parallel::Counter;
using qk::parallel::Job;
using qk::parallel::Parcel;

void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "wrong: %s\n", what);
  std::_Exit(1);
}

/// Of different lengths, none among them; more than a socket holds at once.
std::string text_of(size_t rank) {
  return std::string(rank * 3'000'001, static_cast<char>('a' + rank));
}

/// Of all sizes, none among them; the last has one byte.
constexpr size_t kParcels = 40;
size_t size_of(int rank, size_t parcel) {
  if (parcel + 1 == kParcels) return 1;
  return parcel * parcel * 3001 * static_cast<size_t>(rank);
}

void send_parcels(Job& job) {
  for (size_t i = 0; i < kParcels; ++i) {
    const std::vector<std::byte> bytes(size_of(job.rank(), i), std::byte(i));
    job.post()->send(bytes);
  }
}

void expect_parcel(const Parcel& parcel, size_t i) {
  expect(parcel.bytes == std::vector<std::byte>(size_of(parcel.rank, i), std::byte(i)),
         "each rank's parcels arrive whole, in their order");
}

/// Every other parcel is asked for by its sender.
void receive_parcels(Job& job) {
  const std::atomic<bool> never = false, now = true;
  std::vector<size_t> received(static_cast<size_t>(job.size()));
  for (size_t i = 0; i < kParcels / 2 * (received.size() - 1); ++i) {
    std::optional<Parcel> parcel = job.post()->receive(std::nullopt, never);
    size_t& next = received[static_cast<size_t>(parcel->rank)];
    expect_parcel(*parcel, next++);
    parcel = job.post()->receive(parcel->rank, never);
    expect_parcel(*parcel, next++);
  }
  for (size_t rank = 1; rank < received.size(); ++rank)
    expect(received[rank] == kParcels, "no parcel is lost");
  expect(!job.post()->receive(std::nullopt, now), "stopped");
}

/// Counters are used meanwhile.
void check_post(Job& job) {
  std::thread thread([&] { job.rank() == 0 ? receive_parcels(job) : send_parcels(job); });
  for (int i = 0; i < 1000; ++i) job.add(Counter::Tokens, 1);
  thread.join();
  job.barrier();
  expect(job.add(Counter::Tokens, 0) == 1000 * job.size(), "no addition is lost beside the post");
}

void check(Job& job) {
  constexpr int64_t kEach = 1000;
  int64_t last = -1;
  for (int64_t i = 0; i < kEach; ++i) {
    const int64_t before = job.add(Counter::Work, 1);
    expect(before > last, "a counter grows");
    last = before;
  }
  job.barrier();
  expect(job.add(Counter::Work, 0) == kEach * job.size(), "no addition is lost");
  expect(job.add(Counter::Rows, 0) == 0, "counters are apart");

  const std::vector<std::string> all = job.gather(text_of(static_cast<size_t>(job.rank())));
  expect(all.size() == (job.rank() == 0 ? static_cast<size_t>(job.size()) : 0), "gather on rank 0");
  for (size_t i = 0; i < all.size(); ++i) expect(all[i] == text_of(i), "texts by rank");
  const std::string told = job.broadcast(job.rank() == 0 ? text_of(2) : "mine");
  expect(told == text_of(2), "broadcast");
  expect(job.broadcast("").empty(), "broadcast of nothing");
  expect(job.ranks_on_host() == job.size(), "all ranks are here");
  expect(job.rank_on_host() == job.rank(), "in their order");
  if (job.post() != nullptr) check_post(job);
}

/// Returns in a rank that has nothing more to do.
void run(Job& job, const std::string& what) {
  const bool last = job.rank() == job.size() - 1;
  if (what.empty()) return check(job);
  if (what == "--abort" && job.rank() == 1) {
    std::fprintf(stderr, "rank 1 ends the job\n");
    if (!job.tells_failure(7)) std::fprintf(stderr, "another rank has failed\n");
    job.abort(7);
  }
  if (what == "--exit" && last) std::_Exit(3);
  if (what == "--die" && last) ::raise(SIGSEGV);
  if (what == "--leave" && last) return;
  if (what == "--wait" || what == "--die") {  // busy with something else than the others
    std::fprintf(stderr, "rank %d waits\n", job.rank());
    while (true) ::pause();
  }
  job.barrier();  // the others wait for it
}

std::unique_ptr<Job> start(size_t team) {
  if (auto member = qk::parallel::join_team()) return member;
  if (team > 0) return qk::parallel::start_team(std::vector<std::string>(team, "cpu"));
  return qk::parallel::join_job();
}

}  // namespace

int main(int count, char** arguments) {
  std::vector<std::string> words(arguments + 1, arguments + count);
  size_t team = 0;
  if (words.size() > 1 && words[0] == "--team") {
    team = std::stoul(words[1]);
    words.erase(words.begin(), words.begin() + 2);
  }
  const auto job = start(team);
  run(*job, words.empty() ? "" : words[0]);
}

// Several processes, started by mpirun, or with --team N by the first of them: what every rank must
// see. Ends with 1 and a line where something is wrong.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "parallel/job.h"
#include "parallel/local_team.h"

namespace {

using qk::parallel::Counter;
using qk::parallel::Job;

void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "wrong: %s\n", what);
  std::_Exit(1);
}

/// Of different lengths, none among them; more than a socket holds at once.
std::string text_of(size_t rank) {
  return std::string(rank * 3'000'001, static_cast<char>('a' + rank));
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

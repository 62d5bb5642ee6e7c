// Run by mpirun: what every rank must see. Ends with 1 and a line where something is wrong.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "parallel/job.h"

namespace {

using qk::parallel::Counter;

void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "wrong: %s\n", what);
  std::_Exit(1);
}

void check(qk::parallel::Job& job) {
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

  // Of different lengths, none among them.
  const std::string mine(static_cast<size_t>(job.rank()) * 3, static_cast<char>('a' + job.rank()));
  const std::vector<std::string> all = job.gather(mine);
  expect(all.size() == (job.rank() == 0 ? static_cast<size_t>(job.size()) : 0), "gather on rank 0");
  for (size_t i = 0; i < all.size(); ++i)
    expect(all[i] == std::string(i * 3, static_cast<char>('a' + i)), "texts by rank");
  expect(job.broadcast(job.rank() == 0 ? "from 0" : "mine") == "from 0", "broadcast");
  expect(job.ranks_on_host() == job.size(), "all ranks are here");
  expect(job.rank_on_host() == job.rank(), "in their order");
}

}  // namespace

int main(int count, char** arguments) {
  const auto job = qk::parallel::join_job();
  if (count > 1 && std::strcmp(arguments[1], "--abort") == 0) {
    if (job->rank() == 1) {
      std::fprintf(stderr, "rank 1 ends the job\n");
      job->abort(7);
    }
    job->barrier();  // the others wait for it
    return 0;
  }
  check(*job);
}

#include "parallel/job.h"

#include <dlfcn.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "parallel/mpi_library.h"

namespace qk::parallel {
namespace {

namespace fs = std::filesystem;

class JobAlone final : public Job {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  int ranks_on_host() const override { return 1; }
  int rank_on_host() const override { return 0; }
  std::string host() const override { return host_name(); }
  int64_t add(Counter counter, int64_t count) override {
    return counters_[static_cast<size_t>(counter)].fetch_add(count);
  }
  void barrier() override {}
  std::vector<std::string> gather(const std::string& mine) override { return {mine}; }
  std::string broadcast(const std::string& text) override { return text; }
  [[noreturn]] void abort(int exit_code) override { std::_Exit(exit_code); }

 private:
  std::array<std::atomic<int64_t>, kCounters> counters_{};
};

int number_in(const char* variable) {
  const char* text = std::getenv(variable);
  return text == nullptr ? 0 : std::atoi(text);
}

/// What a launcher tells the processes that can find one another.
bool started_by_mpi() {
  return number_in("OMPI_COMM_WORLD_SIZE") > 0 || number_in("PMI_SIZE") > 0 ||
         std::getenv("PMIX_RANK") != nullptr;
}

/// Beside the program, else where it was built.
fs::path library_file() {
  const fs::path beside = fs::read_symlink("/proc/self/exe").parent_path() / QK_MPI_LIBRARY_NAME;
  return fs::exists(beside) ? beside : fs::path(QK_MPI_LIBRARY);
}

std::unique_ptr<Job> join_mpi() {
  const fs::path file = library_file();
  if (!fs::exists(file)) {
    throw ConfigError(
        "started by mpirun or srun, but this build of sniff-qk has no MPI: install libopenmpi-dev "
        "and openmpi-bin, then build again");
  }
  void* library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (library == nullptr) {
    throw ConfigError("{}. sniff-qk was built with an MPI that is not here: build it again",
                      ::dlerror());
  }
  const auto join = reinterpret_cast<JoinFunction>(::dlsym(library, kJoinName));
  QK_ASSERT(join != nullptr);
  return std::unique_ptr<Job>(join());
}

}  // namespace

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "this host";
}

std::unique_ptr<Job> job_alone() { return std::make_unique<JobAlone>(); }

std::unique_ptr<Job> join_job() {
  if (started_by_mpi()) return join_mpi();
  if (number_in("SLURM_STEP_NUM_TASKS") > 1) {
    throw ConfigError(
        "srun started {} tasks that cannot find one another: start them with srun --mpi=pmix (or "
        "pmi2; srun --mpi=list shows what there is), or with mpirun",
        number_in("SLURM_STEP_NUM_TASKS"));
  }
  return nullptr;
}

}  // namespace qk::parallel

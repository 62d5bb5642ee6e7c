#include "tests/e2e/several_processes.h"

#include <fstream>

namespace qk::e2e {

Arguments SeveralProcesses::capture(const std::string& data_root,
                                    std::vector<std::string> overrides) {
  overrides.insert(overrides.end(),
                   {"dataset.max_samples=24", "capture.layers=[0, 1]", "inference.threads=1",
                    "inference.debug_logging=true", "output.data_root=" + data_root});
  return sample(overrides);
}

Hashes SeveralProcesses::by_one_process() const {
  EXPECT_EQ(run(capture("data/whole")).exit_code, 0);
  return captured_files(path("data/whole"));
}

std::vector<pid_t> children_of(pid_t process) {
  const std::string id = std::to_string(process);
  std::ifstream stream("/proc/" + id + "/task/" + id + "/children");
  std::vector<pid_t> children;
  for (pid_t child = -1; stream >> child;) children.push_back(child);
  return children;
}

}  // namespace qk::e2e

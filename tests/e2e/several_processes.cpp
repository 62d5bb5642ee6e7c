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

Arguments SeveralProcesses::capture_of_lengths(const std::string& data_root,
                                               std::vector<std::string> overrides) const {
  std::string lines;
  for (int i = 0; i < 24; ++i) {
    const int words = i == 23 ? 1500 : i % 5 == 2 ? 60 + 5 * i : 10 + i;
    std::string text;
    for (int word = 0; word < words; ++word) text += " king" + std::to_string((i + word) % 10);
    lines += R"({"id": ")" + std::to_string(i) + R"(", "text": ")" + text + "\"}\n";
  }
  write("lengths.jsonl", lines);
  overrides.emplace_back("dataset.path=lengths.jsonl");
  return capture(data_root, overrides);
}

std::vector<pid_t> children_of(pid_t process) {
  const std::string id = std::to_string(process);
  std::ifstream stream("/proc/" + id + "/task/" + id + "/children");
  std::vector<pid_t> children;
  for (pid_t child = -1; stream >> child;) children.push_back(child);
  return children;
}

}  // namespace qk::e2e

// What a launcher decides, on a CPU.
#include "sniffer/pipeline_job.h"

#include <gtest/gtest.h>

namespace qk::sniffer {
namespace {

/// model.name is no folder: nobody may look at the model.
SniffConfig on_cpu(Parallel parallel) {
  SniffConfig config;
  config.model.name = "nowhere";
  config.model.device_map = "cpu";
  config.inference.parallel = parallel;
  return config;
}

TEST(ParallelOnHost, IsDocumentsByItselfAndElseWhatTheConfigSays) {
  EXPECT_EQ(parallel_on_host(on_cpu(Parallel::Auto)), Parallel::Documents);
  for (const Parallel parallel : {Parallel::Documents, Parallel::Heads, Parallel::Layers})
    EXPECT_EQ(parallel_on_host(on_cpu(parallel)), parallel);
}

TEST(DevicesOfProcesses, AreAsManyAsTheConfigSays) {
  SniffConfig config = on_cpu(Parallel::Auto);
  EXPECT_EQ(devices_of_processes(config, Parallel::Documents), std::vector<std::string>{"cpu"});
  config.inference.processes = 3;
  EXPECT_EQ(devices_of_processes(config, Parallel::Documents),
            (std::vector<std::string>{"cpu", "cpu", "cpu"}));
}

}  // namespace
}  // namespace qk::sniffer

/// The 23 configs of the attention-plasticity study, against the study's own table.
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "sniffer/config.h"

namespace qk::sniffer {
namespace {

const std::filesystem::path kFolder =
    std::filesystem::path(QK_SOURCE_DIR) / "configs/attention-plasticity";
const std::string kCheckpoints = "smollm3-checkpoints/";

struct Study {
  std::string file;  ///< without .yaml
  std::string model;
  int64_t max_length;
  int64_t min_bucket_size;
};

const std::vector<Study> kStudies = {
    {"llama3.1-8b", "meta-llama/Llama-3.1-8B", 131072, 8192},
    {"llama3.2-1b", "meta-llama/Llama-3.2-1B", 131072, 8192},
    {"llama3.2-3b", "meta-llama/Llama-3.2-3B", 131072, 8192},
    {"llama3.2-11b", "meta-llama/Llama-3.2-11B-Vision", 131072, 8192},
    {"ministral3-3b", "mistralai/Ministral-3-3B-Base-2512", 131072, 8192},
    {"ministral3-8b", "mistralai/Ministral-3-8B-Base-2512", 131072, 8192},
    {"ministral3-14b", "mistralai/Ministral-3-14B-Base-2512", 131072, 8192},
    {"mistral-v0.2-7b", "mistralai/Mistral-7B-Instruct-v0.2", 32768, 8192},
    {"qwen3-0.6b", "Qwen/Qwen3-0.6B", 131072, 8192},
    {"qwen3-1.7b", "Qwen/Qwen3-1.7B", 131072, 8192},
    {"qwen3-4b", "Qwen/Qwen3-4B", 131072, 8192},
    {"qwen3-8b", "Qwen/Qwen3-8B", 131072, 8192},
    {"qwen3-14b", "Qwen/Qwen3-14B", 131072, 8192},
    {"stage1-step-40000", kCheckpoints, 4096, 256},
    {"stage1-step-1200000", kCheckpoints, 4096, 256},
    {"stage1-step-2400000", kCheckpoints, 4096, 256},
    {"stage1-step-3440000", kCheckpoints, 4096, 256},
    {"stage2-step-4200000", kCheckpoints, 4096, 256},
    {"stage3-step-4720000", kCheckpoints, 4096, 256},
    {"lc-4k-to-32k-step-4000", kCheckpoints, 32768, 2048},
    {"lc-4k-to-32k-step-20000", kCheckpoints, 32768, 2048},
    {"lc-32k-to-64k-step-4000", kCheckpoints, 65536, 4096},
    {"lc-32k-to-64k-step-20000", kCheckpoints, 65536, 4096},
};

std::filesystem::path file_of(const Study& study) {
  return kFolder / (study.model == kCheckpoints ? kCheckpoints : "") / (study.file + ".yaml");
}

/// What the study's table says of one config, on top of what is common to all.
SniffConfig expected(const Study& study) {
  SniffConfig config;
  config.dataset.path = "viktoroo/longbench-pro-128k-plus";
  config.dataset.split = "test";
  config.dataset.id_column = "id";
  config.model.name = study.model;
  config.model.revision = "main";
  config.model.dtype = WeightType::BFloat16;
  config.tokenizer.max_length = study.max_length;
  config.inference.autocast_dtype = WeightType::BFloat16;
  config.capture.head_sampling = HeadSampling{.count = 300, .seed = 0};
  config.capture.full_attention_only = true;
  config.capture.sampler = {.type = SamplerType::Uniform, .base_rate = 1.0};
  config.capture.min_bucket_size = study.min_bucket_size;
  config.output.data_root = "data/attention-plasticity";
  config.output.hf_repo_id = "viktoroo/sniffed-qk";
  config.output.hf_branch = study.file + "-longbench-pro-128k-plus";
  if (study.model.starts_with("Qwen/")) {
    config.model.config_overrides = {
        {"rope_scaling",
         {{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 32768}}}};
  }
  if (study.model == kCheckpoints) {
    config.model.name = "HuggingFaceTB/SmolLM3-3B-checkpoints";
    config.model.revision = study.file;
    config.tokenizer.name = "HuggingFaceTB/SmolLM3-3B";
    config.output.hf_branch = "smollm3-3b-" + *config.output.hf_branch;
  }
  return config;
}

TEST(StudyConfigs, SayWhatTheTableSays) {
  for (const Study& study : kStudies)
    EXPECT_EQ(load_config(file_of(study), {}), expected(study)) << study.file;
}

TEST(StudyConfigs, Are23AndNoFileIsLeftOut) {
  std::set<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(kFolder)) {
    if (entry.is_regular_file()) found.insert(entry.path());
  }
  std::set<std::filesystem::path> listed;
  for (const Study& study : kStudies) listed.insert(file_of(study));
  EXPECT_EQ(found, listed);
  EXPECT_EQ(found.size(), 23U);
}

TEST(StudyConfigs, AreReadWithoutAWarning) {
  testing::internal::CaptureStderr();
  for (const Study& study : kStudies) load_config(file_of(study), {});
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(StudyConfigs, ArePrintedAndReadBack) {
  for (const Study& study : kStudies) {
    const SniffConfig config = load_config(file_of(study), {});
    EXPECT_EQ(parse_config(print_config(config), "printed", {}), config) << study.file;
  }
}

}  // namespace
}  // namespace qk::sniffer

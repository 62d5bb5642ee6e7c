#include "tests/e2e/workspace.h"

#include "base/files.h"

namespace qk::e2e {
namespace fs = std::filesystem;
namespace {

constexpr const char* kTinyConfig = R"(
dataset:
  path: tiny.jsonl
model:
  name: golden/llama/model
  dtype: float32
  device_map: cpu
tokenizer:
  max_length: 64
inference:
  threads: 1
capture:
  sampler:
    type: all
  min_bucket_size: 16
output:
  data_root: data/tiny
)";

constexpr const char* kTinyTexts = R"({"id": "a", "text": "In the beginning was the Word"}
{"id": "b", "text": "and the Word was with God, and the Word was God."}
{"id": "c", "text": "The same was in the beginning with God."}
)";

Arguments with_overrides(Arguments arguments, const std::vector<std::string>& overrides) {
  for (const std::string& text : overrides) arguments.insert(arguments.end(), {"--set", text});
  return arguments;
}

}  // namespace

Workspace::Workspace() {
  fs::create_directory_symlink(in_repository("sample"), path("sample"));
  fs::create_directory_symlink(in_repository("tests/data/golden"), path("golden"));
  write("tiny.yaml", kTinyConfig);
  write("tiny.jsonl", kTinyTexts);
}

fs::path Workspace::copy_of_tiny_model(const std::string& name) const {
  fs::copy(path("golden/llama/model"), path(name));
  return path(name);
}

Outcome Workspace::run(const Arguments& arguments) const {
  return Program(arguments, folder_.path()).wait();
}

Arguments Workspace::sample(const std::vector<std::string>& overrides) {
  const Arguments start = {"--config", in_repository("configs/sample.yaml"), "--set",
                           "inference.threads=1"};
  return with_overrides(start, overrides);
}

Arguments Workspace::tiny(const std::vector<std::string>& overrides) const {
  return with_overrides({"--config", "tiny.yaml"}, overrides);
}

fs::path in_repository(const std::string& name) { return fs::path(QK_SOURCE_DIR) / name; }

Arguments with_flag(Arguments arguments, const std::string& flag) {
  arguments.push_back(flag);
  return arguments;
}

Hashes all_files(const fs::path& folder) {
  Hashes hashes;
  if (!fs::exists(folder)) return hashes;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file())
      hashes[fs::relative(entry.path(), folder).string()] = sha256_of_file(entry.path());
  }
  return hashes;
}

Hashes captured_files(const fs::path& data_root) {
  Hashes hashes = all_files(data_root);
  std::erase_if(hashes, [](const auto& item) { return !item.first.ends_with(".parquet"); });
  return hashes;
}

}  // namespace qk::e2e

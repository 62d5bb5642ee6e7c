#include "capture_fixture.h"

#include <algorithm>
#include <array>
#include <bit>
#include <csignal>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"
#include "tests/base/temporary_folder.h"

namespace qk::saver::testing {
namespace fs = std::filesystem;
namespace {

template <typename T>
void put(std::vector<std::byte>& out, T value) {
  const auto bytes = std::bit_cast<std::array<std::byte, sizeof(T)>>(value);
  out.insert(out.end(), bytes.begin(), bytes.end());
}

/// The values are small multiples of 1/8: exact in every type.
void put_vector_value(std::vector<std::byte>& out, float value, VectorType type) {
  switch (type) {
    case VectorType::Float32:
      return put(out, value);
    case VectorType::BFloat16:
      return put(out, static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16));
    case VectorType::Float16:
      return put(out, std::bit_cast<uint16_t>(static_cast<_Float16>(value)));
  }
}

}  // namespace

Synthetic::Synthetic(VectorType type, bool token_strings, int64_t head_dim) {
  layout.groups = {
      {.layer = 0, .kind = 'q', .heads = {0, 1, 3}, .sliding_window = {}},
      {.layer = 0, .kind = 'k', .heads = {0}, .sliding_window = {}},
      {.layer = 2, .kind = 'q', .heads = {0, 11}, .sliding_window = 64},
      {.layer = 2, .kind = 'k', .heads = {1}, .sliding_window = 64},
      {.layer = 5, .kind = 'q', .heads = {0, 1}, .sliding_window = {}},
  };
  layout.head_dim = head_dim;
  layout.vector_type = type;
  layout.token_strings = token_strings;
}

Document Synthetic::document(int64_t index) const {
  Document document{.index = index,
                    .example_id = index * 0x100000001LL - 3,
                    .source_id = "source " + std::to_string(index),
                    .tokens = index % 6 == 5 ? 0 : 10 + index,
                    .truncated = index % 4 == 1,
                    .rows = 0};
  for (size_t group = 0; group < layout.groups.size(); ++group) {
    document.rows +=
        rows_in(index, group) * static_cast<int64_t>(layout.groups[group].heads.size());
  }
  return document;
}

int64_t Synthetic::rows_in(int64_t document, size_t group) const {
  if (document % 6 == 5 || layout.groups[group].layer == 5) return 0;
  return (document * 7 + static_cast<int64_t>(group) * 3) % 5;
}

float Synthetic::value(int64_t document, size_t group, size_t head, int64_t row,
                       int64_t dim) const {
  const int64_t mixed = document * 31 + static_cast<int64_t>(group) * 17 +
                        static_cast<int64_t>(head) * 11 + row * 5 + dim;
  return static_cast<float>(mixed % 127 - 63) / 8;
}

CapturedBatch Synthetic::batch(int64_t first, int64_t last) const {
  CapturedBatch batch;
  for (int64_t i = first; i < last; ++i) batch.documents.push_back(document(i));
  for (size_t group = 0; group < layout.groups.size(); ++group) {
    RowBlock block{.group = static_cast<int32_t>(group),
                   .bucket = {},
                   .example_id = {},
                   .position = {},
                   .token_id = {},
                   .vectors = {}};
    for (int64_t i = first; i < last; ++i) {
      for (int64_t row = 0; row < rows_in(i, group); ++row) {
        block.bucket.push_back(static_cast<int32_t>(row / 2));
        block.example_id.push_back(static_cast<int32_t>(document(i).example_id));
        block.position.push_back(static_cast<int32_t>(2 * row + 1));
        if (layout.token_strings) block.token_id.push_back(static_cast<int32_t>((i + row) % 9));
      }
    }
    std::vector<std::byte> vectors;
    for (size_t head = 0; head < layout.groups[group].heads.size(); ++head) {
      for (int64_t i = first; i < last; ++i) {
        for (int64_t row = 0; row < rows_in(i, group); ++row) {
          for (int64_t dim = 0; dim < layout.head_dim; ++dim) {
            put_vector_value(vectors, value(i, group, head, row, dim), layout.vector_type);
          }
        }
      }
    }
    block.vectors = std::move(vectors);
    if (!block.position.empty()) batch.blocks.push_back(std::move(block));
  }
  return batch;
}

int64_t Synthetic::rows_of_group(size_t group) const {
  int64_t rows = 0;
  for (int64_t i = 0; i < documents; ++i) rows += rows_in(i, group);
  return rows;
}

int64_t Synthetic::rows() const {
  int64_t rows = 0;
  for (int64_t i = 0; i < documents; ++i) rows += document(i).rows;
  return rows;
}

fs::path fresh_folder(const std::string& name) {
  const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
  std::string unique = std::string(test->test_suite_name()) + "." + test->name() + "." + name;
  std::replace(unique.begin(), unique.end(), '/', '_');
  const fs::path folder = tests::process_folder() / unique;
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

RunFacts facts() {
  return {.tool_version = "1.2.3",
          .config_yaml = "model:\n  name: tiny\n",
          .card_facts = {{"model", "tiny"}},
          .model_name = "tiny",
          .dataset_path = "texts.jsonl",
          .dataset_split = "train",
          .repo_hint = "someone/tiny",
          .branch = {},
          .identity = {{"capture.sampler.type", "all"}, {"model.sha256", "0123"}}};
}

WriterOptions options(const fs::path& root) {
  WriterOptions options;
  options.data_root = root;
  options.threads = 2;
  options.token_string = [](int32_t id) { return "piece" + std::to_string(id); };
  return options;
}

void append_all(DatasetWriter& writer, const Synthetic& capture, int64_t first, int64_t step) {
  for (int64_t i = first; i < capture.documents; i += step) {
    writer.append(capture.batch(i, std::min(i + step, capture.documents)));
  }
}

WriteSummary run(const Synthetic& capture, const WriterOptions& options, int64_t step) {
  DatasetWriter writer(options, capture.layout, facts());
  append_all(writer, capture, writer.documents_done(), step);
  return writer.close();
}

void damage(const fs::path& file) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekp(-1, std::ios::end).put('?');
}

int64_t files_begun(const fs::path& staging) {
  int64_t files = 0;
  if (!fs::exists(staging)) return 0;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(staging))
    files += entry.path().extension() == ".tmp" && !fs::is_empty(entry.path());
  return files;
}

FileSizeLimit::FileSizeLimit(uint64_t bytes) {
  std::signal(SIGXFSZ, SIG_IGN);
  EXPECT_EQ(::getrlimit(RLIMIT_FSIZE, &before_), 0);
  const rlimit limited{.rlim_cur = bytes, .rlim_max = before_.rlim_max};
  EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &limited), 0);
}

FileSizeLimit::~FileSizeLimit() { EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &before_), 0); }

std::map<std::string, std::string> contents(const fs::path& root) {
  std::map<std::string, std::string> files;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root)) {
    if (!entry.is_regular_file()) continue;
    const std::string name = fs::relative(entry.path(), root).string();
    files[name] = qk::read_file(entry.path());
    if (name != "run.json") continue;
    auto json = nlohmann::json::parse(files[name]);
    json.erase("timings");
    files[name] = json.dump();
  }
  return files;
}

}  // namespace qk::saver::testing

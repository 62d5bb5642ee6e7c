/// A capture of a very large model, within the usual limit of open files.
#include <gmock/gmock.h>
#include <sys/resource.h>

#include <numeric>

#include "capture_fixture.h"
#include "saver/dataset_writer.h"

namespace qk::saver::testing {
namespace {

class OpenFilesLimit {
 public:
  explicit OpenFilesLimit(rlim_t files) {
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
    const rlimit limited{.rlim_cur = files, .rlim_max = before_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &limited), 0);
  }
  ~OpenFilesLimit() { EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before_), 0); }

 private:
  rlimit before_{};
};

CaptureLayout layout_of(int32_t layers, int32_t heads) {
  CaptureLayout layout{
      .groups = {}, .head_dim = 8, .vector_type = VectorType::BFloat16, .token_strings = false};
  for (int32_t layer = 0; layer < layers; ++layer) {
    for (const char kind : {'q', 'k'}) {
      LayerHeads group{.layer = layer, .kind = kind, .heads = {}, .sliding_window = {}};
      group.heads.resize(static_cast<size_t>(heads));
      std::iota(group.heads.begin(), group.heads.end(), 0);
      layout.groups.push_back(std::move(group));
    }
  }
  return layout;
}

/// One document with `rows` rows in every head.
CapturedBatch batch_of(const CaptureLayout& layout, int64_t index, int32_t rows) {
  CapturedBatch batch;
  Document document{.index = index,
                    .example_id = index,
                    .source_id = std::to_string(index),
                    .tokens = rows,
                    .truncated = false,
                    .rows = 0};
  for (size_t group = 0; group < layout.groups.size(); ++group) {
    const size_t heads = layout.groups[group].heads.size(), count = static_cast<size_t>(rows);
    RowBlock block{.group = static_cast<int32_t>(group),
                   .bucket = std::vector<int32_t>(count),
                   .example_id = std::vector<int32_t>(count, static_cast<int32_t>(index)),
                   .position = std::vector<int32_t>(count),
                   .token_id = {},
                   .vectors = std::vector<std::byte>(heads * count * 16, std::byte{63})};
    std::iota(block.position.begin(), block.position.end(), 0);
    document.rows += static_cast<int64_t>(heads * count);
    batch.blocks.push_back(std::move(block));
  }
  batch.documents.push_back(document);
  return batch;
}

TEST(Scale, ElevenThousandHeadsWithinAThousandOpenFiles) {
  const OpenFilesLimit limit(1024);
  const CaptureLayout layout = layout_of(80, 72);
  WriterOptions many = options(fresh_folder());
  many.row_group_bytes = 2 * 8 * 4;  // several row groups in each file
  many.memory_budget_bytes = 256 << 20;
  DatasetWriter writer(many, layout, facts());
  for (int64_t i = 0; i < 3; ++i) writer.append(batch_of(layout, i, 2));
  const WriteSummary summary = writer.close();
  EXPECT_EQ(summary.files, 11'520);
  EXPECT_EQ(summary.rows, 3 * 2 * 11'520);
  int64_t folders = 0;
  for (const auto& entry : std::filesystem::directory_iterator(many.data_root))
    folders += entry.is_directory();
  EXPECT_EQ(folders, 11'520);
  std::filesystem::remove_all(many.data_root);
}

TEST(Scale, FilesThatAreBegunEarlyHoldNoDescriptors) {
  const OpenFilesLimit limit(128);
  const CaptureLayout layout = layout_of(10, 30);
  WriterOptions early = options(fresh_folder());
  early.row_group_bytes = 2 * 8 * 4;
  early.early_threads = 2;
  DatasetWriter writer(early, layout, facts());
  for (int64_t i = 0; i < 3; ++i) writer.append(batch_of(layout, i, 2));
  wait_until([&] { return files_begun(early.data_root / ".sniff/final") == 600; });
  const WriteSummary summary = writer.close();
  EXPECT_EQ(summary.rows, 3 * 2 * 600);
  EXPECT_GT(summary.rows_early, 0);
}

}  // namespace
}  // namespace qk::saver::testing

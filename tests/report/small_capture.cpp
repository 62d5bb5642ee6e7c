#include "tests/report/small_capture.h"

#include <array>
#include <bit>
#include <string>

namespace qk::report::testing {

using saver::LayerHeads;

SmallCapture::SmallCapture() {
  layout.groups = {
      {.layer = 0, .kind = 'q', .heads = {0, 1}, .sliding_window = 16},
      {.layer = 0, .kind = 'k', .heads = {0}, .sliding_window = 16},
      {.layer = 1, .kind = 'q', .heads = {0, 1}, .sliding_window = {}},
      {.layer = 1, .kind = 'k', .heads = {0}, .sliding_window = {}},
  };
  layout.head_dim = 4;
  value = [](int64_t example_id, const LayerHeads& group, int32_t head, int32_t position,
             int64_t dim) {
    const int64_t mixed = example_id * 7919 + group.layer * 613 + (group.kind == 'q' ? 91 : 17) +
                          head * 331 + position * 53 + dim * 29;
    return static_cast<float>(mixed % 2003 - 1001) / 500;
  };
}

saver::RowBlock SmallCapture::block(size_t index) const {
  const LayerHeads& group = layout.groups[index];
  saver::RowBlock block{.group = static_cast<int32_t>(index),
                        .bucket = {},
                        .example_id = {},
                        .position = {},
                        .token_id = {},
                        .vectors = {}};
  for (const int64_t id : example_ids) {
    for (int32_t position = 0; position < tokens; ++position) {
      block.bucket.push_back(position / 16);
      block.example_id.push_back(static_cast<int32_t>(id));
      block.position.push_back(position);
    }
  }
  std::vector<std::byte> vectors;
  for (const int32_t head : group.heads) {
    for (const int64_t id : example_ids) {
      for (int32_t position = 0; position < tokens; ++position) {
        for (int64_t dim = 0; dim < layout.head_dim; ++dim) {
          const auto bytes =
              std::bit_cast<std::array<std::byte, 4>>(value(id, group, head, position, dim));
          vectors.insert(vectors.end(), bytes.begin(), bytes.end());
        }
      }
    }
  }
  block.vectors = std::move(vectors);
  return block;
}

void SmallCapture::write(const std::filesystem::path& data_root) const {
  saver::WriterOptions options;
  options.data_root = data_root;
  options.threads = 1;
  saver::DatasetWriter writer(options, layout,
                              {.tool_version = "1.2.3",
                               .config_yaml = "model:\n  name: tiny\n",
                               .card_facts = {{"model_type", "llama"},
                                              {"vectors", "after the rotary embedding"},
                                              {"sampling_strategy", "all"},
                                              {"sampling_base_rate", "1"},
                                              {"sampling_bucket_size", "16"}},
                               .model_name = "tiny",
                               .dataset_path = "texts.jsonl",
                               .dataset_split = "train",
                               .repo_hint = {},
                               .branch = {},
                               .identity = {{"capture.heads", "null"}}});
  int64_t heads = 0;
  for (const LayerHeads& group : layout.groups) heads += static_cast<int64_t>(group.heads.size());
  saver::CapturedBatch batch;
  for (size_t i = 0; i < example_ids.size(); ++i) {
    batch.documents.push_back({.index = static_cast<int64_t>(i),
                               .example_id = example_ids[i],
                               .source_id = std::to_string(example_ids[i]),
                               .tokens = tokens,
                               .truncated = false,
                               .rows = tokens * heads});
  }
  for (size_t group = 0; group < layout.groups.size(); ++group)
    batch.blocks.push_back(block(group));
  writer.append(batch);
  writer.close();
}

}  // namespace qk::report::testing

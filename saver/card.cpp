#include "saver/card.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/error.h"

namespace qk::saver {
namespace {

using Out = std::back_insert_iterator<std::string>;

std::string json_of(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// A Python literal: quotes, backslashes and control characters are
/// escaped, so it stays on its line.
std::string python_string(std::string_view text) { return json_of(text); }

/// Text as an inline code span: one line, with a fence longer than any run of backticks inside.
std::string code_span(std::string_view text) {
  std::string line = nlohmann::json::parse(json_of(text)).get<std::string>();
  std::ranges::replace_if(
      line, [](unsigned char c) { return std::iscntrl(c) != 0; }, ' ');
  if (std::ranges::all_of(line, [](char c) { return c == ' '; })) return "(none)";
  size_t longest_run = 0, run = 0;
  for (const char c : line) {
    run = c == '`' ? run + 1 : 0;
    longest_run = std::max(longest_run, run);
  }
  const std::string fence(longest_run + 1, '`');
  const bool touches_fence = line.front() == '`' || line.back() == '`';
  const std::string_view pad = touches_fence ? " " : "";
  return fmt::format("{}{}{}{}{}", fence, pad, line, pad, fence);
}

std::string_view size_category(int64_t rows) {
  struct Category {
    int64_t below;
    std::string_view name;
  };
  static constexpr std::array<Category, 10> kCategories{{
      {1'000, "n<1K"},
      {10'000, "1K<n<10K"},
      {100'000, "10K<n<100K"},
      {1'000'000, "100K<n<1M"},
      {10'000'000, "1M<n<10M"},
      {100'000'000, "10M<n<100M"},
      {1'000'000'000, "100M<n<1B"},
      {10'000'000'000, "1B<n<10B"},
      {100'000'000'000, "10B<n<100B"},
      {1'000'000'000'000, "100B<n<1T"},
  }};
  for (const Category& category : kCategories) {
    if (rows < category.below) return category.name;
  }
  return "n>1T";
}

int64_t total_rows(const CardInput& input) {
  int64_t rows = 0;
  for (const CardInput::Config& config : input.configs) rows += config.rows;
  return rows;
}

// A path alone means split "train", and costs a reader half the time of the form that spells it
// out; with thousands of configs that is many seconds.
void write_front_matter(Out out, const CardInput& input) {
  fmt::format_to(out, "---\n");
  if (!input.configs.empty()) fmt::format_to(out, "configs:\n");
  for (const CardInput::Config& config : input.configs) {
    const bool is_plain =
        std::ranges::all_of(config.name, [](unsigned char c) { return std::isalnum(c) != 0; });
    QK_ASSERT(is_plain && !config.name.empty());
    fmt::format_to(out, "  - config_name: \"{0}\"\n    data_files: \"{0}/data.parquet\"\n",
                   config.name);
    if (&config == &input.configs.front()) fmt::format_to(out, "    default: true\n");
  }
  fmt::format_to(out,
                 "tags:\n  - attention\n  - query-key-vectors\n  - sniff-qk\n"
                 "size_categories:\n  - \"{}\"\n---\n",
                 size_category(total_rows(input)));
}

void write_facts(Out out, const CardInput& input) {
  fmt::format_to(out, R"(# Query and key vectors of attention heads

One config per captured head: `l00h00q` holds the vectors of query head 0 in layer 0, `l00h00k`
those of key head 0. With grouped-query attention a key head serves several query heads.

## This capture

)");
  for (const auto& [label, value] : input.facts) {
    fmt::format_to(out, "- {}: {}\n", code_span(label), code_span(value));
  }
  fmt::format_to(out, "- `captured_configs`: `{}`\n- `captured_rows`: `{}`\n- `head_dim`: `{}`\n",
                 input.configs.size(), total_rows(input), input.head_dim);
  if (!input.bucket_counts.empty()) {
    std::vector<std::string> counts;
    for (const auto& [bucket, rows] : input.bucket_counts) {
      counts.push_back(fmt::format("b{}={}", bucket, rows));
    }
    fmt::format_to(out, "- `bucket_counts`: {}\n", fmt::join(counts, ", "));
  }
}

void write_layout(Out out, const CardInput& input) {
  fmt::format_to(out, R"(
## Files

| file | content |
| --- | --- |
| `lXXhYYq/data.parquet` | query vectors of layer XX, query head YY |
| `lXXhYYk/data.parquet` | key vectors of layer XX, key head YY |
| `examples.parquet` | the texts: index, ids (the full 64 bits, the source's own), tokens, rows |
| `run.json` | the effective config, versions, hashes of model and files, counts |

## Columns

Rows are in dataset order, positions ascending within an example (with `max_rows_per_batch`: in
the order of the draw).

| column | type | meaning |
| --- | --- | --- |
| `bucket` | int32 | range of positions that the sampler counted the position to |
| `example_id` | int32 | the example; low 32 bits of its id in `examples.parquet` |
| `position` | int32 | token position in the example, from 0 |
| `vector` | fixed-size list of {} float32 | the query or key |
| `sliding_window` | int32 | tokens that the layer's attention window spans; null: full attention |
)",
                 input.head_dim);
  if (input.token_strings) {
    fmt::format_to(out, "| `token_str` | string | the tokenizer's piece at the position |\n");
  }
}

void write_loading(Out out, const CardInput& input) {
  if (input.configs.empty()) return;
  const std::string& name = input.configs.front().name;
  const std::string revision =
      input.branch ? fmt::format(", revision={}", python_string(*input.branch)) : "";
  fmt::format_to(out, R"(
## Loading

```python
from datasets import load_dataset

rows = load_dataset({0}, "{1}", split="train"{2})
```

In a copy of this folder (`load_dataset(".", "{1}", split="train")` works there, too):

```sql
-- DuckDB
SELECT bucket, count(*) FROM '{1}/data.parquet' GROUP BY bucket ORDER BY bucket;
```

```python
import polars

polars.scan_parquet("{1}/data.parquet").filter(polars.col("position") < 1000).collect()
```
)",
                 python_string(input.repo_hint), name, revision);
}

void write_configs(Out out, const CardInput& input) {
  fmt::format_to(out, "\n## Configs\n\n");
  if (input.configs.empty()) {
    fmt::format_to(out, "None: the sampler kept no position.\n");
    return;
  }
  fmt::format_to(out, "| config | rows |\n| --- | ---: |\n");
  for (const CardInput::Config& config : input.configs) {
    fmt::format_to(out, "| `{}` | {} |\n", config.name, config.rows);
  }
}

}  // namespace

CardInput card_input(const RunFacts& facts, const CaptureLayout& layout,
                     const CaptureTotals& totals, const std::vector<FileFacts>& row_files) {
  CardInput input{.facts = facts.card_facts,
                  .configs = {},
                  .bucket_counts = {totals.buckets.begin(), totals.buckets.end()},
                  .token_strings = layout.token_strings,
                  .head_dim = layout.head_dim,
                  .repo_hint = facts.repo_hint,
                  .branch = facts.branch};
  for (const FileFacts& file : row_files) {
    input.configs.push_back({file.name.substr(0, file.name.find('/')), file.rows});
  }
  return input;
}

std::string render_card(const CardInput& input) {
  std::string card;
  const Out out(card);
  write_front_matter(out, input);
  write_facts(out, input);
  write_layout(out, input);
  write_loading(out, input);
  write_configs(out, input);
  return card;
}

}  // namespace qk::saver

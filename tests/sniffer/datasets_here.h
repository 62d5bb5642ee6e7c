#pragma once
/// The same texts in files of all formats.
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "source/text_reader.h"
#include "tests/base/parquet_texts.h"
#include "tests/base/temporary_folder.h"
#include "tokenizer/tokenizer.h"

namespace qk::sniffer::testing {

/// Of a word to some thousand; no quotes, no commas, no line feeds.
inline std::vector<std::string> texts_of_all_lengths(int64_t count) {
  std::vector<std::string> texts;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t words = i % 17 == 5 ? 3000 - 10 * i : i % 7 == 3 ? 200 + i : 1 + i % 20;
    std::string text = "document " + std::to_string(i);
    for (int64_t word = 0; word < words; ++word) text += " word";
    texts.push_back(std::move(text));
  }
  return texts;
}

/// Paths, one of each format.
inline std::vector<std::string> write_all_formats(const tests::TemporaryFolder& folder,
                                                  const std::vector<std::string>& texts) {
  nlohmann::json rows = nlohmann::json::array();
  std::string lines, csv = "text\n", plain;
  for (const std::string& text : texts) {
    rows.push_back({{"text", text}});
    lines += rows.back().dump() + "\n";
    csv += text + "\n";
    plain += text + "\n";
  }
  const auto parquet = folder.path() / "a.parquet";
  tests::write_parquet(parquet, texts, /*group_rows=*/7);
  return {folder.write("a.jsonl", lines).string(), folder.write("array.json", rows.dump()).string(),
          folder.write("a.csv", csv).string(), folder.write("a.txt", plain).string(),
          parquet.string()};
}

inline source::DatasetSpec dataset(const std::string& path) {
  return {.path = path, .name = {}, .id_column = {}, .max_samples = {}};
}

inline tokenizer::Tokenizer tiny_tokenizer() {
  return tokenizer::Tokenizer::open(std::filesystem::path(QK_SOURCE_DIR) /
                                    "tests/data/golden/llama/model");
}

}  // namespace qk::sniffer::testing

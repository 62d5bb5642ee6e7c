#pragma once
/// Files for the tests of source/, and what open_text makes of them.
#include <arrow/buffer.h>
#include <arrow/io/compressed.h>
#include <arrow/io/file.h>
#include <arrow/util/compression.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "source/text_reader.h"
#include "tests/base/temporary_folder.h"

namespace qk::source::testing {

inline std::filesystem::path data_folder() {
  return std::filesystem::path(QK_SOURCE_DIR) / "tests/data/source";
}

inline std::string read_whole(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream content;
  content << in.rdbuf();
  return content.str();
}

/// A file or folder, the column "text".
inline DatasetSpec spec(const std::string& path) {
  return {.path = path, .name = {}, .id_column = {}, .max_samples = {}};
}

/// A folder of its own for each test; gives its paths as a config has them.
class TempFolder {
 public:
  /// Returns the path of the written file.
  std::string write(const std::string& name, std::string_view content) const {
    return folder_.write(name, content).string();
  }

  std::string write_compressed(const std::string& name, std::string_view content,
                               arrow::Compression::type type) const {
    const std::string file = *this / name;
    const auto codec = arrow::util::Codec::Create(type).ValueOrDie();
    const auto raw = arrow::io::FileOutputStream::Open(file).ValueOrDie();
    const auto out = arrow::io::CompressedOutputStream::Make(codec.get(), raw).ValueOrDie();
    EXPECT_TRUE(out->Write(content.data(), static_cast<int64_t>(content.size())).ok());
    EXPECT_TRUE(out->Close().ok());
    return file;
  }

  std::string path() const { return folder_.path().string(); }
  std::string operator/(const std::string& name) const { return (folder_.path() / name).string(); }

 private:
  tests::TemporaryFolder folder_;
};

inline std::vector<TextRow> read_rows(TextReader& reader) {
  std::vector<TextRow> rows;
  while (auto row = reader.next()) rows.push_back(std::move(*row));
  return rows;
}

inline std::vector<TextRow> read_rows(const DatasetSpec& spec) {
  return read_rows(*open_text(spec));
}

inline std::vector<std::string> texts_of(const std::vector<TextRow>& rows) {
  std::vector<std::string> texts;
  for (const TextRow& row : rows) texts.push_back(row.text);
  return texts;
}

inline std::vector<std::string> ids_of(const std::vector<TextRow>& rows) {
  std::vector<std::string> ids;
  for (const TextRow& row : rows) ids.push_back(row.source_id);
  return ids;
}

inline std::vector<std::string> read_texts(const DatasetSpec& spec) {
  return texts_of(read_rows(spec));
}

/// The message of the DatasetError that reading the whole dataset must end in.
inline std::string error_of(const DatasetSpec& spec) {
  try {
    read_rows(spec);
  } catch (const DatasetError& error) {
    return error.what();
  }
  ADD_FAILURE() << spec.path << " was read without an error";
  return "";
}

}  // namespace qk::source::testing

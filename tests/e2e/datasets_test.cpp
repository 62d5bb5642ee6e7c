// The same texts give the same files, whatever they are kept in.
#include <arrow/api.h>
#include <arrow/io/file.h>
#include <arrow/ipc/writer.h>
#include <zlib.h>
#include <zstd.h>

#include "tests/base/parquet_texts.h"
#include "tests/e2e/workspace.h"

namespace qk::e2e {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const std::vector<std::string> kTexts = {"In the beginning was the Word",
                                         "and the Word was with God,  \"quoted\", 日本",
                                         "The same was in the beginning with God."};

std::string quoted(const std::string& text, const std::string& quote) {
  std::string result = "\"";
  for (const char letter : text) result += letter == '"' ? quote : std::string(1, letter);
  return result + "\"";
}

std::string as_jsonl() {
  std::string lines;
  for (const std::string& text : kTexts) lines += "{\"text\": " + quoted(text, "\\\"") + "}\n";
  return lines;
}

std::string as_json() {
  std::string list;
  for (const std::string& text : kTexts)
    list += (list.empty() ? "" : ", ") + ("{\"text\": " + quoted(text, "\\\"") + "}");
  return "{\"version\": 1, \"data\": [" + list + "]}";
}

std::string as_table(const std::string& separator) {
  std::string lines = "number" + separator + "text\n";
  for (const std::string& text : kTexts) lines += "1" + separator + quoted(text, "\"\"") + "\n";
  return lines;
}

std::string as_lines() {
  std::string lines;
  for (const std::string& text : kTexts) lines += text + "\n";
  return lines;
}

std::string gzipped(const std::string& content) {
  std::string packed(compressBound(content.size()) + 32, '\0');
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

std::string zstd_packed(const std::string& content) {
  std::string packed(ZSTD_compressBound(content.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), content.data(), content.size(), 3));
  return packed;
}

void write_arrow_file(const fs::path& file) {
  const auto table = tests::table_of(kTexts);
  const auto out = arrow::io::FileOutputStream::Open(file.string()).ValueOrDie();
  const auto writer = arrow::ipc::MakeFileWriter(out, table->schema()).ValueOrDie();
  const auto status = writer->WriteTable(*table);
  ASSERT_TRUE(status.ok() && writer->Close().ok() && out->Close().ok()) << status.ToString();
}

class Datasets : public Workspace {
 protected:
  Hashes captured_from(const std::string& dataset) const {
    const std::string root = "data/of-" + fs::path(dataset).filename().string();
    const Outcome outcome = run(tiny({"dataset.path=" + dataset, "output.data_root=" + root}));
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr("3 documents"));
    return captured_files(path(root));
  }
};

TEST_F(Datasets, OfAnyFormatGiveTheSameFiles) {
  write("t.jsonl", as_jsonl());
  const Hashes expected = captured_from("t.jsonl");
  ASSERT_FALSE(expected.empty());

  write("t.json", as_json());
  write("t.csv", as_table(","));
  write("t.tsv", as_table("\t"));
  write("t.txt", as_lines());
  write("t.jsonl.gz", gzipped(as_jsonl()));
  write("t.csv.gz", gzipped(as_table(",")));
  write("t.txt.zst", zstd_packed(as_lines()));
  tests::write_parquet(path("t.parquet"), kTexts, 2);
  write_arrow_file(path("t.arrow"));
  write("folder/train.jsonl", as_jsonl());
  write("folder/test.jsonl", "{\"text\": \"another split\"}\n");
  for (const char* dataset : {"t.json", "t.csv", "t.tsv", "t.txt", "t.jsonl.gz", "t.csv.gz",
                              "t.txt.zst", "t.parquet", "t.arrow", "folder"}) {
    EXPECT_EQ(captured_from(dataset), expected) << dataset;
  }
}

TEST_F(Datasets, RowWithoutATokenIsSkippedAndCounted) {
  write("empty.jsonl", R"({"id": 1, "text": "And it came to pass"}
{"id": 2, "text": ""}
{"id": 3, "text": "in those days"}
)");
  const Outcome outcome = run(sample({"dataset.path=empty.jsonl"}));
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.err, HasSubstr("3 documents (1 without a token skipped"));
}

TEST_F(Datasets, RowWithoutATextIsSkippedWhenAsked) {
  write("null.jsonl", "{\"text\": \"a\"}\n{\"text\": null}\n{\"text\": \"b\"}\n{}\n");
  const Outcome outcome = run(tiny({"dataset.path=null.jsonl", "dataset.on_bad_text=skip"}));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("null.jsonl, line 2"));
  EXPECT_THAT(outcome.err, HasSubstr("4 documents"));
}

TEST_F(Datasets, InvalidBytesAndNulAreCapturedAndSaid) {
  write("odd.jsonl", "{\"text\": \"a\xff z\"}\n{\"text\": \"b\\u0000c\"}\n");
  const Outcome outcome = run(tiny({"dataset.path=odd.jsonl"}));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("odd.jsonl, line 1: invalid UTF-8"));
  EXPECT_THAT(outcome.err, HasSubstr("odd.jsonl, line 2: the text has NUL"));
}

}  // namespace
}  // namespace qk::e2e

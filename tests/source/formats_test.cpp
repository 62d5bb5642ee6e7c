#include <fmt/format.h>

#include "tests/source/columnar_bytes.h"
#include "tests/source/fixtures.h"

namespace qk::source {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;
using testing::Ipc;
using testing::ipc_bytes;
using testing::parquet_bytes;
using testing::read_texts;
using testing::spec;
using testing::table_of;
using testing::TempFolder;

const std::vector<std::string> kTexts = {"one", "two\nlines", "", "na\xC3\xAFve", "five"};

std::string json_lines() {
  std::string lines;
  for (size_t i = 0; i < kTexts.size(); ++i)
    lines += nlohmann::json{{"text", kTexts[i]}, {"id", i + 1}}.dump() + "\n";
  return lines;
}

struct FormatCase {
  std::string name;
  std::string content;
};

std::vector<FormatCase> formats() {
  nlohmann::json rows = nlohmann::json::array();
  for (size_t i = 0; i < kTexts.size(); ++i) rows.push_back({{"text", kTexts[i]}, {"id", i + 1}});
  return {
      {"a.jsonl", json_lines()},
      {"a.ndjson", json_lines()},
      {"lines.json", json_lines()},
      {"array.json", rows.dump()},
      {"pretty_array.json", "\xEF\xBB\xBF \n" + rows.dump(2)},
      {"object.json", nlohmann::json{{"version", 1}, {"tags", {"a", "b"}}, {"data", rows}}.dump(1)},
      {"a.parquet", parquet_bytes(kTexts)},
      {"file.arrow", ipc_bytes(kTexts, Ipc::File)},
      {"stream.arrow", ipc_bytes(kTexts, Ipc::Stream)}};
}

TEST(Formats, GiveTheSameRows) {
  const TempFolder folder;
  for (const FormatCase& format : formats()) {
    SCOPED_TRACE(format.name);
    DatasetSpec wanted = spec(folder.write(format.name, format.content));
    wanted.id_column = "id";
    const std::vector<TextRow> rows = testing::read_rows(wanted);
    EXPECT_EQ(testing::texts_of(rows), kTexts);
    EXPECT_THAT(testing::ids_of(rows), ElementsAre("1", "2", "3", "4", "5"));
    for (size_t i = 0; i < rows.size(); ++i) {
      EXPECT_EQ(rows[i].index, static_cast<int64_t>(i));
      EXPECT_EQ(rows[i].example_id, static_cast<int64_t>(i) + 1);
    }
  }
}

TEST(Formats, AreReadThroughEveryCompression) {
  const TempFolder folder;
  const std::pair<const char*, arrow::Compression::type> codecs[] = {
      {".gz", arrow::Compression::GZIP},
      {".zst", arrow::Compression::ZSTD},
      {".bz2", arrow::Compression::BZ2},
      {".lz4", arrow::Compression::LZ4_FRAME}};
  for (const FormatCase& format : formats()) {
    for (const auto& [extension, codec] : codecs) {
      SCOPED_TRACE(format.name + extension);
      EXPECT_EQ(
          read_texts(spec(folder.write_compressed(format.name + extension, format.content, codec))),
          kTexts);
    }
  }
}

TEST(Formats, CompressionIsSeenWithoutItsExtension) {
  const TempFolder folder;
  EXPECT_EQ(
      read_texts(spec(folder.write_compressed("a.jsonl", json_lines(), arrow::Compression::GZIP))),
      kTexts);
}

TEST(Formats, SeveralGzipMembersAreOneFile) {
  const TempFolder folder;
  const std::string one =
      testing::read_whole(folder.write_compressed("1.txt.gz", "a\nb\n", arrow::Compression::GZIP));
  const std::string two =
      testing::read_whole(folder.write_compressed("2.txt.gz", "c\n", arrow::Compression::GZIP));
  EXPECT_THAT(read_texts(spec(folder.write("both.txt.gz", one + two))), ElementsAre("a", "b", "c"));
}

TEST(Formats, ColumnarOnesKnowTheirRowCount) {
  const TempFolder folder;
  EXPECT_EQ(open_text(spec(folder.write("a.parquet", parquet_bytes(kTexts))))->row_count(), 5);
  EXPECT_EQ(open_text(spec(folder.write("a.arrow", ipc_bytes(kTexts, Ipc::File))))->row_count(), 5);
  EXPECT_EQ(open_text(spec(folder.write("a.jsonl", json_lines())))->row_count(), std::nullopt);
}

TEST(Formats, SkippedRowsAreLeftOut) {
  const TempFolder folder;
  for (const FormatCase& format : formats()) {
    const std::string file = folder.write(format.name, format.content);
    for (int64_t read = 0; read <= 5; ++read) {
      for (int64_t skipped = 0; skipped <= 5 - read; ++skipped) {
        SCOPED_TRACE(fmt::format("{}: {} rows after {}", format.name, skipped, read));
        const auto reader = open_text(spec(file));
        for (int64_t i = 0; i < read; ++i) EXPECT_EQ(reader->next()->text, kTexts[i]);
        EXPECT_EQ(reader->skip(skipped), skipped);
        EXPECT_EQ(testing::texts_of(testing::read_rows(*reader)),
                  std::vector<std::string>(kTexts.begin() + read + skipped, kTexts.end()));
      }
    }
  }
}

TEST(Formats, AreReadAgainAfterRewind) {
  const TempFolder folder;
  for (const FormatCase& format : formats()) {
    const auto reader = open_text(spec(folder.write(format.name, format.content)));
    for (int64_t read = 0; read <= 5; ++read) {
      SCOPED_TRACE(fmt::format("{}: after {} rows", format.name, read));
      reader->skip(read);
      reader->rewind();
      const std::vector<TextRow> rows = testing::read_rows(*reader);
      EXPECT_EQ(testing::texts_of(rows), kTexts);
      EXPECT_THAT(testing::ids_of(rows), ElementsAre("0", "1", "2", "3", "4"));
      reader->rewind();
    }
  }
}

TEST(Formats, GiveTextsAlone) {
  const TempFolder folder;
  for (const FormatCase& format : formats()) {
    SCOPED_TRACE(format.name);
    const auto reader = open_text(spec(folder.write(format.name, format.content)));
    EXPECT_EQ(reader->next_text(), kTexts[0]);
    EXPECT_EQ(reader->skip(2), 2);
    EXPECT_EQ(reader->next_text(), kTexts[3]);
    EXPECT_EQ(reader->next()->index, 4);
    EXPECT_EQ(reader->next_text(), std::nullopt);
  }
}

TEST(Formats, RowIndexIsTheIdWithoutIdColumn) {
  const TempFolder folder;
  const std::vector<TextRow> rows = testing::read_rows(spec(folder.write("a.jsonl", json_lines())));
  EXPECT_EQ(rows[3].example_id, 3);
  EXPECT_EQ(rows[3].source_id, "3");
}

TEST(TextLines, EndAtAnyNewlineAndTheLastMayLackOne) {
  const TempFolder folder;
  EXPECT_THAT(read_texts(spec(folder.write("a.txt", "a\r\nb\rc\n\nd"))),
              ElementsAre("a", "b", "c", "", "d"));
  EXPECT_THAT(read_texts(spec(folder.write("b.txt", "a\n"))), ElementsAre("a"));
}

TEST(TextLines, NewlineAcrossBlocksIsOne) {
  const TempFolder folder;
  const std::string first((1 << 20) - 1, 'x');
  EXPECT_THAT(read_texts(spec(folder.write("a.txt", first + "\r\nb\r\n"))),
              ElementsAre(first, "b"));
}

TEST(JsonFiles, ArrayOfStringsIsTheColumnText) {
  const TempFolder folder;
  EXPECT_THAT(read_texts(spec(folder.write("a.json", "[\"a\", \"b\\n\"]"))),
              ElementsAre("a", "b\n"));
}

TEST(JsonFiles, ObjectsOverSeveralLinesAreRows) {
  const TempFolder folder;
  const std::string objects = "{\n \"text\": \"a\"\n}\n{\n \"text\": \"b\"\n}\n";
  EXPECT_THAT(read_texts(spec(folder.write("a.json", objects))), ElementsAre("a", "b"));
}

TEST(JsonFiles, SingleObjectWithTheTextIsOneRow) {
  const TempFolder folder;
  EXPECT_THAT(read_texts(spec(folder.write("a.json", "{\"text\": \"a\", \"tags\": [\"x\"]}"))),
              ElementsAre("a"));
}

TEST(JsonFiles, ColumnMayBeginInALaterRow) {
  const TempFolder folder;
  DatasetSpec wanted =
      spec(folder.write("a.jsonl", "{\"text\": \"a\"}\n\n{\"text\": \"b\", \"id\": 7}\n"));
  wanted.id_column = "id";
  EXPECT_THAT(testing::ids_of(testing::read_rows(wanted)), ElementsAre("None", "7"));
}

TEST(Csv, ReadsLongQuotedCellsAndBlanksLikePandas) {
  const TempFolder folder;
  const std::string large(3 << 20, 'y');
  const std::string content =
      "\xEF\xBB\xBFtext,id\n\"" + large + "\n\"\"q\"\"\",1\n\n \t\n b ,2\n\"c\"d,3\n";
  EXPECT_THAT(read_texts(spec(folder.write("a.csv", content))),
              ElementsAre(large + "\n\"q\"", " b ", "cd"));
}

TEST(Csv, TextColumnStaysTextWhateverItHolds) {
  const TempFolder folder;
  EXPECT_THAT(read_texts(spec(folder.write("a.csv", "text\n007\n1e5\nTrue\n"))),
              ElementsAre("007", "1e5", "True"));
}

TEST(Csv, NullCellIsAnErrorWithItsLine) {
  const TempFolder folder;
  EXPECT_THAT(error_of(spec(folder.write("a.csv", "id,text\n1,a\n2,NA\n"))),
              HasSubstr("a.csv, line 3: column 'text' is null"));
}

TEST(Columns, MissingOneListsThoseThatAreThere) {
  const TempFolder folder;
  for (const FormatCase& format : formats()) {
    SCOPED_TRACE(format.name);
    DatasetSpec wanted = spec(folder.write(format.name, format.content));
    wanted.text_column = "body";
    EXPECT_THAT(error_of(wanted),
                HasSubstr(format.name + ": no column 'body'; there are: id, text"));
    wanted.text_column = "text";
    wanted.id_column = "key";
    EXPECT_THAT(error_of(wanted), HasSubstr("no column 'key'; there are: id, text"));
  }
  DatasetSpec lines = spec(folder.write("a.txt", "x\n"));
  lines.id_column = "id";
  EXPECT_THAT(error_of(lines), HasSubstr("no column 'id'; there are: text"));
}

TEST(Columns, OtherTypeThanTextIsAnErrorBeforeAnyRow) {
  const TempFolder folder;
  for (const std::string name : {"a.parquet", "a.arrow"}) {
    DatasetSpec wanted = spec(folder.write(
        name, name == "a.arrow" ? ipc_bytes(kTexts, Ipc::File) : parquet_bytes(kTexts)));
    wanted.text_column = "id";
    EXPECT_THROW(open_text(wanted), DatasetError);
    EXPECT_THAT(error_of(wanted),
                HasSubstr("column 'id' is of type int64; the text column must be text"));
  }
}

TEST(Columns, TwoOfOneNameAreAnError) {
  const TempFolder folder;
  const auto text = table_of(kTexts)->column(1);
  const auto field = arrow::field("text", arrow::utf8());
  const auto out = arrow::io::BufferOutputStream::Create().ValueOrDie();
  const auto table = arrow::Table::Make(arrow::schema({field, field}), {text, text});
  ASSERT_TRUE(parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), out, 2).ok());
  const std::string content = out->Finish().ValueOrDie()->ToString();
  EXPECT_THAT(error_of(spec(folder.write("a.parquet", content))),
              HasSubstr("2 columns are called 'text'"));
}

TEST(Columns, NullOrOtherValueNamesFileAndRow) {
  const TempFolder folder;
  const std::string lines = "{\"text\": \"a\"}\n{\"text\": null}\n";
  EXPECT_THAT(error_of(spec(folder.write("a.jsonl", lines))),
              HasSubstr("a.jsonl, line 2: column 'text' is null"));
  EXPECT_THAT(error_of(spec(folder.write("b.jsonl", "{\"text\": [1]}\n"))),
              HasSubstr("is of type list"));
  EXPECT_THAT(error_of(spec(folder.write("c.json", "[{\"text\": \"a\"},\n {\"text\": 3}]"))),
              HasSubstr("row 1 (from 0) on line 2: column 'text' is of type int"));
}

TEST(Columns, NullOrOtherValueIsGivenAsUnusableWhenAsked) {
  const TempFolder folder;
  DatasetSpec wanted = spec(folder.write(
      "a.jsonl", "{\"text\": \"a\"}\n{\"text\": null}\n{\"text\": 3}\n{\"text\": \"b\"}\n"));
  wanted.skip_bad_text = true;
  const auto reader = open_text(wanted);
  const std::vector<TextRow> rows = testing::read_rows(*reader);
  EXPECT_THAT(testing::texts_of(rows), ElementsAre("a", "", "", "b"));
  EXPECT_TRUE(rows[1].unusable && rows[2].unusable);
  EXPECT_FALSE(rows[0].unusable || rows[3].unusable);
  EXPECT_EQ(rows[3].index, 3);
  EXPECT_EQ(reader->flaws().unusable_rows, 2);
}

TEST(Flaws, InvalidUtf8AndNulAreCounted) {
  const TempFolder folder;
  const std::string content("a\xFF\nb\nc\xE2\x82\nd\0e\n", 13);
  const auto reader = open_text(spec(folder.write("a.txt", content)));
  EXPECT_THAT(testing::texts_of(testing::read_rows(*reader)),
              ElementsAre("a\xEF\xBF\xBD", "b", "c\xEF\xBF\xBD", std::string("d\0e", 3)));
  EXPECT_EQ(reader->flaws().invalid_utf8_rows, 2);
  EXPECT_EQ(reader->flaws().nul_rows, 1);
}

TEST(Flaws, AreToldOnceAndAllCountedHoweverOftenRowsAreRead) {
  const TempFolder folder;
  const auto reader = open_text(spec(folder.write("a.txt", "a\xFF\nb\xFF\n")));
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(reader->next_text(), "a\xEF\xBF\xBD");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(reader->flaws().invalid_utf8_rows, 0);
  reader->rewind();
  ::testing::internal::CaptureStderr();
  reader->next();
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("a.txt, line 1: invalid UTF-8"));
  reader->rewind();
  reader->skip(1);
  ::testing::internal::CaptureStderr();
  reader->next();
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(reader->flaws().invalid_utf8_rows, 2);
}

TEST(Flaws, InvalidUtf8InAnIdIsReplaced) {
  const TempFolder folder;
  for (const auto& [name, content] :
       {std::pair("a.csv", "text,id\na,x\xFF\n"),
        std::pair("a.jsonl", "{\"text\":\"a\",\"id\":\"x\xFF\"}\n")}) {
    DatasetSpec wanted = spec(folder.write(name, content));
    wanted.id_column = "id";
    const auto reader = open_text(wanted);
    EXPECT_THAT(testing::ids_of(testing::read_rows(*reader)), ElementsAre("x\xEF\xBF\xBD"));
    EXPECT_EQ(reader->flaws().invalid_utf8_rows, 1);
  }
}

TEST(Flaws, InvalidUtf8InParquetIsReplaced) {
  const TempFolder folder;
  EXPECT_THAT(read_texts(spec(folder.write("a.parquet", parquet_bytes({"ok", "x\xC3"})))),
              ElementsAre("ok", "x\xEF\xBF\xBD"));
}

}  // namespace
}  // namespace qk::source

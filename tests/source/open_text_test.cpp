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
using testing::TempFolder;

TEST(OpenText, NamesWhatIsNotThere) {
  const TempFolder folder;
  EXPECT_THAT(error_of(spec(folder / "none.jsonl")), HasSubstr("no such file or folder"));
  EXPECT_THAT(error_of(spec(folder.write("a.docx", "x"))),
              HasSubstr("unknown kind of file; known: .parquet"));
  DatasetSpec named = spec(folder.write("a.txt", "x\n"));
  named.name = "subset";
  EXPECT_THAT(error_of(named), HasSubstr("no config 'subset'"));
}

TEST(OpenText, FolderFindsItsSplitsAndReadsTheirFilesInOrder) {
  const TempFolder folder;
  folder.write("data/train-00001-of-00002.parquet", parquet_bytes({"c"}));
  folder.write("data/train-00000-of-00002.parquet", parquet_bytes({"a", "b"}));
  folder.write("data/test-00000-of-00001.parquet", parquet_bytes({"t"}));
  const auto reader = open_text(spec(folder.path()));
  EXPECT_EQ(reader->row_count(), 3);
  EXPECT_THAT(testing::texts_of(testing::read_rows(*reader)), ElementsAre("a", "b", "c"));
  DatasetSpec other = spec(folder.path());
  other.split = "validation";
  EXPECT_THAT(error_of(other), HasSubstr("no split 'validation'; there are: train, test"));
}

TEST(OpenText, FolderFollowsItsCard) {
  const TempFolder folder;
  folder.write("x.csv", "text;id\na,b;1\n");
  folder.write("README.md",
               "---\nconfigs:\n- config_name: only\n  data_files: [{split: mine, path: '*.csv'}]\n "
               " sep: ;\n---\n");
  DatasetSpec wanted = spec(folder.path());
  wanted.split = "mine";
  EXPECT_THAT(read_texts(wanted), ElementsAre("a,b"));
}

TEST(OpenText, ChecksTheColumnsOfEveryFileBeforeTheFirstRow) {
  const TempFolder folder;
  folder.write("train-1.jsonl", "{\"text\": \"a\"}\n");
  folder.write("train-2.jsonl", "{\"body\": \"a\"}\n");
  try {
    open_text(spec(folder.path()));
    FAIL();
  } catch (const DatasetError& error) {
    EXPECT_THAT(error.what(), HasSubstr("train-2.jsonl: no column 'text'; there are: body"));
  }
}

TEST(OpenText, ReadsWhatSaveToDiskWrote) {
  const TempFolder folder;
  folder.write("dataset_dict.json", "{\"splits\": [\"train\", \"held_out\"]}");
  folder.write("train/data-00000-of-00001.arrow", ipc_bytes({"a"}, Ipc::Stream));
  folder.write("train/state.json",
               "{\"_data_files\": [{\"filename\": \"data-00000-of-00001.arrow\"}]}");
  folder.write("held_out/data-00000-of-00001.arrow", ipc_bytes({"b", "c"}, Ipc::Stream));
  folder.write("held_out/state.json",
               "{\"_data_files\": [{\"filename\": \"data-00000-of-00001.arrow\"}]}");
  EXPECT_THAT(read_texts(spec(folder.path())), ElementsAre("a"));
  DatasetSpec other = spec(folder.path());
  other.split = "held_out";
  EXPECT_THAT(read_texts(other), ElementsAre("b", "c"));
  EXPECT_THAT(read_texts(spec(folder / "train")), ElementsAre("a"));
}

TEST(OpenText, EmptyDatasetIsAnError) {
  const TempFolder folder;
  EXPECT_THAT(error_of(spec(folder.write("a.jsonl", ""))), HasSubstr("no row in split 'train'"));
  EXPECT_THAT(error_of(spec(folder.write("a.parquet", parquet_bytes({})))),
              HasSubstr("no row in split 'train'"));
  EXPECT_THAT(error_of(spec(folder.write("a.json", "[]"))), HasSubstr("no row in split 'train'"));
}

}  // namespace
}  // namespace qk::source

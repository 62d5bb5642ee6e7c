/// Who may write to a data_root, what may lie there, and how one capture takes another's place.
#include "saver/data_root.h"

#include <gmock/gmock.h>

#include <fmt/ranges.h>
#include <unistd.h>

#include <fstream>

#include "base/error.h"
#include "base/files.h"
#include "capture_fixture.h"
#include "saver/dataset_writer.h"

namespace qk::saver::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

void touch(const fs::path& file, const std::string& text = "mine") {
  fs::create_directories(file.parent_path());
  std::ofstream(file) << text;
}

RunFacts other_facts() {
  RunFacts other = facts();
  other.identity["capture.sampler.type"] = "uniform";
  return other;
}

WriterOptions replacing(const fs::path& root) {
  WriterOptions replace = options(root);
  replace.replace = true;
  return replace;
}

void open(const WriterOptions& options) { DatasetWriter(options, Synthetic().layout, facts()); }

TEST(DataRoot, IsCreatedWithItsParents) {
  const fs::path root = fresh_folder() / "a/b";
  run(Synthetic(), options(root));
  EXPECT_TRUE(fs::exists(root / "run.json"));
}

TEST(DataRoot, ForeignFilesAreRefusedAndUntouched) {
  for (const char* name :
       {"notes.txt", "README.md", "run.txt", "l00h00q/data.parquet", "l00h00q/extra", "model/x"}) {
    SCOPED_TRACE(name);
    const fs::path root = fresh_folder();
    touch(root / name);
    const auto before = contents(root);
    for (const WriterOptions& given : {options(root), replacing(root)}) {
      const std::string message = message_of<OutputError>([&] { open(given); });
      EXPECT_THAT(message, HasSubstr(fs::path(name).begin()->string()));
      EXPECT_EQ(contents(root), before);
      EXPECT_FALSE(fs::exists(root / ".sniff"));
    }
  }
}

TEST(DataRoot, AForeignRunFileIsRefused) {
  const fs::path root = fresh_folder();
  touch(root / "run.json", "{\"steps\": 3}");
  EXPECT_THAT(message_of<OutputError>([&] { open(replacing(root)); }), HasSubstr("run.json"));
}

TEST(DataRoot, ForeignFilesBesideAFinishedCaptureAreRefused) {
  const fs::path root = fresh_folder();
  run(Synthetic(), options(root));
  touch(root / "l00h00q/notes.txt");
  EXPECT_THAT(message_of<OutputError>([&] { open(replacing(root)); }),
              HasSubstr("l00h00q/notes.txt"));
  EXPECT_TRUE(fs::exists(root / "l00h00q/notes.txt"));
}

TEST(DataRoot, AFileInItsPlaceIsRefused) {
  const fs::path root = fresh_folder() / "file";
  touch(root);
  EXPECT_THAT(message_of<OutputError>([&] { open(options(root)); }), HasSubstr("not a folder"));
}

TEST(DataRoot, ASecondRunIsRefusedAndToldTheFirst) {
  const Synthetic capture;
  const fs::path root = fresh_folder();
  DatasetWriter first(options(root), capture.layout, facts());
  const std::string message = message_of<OutputError>([&] { open(options(root)); });
  EXPECT_THAT(message, HasSubstr("process " + std::to_string(::getpid())));
  append_all(first, capture, 0, 3);
  EXPECT_EQ(first.close().documents, 20);
}

TEST(DataRoot, ReplacePutsTheNewCaptureInPlaceOfTheOld) {
  const fs::path root = fresh_folder(), alone = fresh_folder("alone");
  run(Synthetic(), options(root));
  Synthetic fewer;
  fewer.layout.groups.erase(fewer.layout.groups.begin());  // no l00hXXq
  run(fewer, options(alone));
  {
    DatasetWriter writer(replacing(root), fewer.layout, facts());
    EXPECT_EQ(writer.found(), Found::Nothing);
    append_all(writer, fewer, 0, 3);
    EXPECT_TRUE(fs::exists(root / "l00h00q/data.parquet"))
        << "readable until the new one is complete";
    EXPECT_TRUE(fs::exists(root / "run.json"));
    writer.close();
  }
  EXPECT_FALSE(fs::exists(root / "l00h00q"));
  EXPECT_EQ(contents(root), contents(alone));
}

TEST(DataRoot, ReplaceDropsAnUnfinishedCapture) {
  const Synthetic capture;
  const fs::path root = fresh_folder();
  DatasetWriter(options(root), capture.layout, facts()).append(capture.batch(0, 3));
  const DatasetWriter writer(replacing(root), capture.layout, facts());
  EXPECT_EQ(writer.found(), Found::Nothing);
  EXPECT_EQ(writer.documents_done(), 0);
}

TEST(DataRoot, AReplacingRunThatWasKilledGoesOnByTheSameCommand) {
  const Synthetic capture;
  const fs::path root = fresh_folder();
  run(capture, options(root));
  DatasetWriter(replacing(root), capture.layout, other_facts()).append(capture.batch(0, 3));
  for (const WriterOptions& given : {replacing(root), options(root)}) {
    const DatasetWriter writer(given, capture.layout, other_facts());
    EXPECT_EQ(writer.found(), Found::Unfinished);
    EXPECT_EQ(writer.documents_done(), 3);
  }
}

TEST(DataRoot, ReplaceRefusesAnEditedCard) {
  const fs::path root = fresh_folder();
  run(Synthetic(), options(root));
  touch(root / "README.md", "my notes");
  EXPECT_THAT(message_of<OutputError>([&] { open(replacing(root)); }), HasSubstr("README.md"));
  EXPECT_EQ(qk::read_file(root / "README.md"), "my notes");
}

/// A publish() that a crash stops after each of its steps: the staged capture, an intent, and
/// `moved` files moved.
class CrashedPublish : public ::testing::TestWithParam<int> {};

TEST_P(CrashedPublish, IsFinishedByTheNextRun) {
  const Synthetic capture;
  const fs::path root = fresh_folder(), wanted = fresh_folder("wanted");
  Synthetic old_capture;
  old_capture.layout.groups[0].heads = {0, 1, 2};  // l00h02q has to go, l00h03q to come
  run(old_capture, options(root));
  run(capture, options(wanted));

  const DataRootPaths paths{root};
  fs::create_directories(paths.work());
  fs::copy(wanted, paths.staging(), fs::copy_options::recursive);
  touch(paths.identity(), "{}");
  touch(paths.work() / "rows-0000-0000.spool");
  std::vector<std::string> names;
  for (const auto& [name, bytes] : contents(wanted)) {
    if (name != "run.json") names.push_back('"' + name + '"');
  }
  touch(paths.publish(), fmt::format(R"({{"files":[{}],"remove":["l00h02q/data.parquet"]}})",
                                     fmt::join(names, ",")));
  int steps = GetParam();
  if (steps-- > 0) fs::remove(paths.run());
  for (const auto& [name, bytes] : contents(wanted)) {
    if (name == "run.json" || steps-- <= 0) continue;
    fs::create_directories((root / name).parent_path());
    fs::rename(paths.staging() / name, root / name);
  }
  if (steps-- > 0) fs::remove_all(root / "l00h02q");
  if (steps-- > 0) fs::rename(paths.staging() / "run.json", paths.run());
  if (steps-- > 0) fs::remove(paths.identity());

  DatasetWriter writer(options(root), capture.layout, facts());
  EXPECT_EQ(writer.found(), Found::Finished);
  EXPECT_EQ(contents(root), contents(wanted));
  EXPECT_FALSE(fs::exists(root / ".sniff"));
}

INSTANTIATE_TEST_SUITE_P(AtEveryStep, CrashedPublish, ::testing::Range(0, 14));

}  // namespace
}  // namespace qk::saver::testing

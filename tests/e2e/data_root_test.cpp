// Who may write to a data_root, and what is never touched there.
#include "base/files.h"
#include "tests/e2e/workspace.h"

namespace qk::e2e {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

constexpr int kRefused = 6;

class DataRoot : public Workspace {
 protected:
  /// `arguments` are refused with a message that has `reason`, and leave data_root as it is.
  void expect_refused(const Arguments& arguments, const std::string& data_root,
                      const std::string& reason) const {
    const Hashes before = all_files(path(data_root));
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.exit_code, kRefused);
    EXPECT_THAT(outcome.err, HasSubstr(reason));
    EXPECT_EQ(all_files(path(data_root)), before);
  }
};

TEST_F(DataRoot, RefusesAnotherConfigAndNamesWhatDiffers) {
  ASSERT_EQ(run(tiny()).exit_code, 0);
  expect_refused(tiny({"capture.sampler.type=uniform"}), "data/tiny",
                 "capture.sampler.type: \"all\" -> \"uniform\"");
  expect_refused(tiny({"tokenizer.max_length=5"}), "data/tiny", "tokenizer.max_length: 64 -> 5");
}

TEST_F(DataRoot, RefusesAChangedDatasetAndAChangedModel) {
  const auto model = copy_of_tiny_model("model").string();
  ASSERT_EQ(run(tiny({"model.name=" + model})).exit_code, 0);
  write("model/tokenizer.json", read_file(model + "/tokenizer.json") + "\n");
  expect_refused(tiny({"model.name=" + model}), "data/tiny", "tokenizer.json");
  copy_of_tiny_model("same-model");
  write("tiny.jsonl", "{\"text\": \"another\"}\n");
  expect_refused(tiny({"model.name=same-model"}), "data/tiny", "dataset file");
}

TEST_F(DataRoot, ReplaceLeavesExactlyTheNewCapture) {
  const std::vector<std::string> fewer = {"capture.layers=[1]", "output.data_root=data/fresh"};
  ASSERT_EQ(run(tiny(fewer)).exit_code, 0);
  ASSERT_EQ(run(tiny()).exit_code, 0);
  const Outcome outcome = run(with_flag(tiny({"capture.layers=[1]"}), "--replace"));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(captured_files(path("data/tiny")), captured_files(path("data/fresh")));
  EXPECT_FALSE(fs::exists(path("data/tiny/l00h00q")));
}

TEST_F(DataRoot, RefusesForeignFilesAndLeavesThem) {
  write("data/tiny/notes.txt", "mine");
  expect_refused(tiny(), "data/tiny", "notes.txt");
  expect_refused(with_flag(tiny(), "--replace"), "data/tiny", "notes.txt");
  EXPECT_THAT(all_files(path("data")), ElementsAre(Pair("tiny/notes.txt", sha256("mine"))));
}

TEST_F(DataRoot, RefusesAForeignFileInsideAFinishedCapture) {
  ASSERT_EQ(run(tiny()).exit_code, 0);
  write("data/tiny/l00h00q/notes.txt", "mine");
  expect_refused(with_flag(tiny({"capture.layers=[1]"}), "--replace"), "data/tiny",
                 "l00h00q/notes.txt");
}

TEST_F(DataRoot, RefusesToReplaceACardThatWasEdited) {
  ASSERT_EQ(run(tiny()).exit_code, 0);
  write("data/tiny/README.md", "my findings");
  expect_refused(with_flag(tiny({"capture.layers=[1]"}), "--replace"), "data/tiny", "README.md");
}

TEST_F(DataRoot, RefusesAFileInPlaceOfAFolder) {
  write("data/tiny", "a file");
  const Outcome outcome = run(tiny());
  EXPECT_EQ(outcome.exit_code, kRefused);
  EXPECT_THAT(outcome.err, HasSubstr("not a folder"));
  EXPECT_EQ(read_file(path("data/tiny")), "a file");
}

TEST_F(DataRoot, RefusesASecondRunAtTheSameTime) {
  const Arguments arguments = sample({"inference.debug_logging=true", "dataset.max_samples=12"});
  Program first(arguments, folder_.path());
  first.wait_for("batch 1:");
  const Outcome second = run(arguments);
  EXPECT_EQ(second.exit_code, kRefused);
  EXPECT_THAT(second.err, HasSubstr("another run"));
  EXPECT_EQ(first.wait().exit_code, 0);
}

TEST_F(DataRoot, IsFreeForAnotherConfigWhenNothingWasCapturedYet) {
  write("nulls.jsonl", "{\"text\": \"a\"}\n{\"text\": null}\n");
  const Outcome failed = run(tiny({"dataset.path=nulls.jsonl"}));
  ASSERT_EQ(failed.exit_code, 7);
  const Outcome corrected = run(tiny({"dataset.path=nulls.jsonl", "dataset.on_bad_text=skip"}));
  EXPECT_EQ(corrected.exit_code, 0) << corrected.err;
}

}  // namespace
}  // namespace qk::e2e

// Names instead of paths, and a push at the end, against the server of tests/hub.
#include <cstdlib>

#include "base/files.h"
#include "tests/base/parquet_texts.h"
#include "tests/e2e/hub_run.h"

namespace qk::e2e {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using tests::Json;

constexpr const char* kTexts = "datasets/org/texts";

const std::vector<std::string> kTiny = {"In the beginning was the Word",
                                        "and the Word was with God, and the Word was God.",
                                        "The same was in the beginning with God."};

TEST_F(HubRun, ModelByNameGivesTheBytesOfTheLocalModel) {
  run_well(tiny());
  const Hashes local = captured_files(path("data/tiny"));
  fs::remove_all(path("data"));
  run_well(from_hub());
  EXPECT_EQ(captured_files(path("data/tiny")), local);
  const std::string commit = hub_.head(kModel);
  EXPECT_THAT(run_json().dump(), AllOf(HasSubstr(commit), Not(HasSubstr("hf_write"))));
  EXPECT_THAT(read_file(path("data/tiny/README.md")), HasSubstr(commit));
}

TEST_F(HubRun, DatasetByNameIsTheSameStreamedAndDownloaded) {
  run_well(tiny());
  const Hashes local = captured_files(path("data/tiny"));
  tests::write_parquet(path("texts.parquet"), kTiny, 2);
  hub_.control({{"do", "add"},
                {"repo", kTexts},
                {"copies", {{"data/train-00000-of-00001.parquet", path("texts.parquet")}}}});
  hub_.add("datasets/org/lines", {{"train.jsonl", read_file(path("tiny.jsonl"))}});
  const fs::path blob =
      path("hub/datasets--org--texts/blobs") / sha256_of_file(path("texts.parquet"));
  for (const char* streaming : {"true", "false"}) {
    for (const char* dataset : {"org/lines", "org/texts"}) {
      fs::remove_all(path("data"));
      run_well(tiny(
          {std::string("dataset.path=") + dataset, std::string("dataset.streaming=") + streaming}));
      Hashes files = captured_files(path("data/tiny"));
      EXPECT_EQ(files["l00h00q/data.parquet"], local.at("l00h00q/data.parquet"))
          << dataset << " streaming: " << streaming;
    }
    const bool streamed = streaming == std::string("true");
    EXPECT_NE(fs::exists(blob), streamed) << "streaming leaves nothing in the cache";
    EXPECT_EQ(hub_.log().back()["range"].get<std::string>().starts_with("bytes="), streamed);
  }
  EXPECT_THAT(run_json().dump(), HasSubstr(hub_.head(kTexts)));
}

TEST_F(HubRun, CaptureOfNamesIsVerifiedAndRecomputedByThem) {
  tests::write_parquet(path("texts.parquet"), kTiny, 2);
  hub_.control({{"do", "add"},
                {"repo", kTexts},
                {"copies", {{"data/train-00000-of-00001.parquet", path("texts.parquet")}}}});
  for (const char* streaming : {"true", "false"}) {
    SCOPED_TRACE(streaming);
    run_well(with_flag(from_hub({"tokenizer.name=org/tiny", "dataset.path=org/texts",
                                 std::string("dataset.streaming=") + streaming}),
                       "--replace"));
    const Outcome outcome = run({"verify", "data/tiny", "--recompute", "100%"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
    EXPECT_THAT(outcome.out, AllOf(HasSubstr("recomputed 3 documents"), HasSubstr("same bits")));
  }

  std::string weights = read_file(path("golden/llama/model/model.safetensors"));
  weights.back() ^= 0x40;
  write("other.safetensors", weights);
  hub_.control({{"do", "add"},
                {"repo", kModel},
                {"copies", {{"model.safetensors", path("other.safetensors")}}}});
  const Outcome outcome = run({"verify", "data/tiny", "--recompute", "100%"});
  EXPECT_EQ(outcome.exit_code, 6) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("model file model.safetensors"));
}

TEST_F(HubRun, DatasetMadeByAScriptIsReadFromTheParquetCopy) {
  tests::write_parquet(path("texts.parquet"), kTiny, 2);
  hub_.add(kTexts, {{"texts.py", "import datasets"}});
  hub_.control({{"do", "add"},
                {"repo", kTexts},
                {"branch", "refs/convert/parquet"},
                {"copies", {{"default/train/0000.parquet", path("texts.parquet")}}}});
  const std::string said = run_well(tiny({"dataset.path=org/texts", "dataset.streaming=true"}));
  EXPECT_THAT(said, HasSubstr("Parquet copy"));
}

TEST_F(HubRun, HubErrorsHaveTheirExitCode) {
  for (const char* override :
       {"model.name=org/none", "tokenizer.name=org/none", "dataset.path=org/none"}) {
    const Outcome outcome = run(tiny({override}));
    EXPECT_EQ(outcome.exit_code, 5) << override << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr("no such repository"));
  }
  EXPECT_EQ(run(tiny({"model.name=./nowhere"})).exit_code, 2);
}

TEST_F(HubRun, DownloadPrintsTheFolderThatRunsTakeOffline) {
  const Outcome outcome = run({"download", "org/tiny"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const std::string folder = outcome.out.substr(0, outcome.out.find('\n'));
  EXPECT_TRUE(fs::exists(fs::path(folder) / "model.safetensors")) << folder;
  ::setenv("HF_HUB_OFFLINE", "1", 1);
  run_well(from_hub());
}

TEST_F(HubRun, FailedPushKeepsTheCaptureAndIsRepeatedAlone) {
  hub_.fail("POST /api/datasets/org/captures/commit", 403, 1);
  const Outcome outcome = run(pushing());
  EXPECT_EQ(outcome.exit_code, 5);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("sniff-qk push"), HasSubstr("whole in data/tiny")));
  EXPECT_TRUE(fs::exists(path("data/tiny/run.json")));
  hub_.control({{"do", "clear"}});
  run_well(command("push", pushing()));
  EXPECT_EQ(hub_.count("PUT /upload"), 0) << "what had arrived was sent again";
  EXPECT_EQ(branch(), all_files(path("data/tiny")));
}

TEST_F(HubRun, WithoutTokenNothingIsCapturedUnlessNothingIsToBePushed) {
  ::unsetenv("HF_TOKEN");
  const Outcome outcome = run(pushing());
  EXPECT_EQ(outcome.exit_code, 5);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("HF_TOKEN"), HasSubstr("--no-push")));
  EXPECT_FALSE(fs::exists(path("data/tiny")));
  run_well(with_flag(pushing(), "--no-push"));
  EXPECT_TRUE(hub_.repo(kOut).is_null());
  EXPECT_EQ(run(command("push", tiny())).exit_code, 2) << "no repository is named";
}

TEST_F(HubRun, TokenOfDotEnvIsUsed) {
  ::unsetenv("HF_TOKEN");
  write(".env", "HF_TOKEN=hf_write\n");
  run_well(pushing());
}

}  // namespace
}  // namespace qk::e2e

// Every kind of mistake: its exit code and what the message says. Nothing is captured.
#include "base/files.h"
#include "tests/e2e/workspace.h"

namespace qk::e2e {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class Mistake : public Workspace {
 protected:
  void expect_error(const Arguments& arguments, int code,
                    const std::vector<std::string>& said) const {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.exit_code, code);
    for (const std::string& text : said) EXPECT_THAT(outcome.err, HasSubstr(text));
    EXPECT_THAT(outcome.out, testing::IsEmpty());
    EXPECT_THAT(captured_files(path("data")), testing::IsEmpty());
  }

  /// Replaces the first `old_text` in a file.
  void edit(const fs::path& file, const std::string& old_text, const std::string& text) const {
    std::string content = read_file(file);
    const size_t place = content.find(old_text);
    ASSERT_NE(place, std::string::npos) << old_text;
    write(fs::relative(file, path(".")).string(), content.replace(place, old_text.size(), text));
  }
};

TEST_F(Mistake, InAConfigIsReportedWithAllOthersAtOnce) {
  write("bad.yaml", R"(
dataset: {path: x.jsonl, textcolumn: a}
model: {nam: y, dtype: float17}
capture: {sampler: {type: unifrm}, min_bucket_size: 0}
output: {compression_level: 99}
unheard: 1
)");
  expect_error({"--config", "bad.yaml"}, 2,
               {"bad.yaml has 8 mistakes", "dataset.textcolumn: unknown key",
                "Did you mean dataset.text_column?", "model.name: missing",
                "model.nam: unknown key", "model.dtype: \"float17\" is unknown",
                "Did you mean float16?", "capture.sampler.type: \"unifrm\" is unknown",
                "Did you mean uniform?", "capture.min_bucket_size: 0 is too small",
                "output.compression_level: 99", "unheard: unknown key", "line 2", "line 6"});
}

TEST_F(Mistake, InAnOverrideNamesTheOverride) {
  expect_error(tiny({"capture.layers=no"}), 2, {"--set capture.layers=no"});
  expect_error(tiny({"bogus"}), 2, {"--set bogus", "section.key=value"});
}

TEST_F(Mistake, InTheArgumentsEndsWithTwo) {
  expect_error({}, 2, {"--config FILE is missing"});
  expect_error({"--bogus"}, 2, {"--bogus"});
  expect_error({"--config", "nowhere.yaml"}, 2, {"nowhere.yaml", "No such file"});
}

TEST_F(Mistake, UnknownKeyInInferenceIsOnlyAWarningInAFile) {
  expect_error(tiny({"inference.distributed=true"}), 2, {"inference.distributed: unknown key"});
  edit(path("tiny.yaml"), "inference:\n", "inference:\n  distributed: true\n");
  const Outcome outcome = run(tiny());
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.err, HasSubstr("warning: "));
  EXPECT_THAT(outcome.err, HasSubstr("inference.distributed: unknown key, ignored"));
}

TEST_F(Mistake, LayerOrHeadThatTheModelLacks) {
  expect_error(tiny({"capture.layers=[9]"}), 2, {"capture.layers", "no layer 9"});
  expect_error(tiny({"capture.heads=[99]"}), 2, {"capture.heads", "99"});
}

TEST_F(Mistake, ModelFolderThatIsMissing) {
  expect_error(tiny({"model.name=nowhere"}), 2, {"model.name", "nowhere"});
}

TEST_F(Mistake, UnknownFamilyListsThoseThereAre) {
  const fs::path model = copy_of_tiny_model("model");
  edit(model / "config.json", "\"model_type\": \"llama\"", "\"model_type\": \"gpt2\"");
  expect_error(tiny({"model.name=model"}), 3,
               {"model/config.json", "gpt2", "gemma3, gemma3_text, glm, glm4, llama", "smollm3"});
}

TEST_F(Mistake, DamagedCheckpoint) {
  const fs::path weights = copy_of_tiny_model("model") / "model.safetensors";
  fs::resize_file(weights, 200'000);
  expect_error(tiny({"model.name=model"}), 3, {"model.safetensors", "damaged or incomplete"});
}

TEST_F(Mistake, CheckpointWithoutWeightsOrConfig) {
  fs::remove(copy_of_tiny_model("model") / "model.safetensors");
  expect_error(tiny({"model.name=model"}), 3, {"no weights here"});
  fs::remove(path("model/config.json"));
  expect_error(tiny({"model.name=model"}), 3, {"model/config.json", "no such file"});
}

TEST_F(Mistake, MissingOrDamagedTokenizer) {
  const fs::path tokenizer = copy_of_tiny_model("model") / "tokenizer.json";
  write("model/tokenizer.json", "{");
  expect_error(tiny({"model.name=model"}), 4, {"tokenizer.json", "damaged"});
  fs::remove(tokenizer);
  expect_error(tiny({"model.name=model"}), 4, {"no tokenizer.json"});
}

TEST_F(Mistake, MissingDatasetColumnOrSplit) {
  expect_error(tiny({"dataset.path=nowhere.jsonl"}), 7, {"dataset.path", "nowhere.jsonl"});
  expect_error(tiny({"dataset.text_column=txt"}), 7, {"no column 'txt'", "there are: id, text"});
  expect_error(tiny({"dataset.id_column=idd"}), 7, {"no column 'idd'", "there are: id, text"});
  expect_error(tiny({"dataset.split=test"}), 7, {"no split 'test'", "there are: train"});
}

TEST_F(Mistake, DatasetWithoutARow) {
  write("empty.jsonl", "");
  expect_error(tiny({"dataset.path=empty.jsonl"}), 7, {"empty.jsonl", "no row"});
}

TEST_F(Mistake, TextThatIsNullOrNoTextNamesTheRow) {
  write("null.jsonl", "{\"text\": \"a\"}\n{\"text\": null}\n");
  expect_error(tiny({"dataset.path=null.jsonl"}), 7, {"null.jsonl, line 2", "null"});
  write("number.jsonl", "{\"text\": \"a\"}\n{\"text\": 5}\n");
  expect_error(tiny({"dataset.path=number.jsonl", "output.data_root=data/number"}), 7,
               {"number.jsonl, line 2", "int"});
}

TEST_F(Mistake, RowThatIsNoJson) {
  write("broken.jsonl", "{\"text\": \"a\"}\n{\"text\": \"b\"\n");
  expect_error(tiny({"dataset.path=broken.jsonl"}), 7, {"broken.jsonl, line 2", "not valid JSON"});
}

}  // namespace
}  // namespace qk::e2e

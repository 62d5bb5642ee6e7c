// sniff-qk verify, as a user runs it.
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "tests/e2e/workspace.h"

namespace qk::e2e {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class VerifyCommand : public Workspace {
 protected:
  Outcome verify(Arguments arguments) const {
    arguments.insert(arguments.begin(), {"verify", "data/tiny"});
    return run(arguments);
  }
};

TEST_F(VerifyCommand, CallsAGoodCaptureGoodAndRecomputesIt) {
  ASSERT_EQ(run(tiny({"capture.capture_token_strings=true"})).exit_code, 0);
  const Outcome outcome = verify({"--recompute", "100%"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("good: "));
  EXPECT_THAT(outcome.out, HasSubstr("recomputed 3 documents: "));
  EXPECT_THAT(outcome.out, HasSubstr("all the same bits"));
}

TEST_F(VerifyCommand, FollowsTheCutOfMaxRowsAndTheLogarithmicSampler) {
  for (const char* sampler : {"uniform", "log_uniform"}) {
    const Arguments arguments =
        tiny({std::string("capture.sampler.type=") + sampler, "capture.sampler.base_rate=12",
              "capture.max_rows_per_batch=3", "dataset.id_column=id"});
    ASSERT_EQ(run(with_flag(arguments, "--replace")).exit_code, 0);
    const Outcome outcome = verify({"--recompute", "0.5"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr("recomputed 2 documents"));
  }
}

TEST_F(VerifyCommand, NamesDamageAndEndsWithSix) {
  ASSERT_EQ(run(tiny()).exit_code, 0);
  const fs::path file = path("data/tiny/l00h00q/data.parquet");
  std::string bytes = read_file(file);
  bytes[bytes.size() / 2] ^= 1;
  write("data/tiny/l00h00q/data.parquet", bytes);
  const Outcome outcome = verify({"--json"});
  EXPECT_EQ(outcome.exit_code, 6);
  const auto report = nlohmann::json::parse(outcome.out);
  EXPECT_FALSE(report.at("good"));
  EXPECT_EQ(report.at("problems").at(0).at("file"), "l00h00q/data.parquet");
}

TEST_F(VerifyCommand, SaysThatTheModelIsAnotherOne) {
  const fs::path model = copy_of_tiny_model("model");
  ASSERT_EQ(run(tiny({"model.name=model"})).exit_code, 0);
  std::string weights = read_file(model / "model.safetensors");
  weights.back() ^= 0x40;
  write("model/model.safetensors", weights);
  const Outcome outcome = verify({"--recompute", "100%"});
  EXPECT_EQ(outcome.exit_code, 6);
  EXPECT_THAT(outcome.out, HasSubstr("model file model.safetensors"));
}

TEST_F(VerifyCommand, RefusesWhatIsNoFinishedCapture) {
  fs::create_directory(path("data"));
  for (const char* root : {"data", "nowhere"}) {
    const Outcome outcome = run({"verify", root});
    EXPECT_EQ(outcome.exit_code, 6);
    EXPECT_THAT(outcome.err, HasSubstr(root));
  }
  EXPECT_EQ(run({"verify", "data", "--recompute", "much"}).exit_code, 2);
}

}  // namespace
}  // namespace qk::e2e

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "checkpoint/safetensors.h"
#include "tests/base/temporary_folder.h"
#include "tests/checkpoint/errors.h"
#include "tests/checkpoint/safetensors_bytes.h"

namespace qk::checkpoint {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using tests::checkpoint_error_of;
using tests::TemporaryFolder;

constexpr auto kIndex = "model.safetensors.index.json";

/// A file of one tensor of one byte.
std::string one_tensor(const std::string& name, char value, const std::string& dtype = "U8") {
  const std::string header =
      fmt::format(R"({{"{}":{{"dtype":"{}","shape":[1],"data_offsets":[0,1]}}}})", name, dtype);
  return tests::safetensors_bytes(header, std::string(1, value));
}

class WeightsTest : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& content) { folder_.write(name, content); }
  Weights open() const { return Weights::open(folder_.path()); }
  std::string error() const {
    return checkpoint_error_of([&] { Weights::open(folder_.path()); });
  }
  std::string error_of_tensor(const std::string& name) const {
    const Weights weights = open();
    return checkpoint_error_of([&] { weights.at(name); });
  }
  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }

 private:
  TemporaryFolder folder_;
};

TEST_F(WeightsTest, ReadsSingleFile) {
  write("model.safetensors", one_tensor("w", 'x'));
  const Weights weights = open();
  EXPECT_THAT(weights.names(), ElementsAre("w"));
  EXPECT_TRUE(weights.contains("w"));
  EXPECT_FALSE(weights.contains("v"));
  EXPECT_EQ(static_cast<char>(*weights.at("w").data), 'x');
  EXPECT_THAT(weights.files(), ElementsAre(path("model.safetensors")));
}

TEST_F(WeightsTest, ReadsShards) {
  write("a.safetensors", one_tensor("v", 'a'));
  write("sub/b.safetensors", one_tensor("w", 'b'));
  write(
      kIndex,
      R"({"metadata":{"total_size":2},"weight_map":{"w":"sub/b.safetensors","v":"a.safetensors"}})");
  const Weights weights = open();
  EXPECT_THAT(weights.names(), ElementsAre("v", "w"));
  EXPECT_EQ(static_cast<char>(*weights.at("v").data), 'a');
  EXPECT_EQ(static_cast<char>(*weights.at("w").data), 'b');
  EXPECT_THAT(weights.files(), ElementsAre(path("a.safetensors"), path("sub/b.safetensors")));
}

TEST_F(WeightsTest, PrefersSingleFileToIndex) {
  write("model.safetensors", one_tensor("w", 'x'));
  write(kIndex, "damaged");
  EXPECT_THAT(open().names(), ElementsAre("w"));
}

TEST_F(WeightsTest, OpensShardsOnFirstUseAndOnce) {
  write("a.safetensors", one_tensor("v", 'a'));
  write("broken.safetensors", "short");
  write(kIndex, R"({"weight_map":{"v":"a.safetensors","w":"broken.safetensors"}})");
  const Weights weights = open();
  const TensorView& first = weights.at("v");
  EXPECT_EQ(&weights.at("v"), &first);
  EXPECT_THAT(checkpoint_error_of([&] { weights.at("w"); }), HasSubstr(path("broken.safetensors")));
}

TEST_F(WeightsTest, KeepsTensorsWhileACopyLives) {
  write("model.safetensors", one_tensor("w", 'x'));
  auto original = std::make_unique<Weights>(open());
  const Weights copy = *original;
  const TensorView& tensor = original->at("w");
  original.reset();
  EXPECT_EQ(static_cast<char>(*tensor.data), 'x');
}

TEST_F(WeightsTest, NamesTensorThatIsNowhere) {
  write("model.safetensors", one_tensor("w", 'x'));
  EXPECT_THAT(error_of_tensor("v"), HasSubstr(R"(no tensor "v")"));
}

TEST_F(WeightsTest, NamesTensorAndShardThatLacksIt) {
  write("a.safetensors", one_tensor("v", 'a'));
  write(kIndex, R"({"weight_map":{"w":"a.safetensors"}})");
  EXPECT_THAT(error_of_tensor("w"), AllOf(HasSubstr(path("a.safetensors")), HasSubstr("\"w\"")));
}

TEST_F(WeightsTest, NamesTensorOfUnknownType) {
  write("model.safetensors", one_tensor("w", 'x', "F6_E2M3"));
  EXPECT_THAT(open().names(), ElementsAre("w"));
  EXPECT_THAT(error_of_tensor("w"), AllOf(HasSubstr(path("model.safetensors")), HasSubstr("\"w\""),
                                          HasSubstr("F6_E2M3")));
}

TEST_F(WeightsTest, MissesAShardWhenATensorOfItIsNeeded) {
  write(kIndex, R"({"weight_map":{"w":"a.safetensors"}})");
  EXPECT_THAT(open().names(), ElementsAre("w"));
  EXPECT_THAT(error_of_tensor("w"),
              AllOf(HasSubstr(path(kIndex)), HasSubstr(path("a.safetensors"))));
}

TEST_F(WeightsTest, RejectsShardNamesThatLeaveTheFolder) {
  for (const char* name : {"../x.safetensors", "/etc/x.safetensors", "a/../../x.safetensors", "",
                           "x.bin", "a\\u0000.safetensors"}) {
    write(kIndex, fmt::format(R"({{"weight_map":{{"w":"{}"}}}})", name));
    EXPECT_THAT(error(), AllOf(HasSubstr("\"w\""), HasSubstr("no name of a safetensors file")))
        << name;
  }
}

TEST_F(WeightsTest, RejectsDamagedIndex) {
  for (const char* index : {"", "[]", "{}", R"({"weight_map":[]})", R"({"weight_map":{"w":1}})",
                            R"({"weight_map":{"w":"a.safetensors")"}) {
    write(kIndex, index);
    EXPECT_THAT(error(), HasSubstr(path(kIndex))) << index;
  }
}

TEST_F(WeightsTest, SaysWhenThereAreOnlyPyTorchWeights) {
  write("pytorch_model-00001-of-00002.bin", "");
  EXPECT_THAT(error(), AllOf(HasSubstr("only PyTorch weights"), HasSubstr("pytorch_model-00001")));
}

TEST_F(WeightsTest, SaysWhenThereIsNothing) {
  EXPECT_THAT(error(), AllOf(HasSubstr("no weights here"), HasSubstr("model.safetensors")));
  EXPECT_THAT(checkpoint_error_of([] { Weights::open("/absent/folder"); }),
              AllOf(HasSubstr("/absent/folder"), HasSubstr("No such file or directory")));
}

}  // namespace
}  // namespace qk::checkpoint

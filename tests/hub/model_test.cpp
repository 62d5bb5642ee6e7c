#include "hub/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "tests/base/temporary_folder.h"
#include "tests/hub/fake_hub.h"

namespace qk::hub {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::UnorderedElementsAre;
using tests::hub_error;

constexpr const char* kKey = "models/org/m";

class HubModel : public testing::Test {
 protected:
  HubModel() {
    hub_.add(kKey, {{"config.json", "{}"},
                    {"model.safetensors", "w"},
                    {"tokenizer.json", "{}"},
                    {"tokenizer_config.json", "{}"},
                    {"pytorch_model.bin", "pickle"},
                    {"README.md", "# model"}});
  }

  Settings settings() const { return hub_.settings(folder_.path() / "cache"); }
  Snapshot fetch(const std::string& revision = "main", ModelParts parts = {},
                 const std::string& id = "org/m") const {
    Client client(settings());
    TransferProgress progress;
    return fetch_model(client, id, revision, parts, progress);
  }
  std::string error(const std::string& revision = "main", const std::string& id = "org/m") const {
    return hub_error([&] { fetch(revision, {}, id); });
  }
  std::set<std::string> names(const Snapshot& snapshot) const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(snapshot.folder))
      names.insert(entry.path().filename().string());
    return names;
  }

  tests::TemporaryFolder folder_;
  tests::FakeHub hub_{folder_.path() / "hub"};
};

TEST_F(HubModel, OnlyNeededFilesAreFetched) {
  const Snapshot model = fetch();
  EXPECT_EQ(model.commit, hub_.head(kKey));
  EXPECT_THAT(names(model), UnorderedElementsAre("config.json", "model.safetensors",
                                                 "tokenizer.json", "tokenizer_config.json"));
}

TEST_F(HubModel, PartsComeAlone) {
  EXPECT_THAT(names(fetch("main", {.config = false, .weights = false})),
              UnorderedElementsAre("tokenizer.json", "tokenizer_config.json"));
  EXPECT_THAT(names(fetch("main", {.weights = false})),
              UnorderedElementsAre("config.json", "tokenizer.json", "tokenizer_config.json"));
}

TEST_F(HubModel, IndexBringsItsShards) {
  hub_.add("models/org/s", {{"config.json", "{}"},
                            {"tokenizer.json", "{}"},
                            {"a.safetensors", "1"},
                            {"b.safetensors", "2"},
                            {"c.safetensors", "3"},
                            {"model.safetensors.index.json",
                             R"({"weight_map": {"x": "a.safetensors", "y": "b.safetensors"}})"}});
  const ModelParts with_y{.tokenizer = false,
                          .needs = [](const std::string& tensor) { return tensor == "y"; }};
  EXPECT_THAT(names(fetch("main", with_y, "org/s")),
              UnorderedElementsAre("config.json", "b.safetensors", "model.safetensors.index.json"));
  EXPECT_THAT(names(fetch("main", {}, "org/s")),
              UnorderedElementsAre("config.json", "tokenizer.json", "a.safetensors",
                                   "b.safetensors", "model.safetensors.index.json"));
}

TEST_F(HubModel, HostileIndexIsRefused) {
  hub_.add("models/org/s", {{"config.json", "{}"},
                            {"tokenizer.json", "{}"},
                            {"model.safetensors.index.json", R"({"weight_map": {"x": "../a"}})"}});
  EXPECT_THAT(error("main", "org/s"), HasSubstr("leads elsewhere"));
}

TEST_F(HubModel, RevisionsAreBranchesOrCommits) {
  const std::string first = hub_.head(kKey);
  hub_.add(kKey, {{"config.json", "{\"stage\": 2}"}}, "stage2/step-1");
  EXPECT_EQ(read_file(fetch("stage2/step-1").folder / "config.json"), "{\"stage\": 2}");
  EXPECT_EQ(read_file(fetch(first).folder / "config.json"), "{}");
  EXPECT_THAT(error("v9"), AllOf(HasSubstr("model org/m"), HasSubstr("no revision 'v9'")));
}

TEST_F(HubModel, EachReasonNotToHaveItIsNamed) {
  EXPECT_THAT(error("main", "org/none"), HasSubstr("no such repository"));
  hub_.add("models/org/bin", {{"config.json", "{}"}, {"tokenizer.json", "{}"}, {"x.bin", "p"}});
  EXPECT_THAT(error("main", "org/bin"), HasSubstr("only pickled weights"));
  hub_.add("models/org/tok", {{"config.json", "{}"}, {"model.safetensors", "w"}});
  EXPECT_THAT(error("main", "org/tok"), HasSubstr("no tokenizer.json"));
  hub_.control({{"do", "set"}, {"repo", kKey}, {"gated", "manual"}});
  EXPECT_THAT(error(), AllOf(HasSubstr("model org/m is gated"), HasSubstr("Ask for access")));
}

TEST_F(HubModel, GatedModelComesWithATokenThatMayReadIt) {
  hub_.control({{"do", "set"}, {"repo", kKey}, {"gated", "auto"}, {"readers", {"write"}}});
  EXPECT_EQ(fetch().commit, hub_.head(kKey));
}

TEST_F(HubModel, OfflineTakesWhatIsInTheCache) {
  const Snapshot online = fetch();
  Settings offline = settings();
  offline.offline = true;
  Client client(offline);
  TransferProgress progress;
  EXPECT_EQ(fetch_model(client, "org/m", "main", {}, progress).folder, online.folder);
  EXPECT_EQ(fetch_model(client, "org/m", online.commit, {}, progress).folder, online.folder);
  EXPECT_THAT(hub_error([&] { fetch_model(client, "org/m", "dev", {}, progress); }),
              AllOf(HasSubstr("not whole in the cache"), HasSubstr("HF_HUB_OFFLINE")));
  fs::remove(online.folder / "model.safetensors");
  EXPECT_THAT(hub_error([&] { fetch_model(client, "org/m", "main", {}, progress); }),
              HasSubstr("model.safetensors is missing"));
}

TEST_F(HubModel, BrokenHubIsNoReasonToStopWhenTheCacheHasAll) {
  const Snapshot before = fetch();
  hub_.fail("GET /api", 503, 100);
  EXPECT_EQ(fetch().folder, before.folder);
}

}  // namespace
}  // namespace qk::hub

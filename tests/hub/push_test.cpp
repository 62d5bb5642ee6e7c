#include "hub/push.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "hub/branch_index.h"
#include "hub/pull.h"
#include "tests/base/temporary_folder.h"
#include "tests/hub/fake_hub.h"

namespace qk::hub {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using tests::hub_error;
using tests::Json;

constexpr const char* kKey = "datasets/org/d";

class HubPush : public testing::Test {
 protected:
  HubPush() {
    folder_.write("data/README.md", "# card");
    folder_.write("data/run.json", "{}");
    folder_.write("data/empty.txt", "");
    folder_.write("data/.sniff/lock", "hidden");
    for (const char* name : {"l00h00q", "l00h00k", "l01h00q"})
      folder_.write(std::string("data/") + name + "/data.parquet", std::string(3000, *name) + name);
  }

  fs::path data() const { return folder_.path() / "data"; }
  Settings settings() const { return hub_.settings(folder_.path() / "cache"); }
  PushResult push(size_t lines_per_commit = 1000) const {
    Client client(settings());
    TransferProgress progress;
    return push_folder(client,
                       {.repo_id = "org/d",
                        .branch = "run",
                        .is_private = true,
                        .lines_per_commit = lines_per_commit},
                       data(), {.model = "m|x", .dataset = "t", .configs = 3, .rows = 42},
                       progress);
  }
  std::string error() const {
    return hub_error([&] { push(); });
  }
  /// The branch holds the folder and nothing else.
  void expect_pushed() const {
    std::map<std::string, std::string> local;
    for (const auto& entry : fs::recursive_directory_iterator(data())) {
      const std::string path = entry.path().lexically_relative(data()).generic_string();
      if (entry.is_regular_file() && !path.starts_with('.'))
        local[path] = sha256_of_file(entry.path());
    }
    auto tree = hub_.tree(kKey, "run");
    EXPECT_EQ(tree.erase(".gitattributes"), 1u);
    EXPECT_EQ(tree, local);
  }

  tests::TemporaryFolder folder_;
  tests::FakeHub hub_{folder_.path() / "hub"};
};

TEST_F(HubPush, CreatesRepositoryAndBranch) {
  const PushResult result = push();
  EXPECT_EQ(result.sent, 6);
  EXPECT_EQ(result.commit, hub_.head(kKey, "run"));
  EXPECT_TRUE(hub_.repo(kKey)["private"].get<bool>());
  expect_pushed();
}

TEST_F(HubPush, EqualFilesAreNotSentAgainAndStaleOnesGo) {
  push();
  fs::remove_all(data() / "l01h00q");
  folder_.write("data/l02h00q/data.parquet", "new");
  hub_.control({{"do", "clear"}});
  const PushResult result = push();
  EXPECT_EQ(result.sent, 1);
  EXPECT_EQ(result.kept, 5);
  EXPECT_EQ(result.deleted, 1);
  EXPECT_EQ(hub_.count("PUT /upload"), 1);
  expect_pushed();
}

TEST_F(HubPush, NothingNewMakesNoCommit) {
  const PushResult first = push();
  hub_.control({{"do", "clear"}});
  EXPECT_EQ(push().commit, first.commit);
  EXPECT_EQ(hub_.count("/commit/"), 0);
}

TEST_F(HubPush, LargeFilesGoInPartsAndTheStoreNeverSeesTheToken) {
  hub_.control({{"do", "settings"}, {"chunk_bytes", 1000}});
  push();
  EXPECT_EQ(hub_.count("PUT /upload"), 12);
  EXPECT_EQ(hub_.count("objects/complete"), 3);
  for (const Json& request : hub_.log()) {
    if (request["server"] == "store") {
      EXPECT_EQ(request["authorization"], "") << request;
    }
  }
  expect_pushed();
}

TEST_F(HubPush, BrokenUploadsAreRepeated) {
  hub_.control({{"do", "settings"}, {"chunk_bytes", 1000}});
  hub_.fault("PUT /upload", "drop", {{"times", 2}});
  hub_.fail("PUT /upload", 503, 2);
  hub_.fail("PUT /upload", 403, 1);
  push();
  expect_pushed();
}

TEST_F(HubPush, BusyRepositoryAndForeignCommitsAreWaitedFor) {
  hub_.fail("POST /api/datasets/org/d/commit", 409, 2);
  hub_.fail("POST /api/datasets/org/d/commit", 412, 1);
  hub_.fail("POST /api/datasets/org/d/commit", 429, 1, {{"headers", {{"Retry-After", "1"}}}});
  hub_.fail("POST /api/datasets/org/d/commit", 500, 1);
  push();
  expect_pushed();
}

TEST_F(HubPush, CommitThatArrivedWithoutAnAnswerIsNotMadeTwice) {
  hub_.fault("POST /api/datasets/org/d/commit/run", "cut", {{"bytes", 3}});
  push();
  expect_pushed();
  EXPECT_EQ(hub_.repo(kKey)["commits"].size(), 3u) << "created, pushed, index";
}

TEST_F(HubPush, ManyFilesGrowBehindAndAppearInOneStep) {
  push();
  const std::string before = hub_.head(kKey, "run");
  for (int i = 0; i < 70; ++i)
    folder_.write("data/x" + std::to_string(i) + "/data.parquet", std::to_string(i));
  hub_.control({{"do", "settings"}, {"max_commit_lines", 30}});
  push(40);
  expect_pushed();
  const Json repo = hub_.repo(kKey);
  EXPECT_FALSE(repo["branches"].contains("sniff-qk-incoming/run"));
  // the pushed state was reached in several commits, none of which the branch ever stood at
  int steps = 0;
  for (std::string commit = repo["branches"]["run"]; commit != before; ++steps)
    commit = repo["commits"][commit]["parent"];
  EXPECT_GT(steps, 2);
  EXPECT_EQ(hub_.count("POST /api/datasets/org/d/commit/run"), 1) << "only the first push's";
}

TEST_F(HubPush, WrongListingAfterThePushIsAnError) {
  push();
  folder_.write("data/new.txt", "x");
  hub_.fail("GET /api/datasets/org/d/tree", 200, 100, {{"body", "[]"}});
  EXPECT_THAT(error(), HasSubstr("lists other files"));
}

TEST_F(HubPush, TokenThatMayNotWriteIsNamed) {
  Settings settings = this->settings();
  const auto error_with = [&](std::optional<std::string> token) {
    settings.token.reset();
    if (token) settings.token.emplace(*token);
    Client client(settings);
    TransferProgress progress;
    return hub_error([&] { push_folder(client, {.repo_id = "org/d"}, data(), {}, progress); });
  };
  EXPECT_THAT(error_with("hf_read"), HasSubstr("lacks the scope"));
  EXPECT_THAT(error_with("hf_wrong"), HasSubstr("refuses the token"));
  EXPECT_THAT(error_with(std::nullopt), HasSubstr("HF_TOKEN"));
}

TEST_F(HubPush, MainListsTheBranches) {
  push();
  const auto readme = [&] {
    const auto tree = hub_.tree(kKey, "main");
    return read_file(folder_.path() / "hub/blobs" / tree.at("README.md"));
  };
  EXPECT_THAT(readme(), AllOf(HasSubstr("| `run` | m x | t | 3 | 42 |\n"),
                              HasSubstr("load_dataset(\"org/d\"")));
}

TEST_F(HubPush, ReadmeOfSomebodyElseStays) {
  hub_.add(kKey, {{"README.md", "# mine"}});
  push();
  EXPECT_EQ(read_file(folder_.path() / "hub/blobs" / hub_.tree(kKey, "main").at("README.md")),
            "# mine");
}

TEST_F(HubPush, FilesOfABranchComeBack) {
  push();
  Client client(settings());
  TransferProgress progress;
  const BranchContent branch = list_branch(client, "org/d", "run");
  EXPECT_EQ(branch.commit, hub_.head(kKey, "run"));
  EXPECT_EQ(branch.find(".gitattributes"), nullptr);
  const std::vector<std::string> paths = {"README.md", "empty.txt", "l01h00q/data.parquet"};
  const Target copy{.file = folder_.path() / "copy", .elsewhere = "go elsewhere"};
  fetch_branch_files(client, branch, paths, copy, progress);
  for (const std::string& path : paths)
    EXPECT_EQ(read_file(copy.file / path), read_file(data() / path)) << path;
  folder_.write("copy/README.md", "other.");
  EXPECT_FALSE(holds(copy.file / "README.md", *branch.find("README.md")));
  hub_.control({{"do", "clear"}});
  fetch_branch_files(client, branch, paths, copy, progress);
  EXPECT_EQ(hub_.count("HEAD /datasets/"), 1) << "what is right stays";
  EXPECT_EQ(read_file(copy.file / "README.md"), "# card");
}

TEST_F(HubPush, ManyFilesReachMainToo) {
  for (int i = 0; i < 70; ++i)
    folder_.write("data/x" + std::to_string(i) + "/data.parquet", std::to_string(i));
  hub_.control({{"do", "settings"}, {"max_commit_lines", 30}});
  Client client(settings());
  TransferProgress progress;
  push_folder(client, {.repo_id = "org/d"}, data(), {}, progress);
  EXPECT_EQ(hub_.tree(kKey, "main").size(), 76u + 1);
  EXPECT_EQ(hub_.repo(kKey)["branches"].size(), 1u);
}

TEST_F(HubPush, BranchThatMayNotBeMovedGetsOneLargeCommit) {
  for (int i = 0; i < 30; ++i)
    folder_.write("data/x" + std::to_string(i) + "/data.parquet", std::to_string(i));
  hub_.fail("POST /api/datasets/org/d/branch/main", 403, 100);
  Client client(settings());
  TransferProgress progress;
  const PushTarget target{.repo_id = "org/d", .lines_per_commit = 20};
  push_folder(client, target, data(), {}, progress);
  EXPECT_EQ(hub_.tree(kKey, "main").size(), 36u + 1);
  EXPECT_EQ(hub_.count("/commit/main"), 1);

  fs::remove_all(data() / "x0");
  for (int i = 30; i < 60; ++i)
    folder_.write("data/x" + std::to_string(i) + "/data.parquet", std::to_string(i));
  hub_.control({{"do", "settings"}, {"max_commit_lines", 22}});
  EXPECT_THAT(hub_error([&] { push_folder(client, target, data(), {}, progress); }),
              AllOf(HasSubstr("too many for one commit"), HasSubstr("output.hf_branch")));
  EXPECT_EQ(hub_.tree(kKey, "main").size(), 36u + 1) << "the branch is as it was";
}

TEST(HubBranchIndex, KeepsOtherLinesAndDropsThoseOfGoneBranches) {
  const std::set<std::string> both = {"main", "a", "b"};
  std::string readme = with_branch("", "o/d", "b", {.model = "m", .dataset = "t"}, both);
  readme = with_branch(readme, "o/d", "a", {.model = "n", .dataset = "t"}, both);
  EXPECT_LT(readme.find("| `a` | n"), readme.find("| `b` | m"));
  readme = with_branch(readme, "o/d", "a", {.model = "k", .dataset = "t"}, {"main", "a"});
  EXPECT_THAT(readme, AllOf(HasSubstr("| `a` | k"), Not(HasSubstr("| `b`"))));
  EXPECT_EQ(with_branch("# other", "o/d", "a", {}, both), "# other");
}

}  // namespace
}  // namespace qk::hub

#include "hub/download.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "base/files.h"
#include "hub/content_hash.h"
#include "tests/base/temporary_folder.h"
#include "tests/hub/fake_hub.h"

namespace qk::hub {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using tests::hub_error;
using tests::Json;

const Repo kRepo{.type = RepoType::Model, .id = "org/m"};
constexpr const char* kKey = "models/org/m";
constexpr const char* kLarge = "weights.safetensors";

class HubDownload : public testing::Test {
 protected:
  HubDownload() {
    for (int i = 0; i < 40'000; ++i) large_ += std::to_string(i) + ' ';
    hub_.add(kKey, {{"config.json", "{\"a\": 1}"}, {"sub/dir/x.txt", "text"}, {kLarge, large_}});
    commit_ = hub_.head(kKey);
  }

  Client client() const { return Client(hub_.settings(cache_)); }
  void fetch(const std::vector<std::string>& paths) const {
    Client client = this->client();
    TransferProgress progress;
    fetch_files(client, kRepo, commit_, paths, progress);
  }
  std::string error(const std::string& path = kLarge) const {
    return hub_error([&] { fetch({path}); });
  }
  fs::path file(const std::string& path) const {
    return Cache(cache_, kRepo).snapshot(commit_) / path;
  }
  fs::path partial() const {
    return cache_ / "models--org--m" / "blobs" / (sha256(large_) + ".incomplete");
  }
  void leave_partial(std::string_view content) const {
    fs::create_directories(partial().parent_path());
    write_file_atomically(partial(), content);
  }

  tests::TemporaryFolder folder_;
  tests::FakeHub hub_{folder_.path() / "hub"};
  fs::path cache_ = folder_.path() / "cache";
  std::string large_, commit_;
};

TEST_F(HubDownload, SnapshotsAreRelativeLinksToBlobsNamedByHash) {
  fetch({"config.json", "sub/dir/x.txt", kLarge});
  EXPECT_EQ(read_file(file("config.json")), "{\"a\": 1}");
  EXPECT_EQ(fs::read_symlink(file(kLarge)), "../../blobs/" + sha256(large_));
  EXPECT_EQ(fs::read_symlink(file("sub/dir/x.txt")), "../../../../blobs/" + git_oid("text"));
  EXPECT_EQ(read_file(file(kLarge)), large_);
  EXPECT_TRUE(fs::exists(cache_ / ".locks/models--org--m" / (sha256(large_) + ".lock")));
}

TEST_F(HubDownload, WhatIsThereIsNotAskedForAgain) {
  fetch({"config.json", kLarge});
  hub_.control({{"do", "clear"}});
  fetch({"config.json", kLarge});
  EXPECT_EQ(hub_.log().size(), 0u);
}

TEST_F(HubDownload, EqualContentOfAnotherCommitIsOnlyLinked) {
  fetch({kLarge});
  hub_.add(kKey, {{"config.json", "{}"}});
  commit_ = hub_.head(kKey);
  hub_.control({{"do", "clear"}});
  fetch({kLarge});
  EXPECT_EQ(hub_.count("GET"), 0);
  EXPECT_EQ(read_file(file(kLarge)), large_);
}

TEST_F(HubDownload, CutConnectionsGoOnWhereTheyBroke) {
  hub_.fault("GET /file/", "cut", {{"bytes", 100'000}});
  hub_.fault("GET /file/", "cut", {{"bytes", 50'000}});
  fetch({kLarge});
  EXPECT_EQ(read_file(file(kLarge)), large_);
  std::vector<std::string> ranges;
  for (const Json& request : hub_.log()) {
    if (request["server"] == "store") ranges.push_back(request["range"]);
  }
  EXPECT_EQ(ranges, (std::vector<std::string>{"", "bytes=100000-", "bytes=150000-"}));
}

TEST_F(HubDownload, GoesOnFromWhatAKilledProcessLeft) {
  leave_partial(large_.substr(0, 70'000));
  fetch({kLarge});
  EXPECT_EQ(read_file(file(kLarge)), large_);
  EXPECT_EQ(hub_.log().back()["range"], "bytes=70000-");
  EXPECT_FALSE(fs::exists(partial()));
}

TEST_F(HubDownload, DamagedRestOfAnEarlierDownloadIsFetchedAnew) {
  leave_partial(std::string(70'000, 'x'));
  fetch({kLarge});
  EXPECT_EQ(read_file(file(kLarge)), large_);
}

TEST_F(HubDownload, ServerThatIgnoresRangesSendsAllAgain) {
  leave_partial(large_.substr(0, 70'000));
  hub_.fault("GET /file/", "ignore_range");
  fetch({kLarge});
  EXPECT_EQ(read_file(file(kLarge)), large_);
}

TEST_F(HubDownload, ExpiredSignatureIsAskedForAgain) {
  hub_.fail("GET /file/", 403);
  fetch({kLarge});
  EXPECT_EQ(read_file(file(kLarge)), large_);
  EXPECT_EQ(hub_.count("HEAD /org/m/resolve"), 2);
}

TEST_F(HubDownload, WrongContentIsThrownAway) {
  hub_.fail("GET /file/", 200, 1, {{"body", std::string(large_.size(), 'x')}});
  EXPECT_THAT(error(), AllOf(HasSubstr(kLarge), HasSubstr("not what the Hub announced")));
  EXPECT_FALSE(fs::exists(partial()));
  EXPECT_FALSE(fs::exists(file(kLarge)));
  fetch({kLarge});
  EXPECT_EQ(read_file(file(kLarge)), large_);
}

TEST_F(HubDownload, TooLongContentEnds) {
  hub_.fail("GET /file/", 200, 1, {{"body", large_ + "x"}});
  EXPECT_THAT(error(), HasSubstr("more bytes arrive"));
}

TEST_F(HubDownload, TooShortContentEndsAfterSomeTries) {
  hub_.fail("GET /file/", 200, 100, {{"body", "short"}});
  EXPECT_THAT(error(), HasSubstr("ended at byte 5 of"));
}

TEST_F(HubDownload, ConnectionThatAlwaysBreaksEndsAndKeepsWhatCame) {
  hub_.fault("GET /file/", "cut", {{"bytes", 1000}});
  hub_.fault("GET /file/", "drop", {{"times", 100}});
  EXPECT_NE(error(), "");
  EXPECT_EQ(fs::file_size(partial()), 1000u);
}

TEST_F(HubDownload, AnswersWithoutHashAreNoHub) {
  hub_.fail("HEAD /org/m", 200, 1, {{"body", "x"}});
  EXPECT_THAT(error(), HasSubstr("no hash or no size"));
}

TEST_F(HubDownload, HostileHashesStayOutOfTheFileSystem) {
  hub_.fail("HEAD /org/m", 200, 1,
            {{"headers", {{"ETag", "\"../../../evil\""}, {"Content-Length", "3"}}}});
  EXPECT_THAT(error(), HasSubstr("no name for a file"));
}

TEST_F(HubDownload, HostilePathsAreRefused) {
  for (const char* path : {"../x", "/etc/passwd", "a/../../x", "a//b", "a\nb", "", "a/.", "C:\\x"})
    EXPECT_FALSE(is_safe_path(path)) << path;
  EXPECT_TRUE(is_safe_path("..a/b..c/.d"));
  Client client = this->client();
  for (const std::string path : {"../outside", "/etc/passwd", "a\nb", "a//b", "a/..", "C:\\x"}) {
    const std::string repo = "models/org/hostile" + std::to_string(path.size());
    hub_.add(repo, {{path, "x"}});
    const std::string said = hub_error(
        [&] { list_files(client, {.type = RepoType::Model, .id = repo.substr(7)}, "main"); });
    EXPECT_THAT(said, HasSubstr("leads elsewhere")) << path;
    EXPECT_EQ(said.find('\n'), std::string::npos) << said;
  }
}

TEST_F(HubDownload, TenThousandFilesAreListedInTenPages) {
  tests::Files files;
  for (int i = 0; i < 10'000; ++i) files[fmt::format("part/{:05}.parquet", i)] = "x";
  hub_.add("models/org/many", files);
  Client client = this->client();
  const std::vector<RepoFile> listed =
      list_files(client, {.type = RepoType::Model, .id = "org/many"}, "main");
  ASSERT_EQ(listed.size(), 10'001u) << "with .gitattributes";
  for (const RepoFile& file : listed) files.erase(file.path);
  EXPECT_TRUE(files.empty());
  EXPECT_EQ(hub_.count("GET /api/models/org/many/tree"), 11) << "a folder is listed too";
}

TEST_F(HubDownload, WaitsForAProcessThatHoldsTheLock) {
  const fs::path lock = Cache(cache_, kRepo).lock_file(sha256(large_));
  fs::create_directories(lock.parent_path());
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t other = ::fork();
  if (other == 0) {
    const FileLock held(lock, {});
    [[maybe_unused]] const auto written = ::write(ready[1], "x", 1);
    ::usleep(100'000);
    folder_.write("nearly done", "");
    ::_exit(0);
  }
  char letter = 0;
  ASSERT_EQ(::read(ready[0], &letter, 1), 1);
  fetch({kLarge});
  EXPECT_TRUE(fs::exists(folder_.path() / "nearly done")) << "the other process still has the lock";
  EXPECT_EQ(::waitpid(other, nullptr, 0), other);
  EXPECT_EQ(read_file(file(kLarge)), large_);
}

TEST_F(HubDownload, TwoAtOnceFetchOnce) {
  std::thread other([&] { fetch({kLarge}); });
  fetch({kLarge});
  other.join();
  EXPECT_EQ(hub_.count("GET /file/"), 1);
}

TEST_F(HubDownload, ProgressCountsEveryByteOnce) {
  Client client = this->client();
  int64_t done = 0, all = 0;
  TransferProgress progress([&](int64_t now, int64_t of) { done = now, all = of; });
  leave_partial(std::string(70'000, 'x'));
  fetch_files(client, kRepo, commit_, {kLarge}, progress);
  EXPECT_EQ(done, static_cast<int64_t>(large_.size()));
  EXPECT_EQ(all, done);
}

TEST_F(HubDownload, FileThatCannotGrowIsSaidAndGoneOnWithLater) {
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before = {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small = {.rlim_cur = 50'000, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string said = error();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_THAT(said, AllOf(HasSubstr("cannot write"), HasSubstr("HF_HUB_CACHE")));
  EXPECT_EQ(fs::file_size(partial()), 50'000u);
  fetch({kLarge});
  EXPECT_EQ(read_file(file(kLarge)), large_);
}

}  // namespace
}  // namespace qk::hub

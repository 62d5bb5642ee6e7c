// Downloads that are cut off, run twice at once, or find no room; over TLS and through a proxy.
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>

#include "base/files.h"
#include "tests/base/private_mounts.h"
#include "tests/e2e/hub_run.h"

namespace qk::e2e {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kWaiting = "waiting for another process";

class HubDownloadRun : public HubRun {
 protected:
  const Arguments download_ = {"download", "org/tiny"};

  /// The first connection breaks after 5000 bytes of the weights; the next request is held.
  void hold_in_the_middle() const {
    hub_.fault("GET /file/", "cut", {{"bytes", 5000}, {"server", "store"}});
    hub_.hold("GET /file/");
  }
  fs::path weights() const { return path("golden/llama/model/model.safetensors"); }
  fs::path blob() const { return path("hub/models--org--tiny/blobs") / sha256_of_file(weights()); }
  fs::path partial() const { return blob().string() + ".incomplete"; }
  fs::path lock() const {
    return path("hub/.locks/models--org--tiny") / (sha256_of_file(weights()) + ".lock");
  }

  void expect_whole() const {
    EXPECT_EQ(read_file(blob()), read_file(weights()));
    for (const auto& [name, hash] : all_files(path("hub/models--org--tiny/blobs")))
      EXPECT_THAT(name, Not(HasSubstr(".incomplete")));
  }
};

TEST_F(HubDownloadRun, CutOffItGoesOnWhereItWas) {
  for (const int signal : {SIGKILL, SIGINT, SIGTERM}) {
    fs::remove_all(path("hub"));
    hub_.control({{"do", "clear"}});
    hold_in_the_middle();
    const Outcome cut = run_until_held(download_, signal);
    if (signal == SIGKILL) {
      EXPECT_EQ(cut.signal, SIGKILL);
    } else {
      EXPECT_EQ(cut.exit_code, 130);
      EXPECT_THAT(cut.err, HasSubstr("stopped; the same command goes on from there"));
    }
    EXPECT_EQ(fs::file_size(partial()), 5000u);
    run_well(download_);
    EXPECT_THAT(ranges(), ElementsAre("", "bytes=5000-", "bytes=5000-"));
    expect_whole();
  }
}

/// The second program waits for the first, which stands in the middle of the weights.
class TwoHubDownloadRuns : public HubDownloadRun {
 protected:
  TwoHubDownloadRuns() {
    hold_in_the_middle();
    first_.emplace(download_, folder_.path());
    hub_.wait_until_held();
    second_.emplace(download_, folder_.path());
    second_->wait_for(kWaiting);
  }

  std::optional<Program> first_, second_;
};

TEST_F(TwoHubDownloadRuns, FetchOnce) {
  hub_.release();
  const Outcome one = first_->wait(), other = second_->wait();
  EXPECT_EQ(one.exit_code, 0) << one.err;
  EXPECT_EQ(other.exit_code, 0) << other.err;
  EXPECT_EQ(one.out, other.out);
  EXPECT_THAT(ranges(), ElementsAre("", "bytes=5000-", "bytes=5000-")) << "the second was held";
  expect_whole();
}

TEST_F(TwoHubDownloadRuns, OneIsKilledAndTheOtherGoesOn) {
  first_->send(SIGKILL);
  EXPECT_EQ(first_->wait().signal, SIGKILL);
  const Outcome other = second_->wait();
  hub_.release();
  EXPECT_EQ(other.exit_code, 0) << other.err;
  EXPECT_THAT(ranges(), ElementsAre("", "bytes=5000-", "bytes=5000-"));
  expect_whole();
}

TEST_F(HubDownloadRun, CtrlCEndsTheWaitForALock) {
  fs::create_directories(lock().parent_path());
  const int other = ::open(lock().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0664);
  ASSERT_EQ(::flock(other, LOCK_EX), 0);
  Program program(download_, folder_.path());
  program.wait_for(kWaiting);
  program.send(SIGINT);
  EXPECT_EQ(program.wait().exit_code, 130);
  ::close(other);
  run_well(download_);
  expect_whole();
}

TEST_F(HubDownloadRun, CertificatesAndProxiesOfTheEnvironmentAreUsed) {
  const tests::FakeHub secure(path("secure"), "IP:127.0.0.1,IP:127.0.0.2");
  ::setenv("HF_ENDPOINT", secure.url().c_str(), 1);
  const Outcome refused = run(download_);
  EXPECT_EQ(refused.exit_code, 5);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("self-signed"), HasSubstr("SSL_CERT_FILE")));

  secure.add_folder(kModel, path("golden/llama/model"));
  write(".env", "SSL_CERT_FILE=" + secure.certificate().string() +
                    "\nHTTPS_PROXY=" + secure.proxy_url() + "\n");
  ::setenv("NO_PROXY", "127.0.0.2", 1);
  ::setenv("no_proxy", "127.0.0.2", 1);
  run_well(download_);
  expect_whole();
  EXPECT_GT(secure.count("CONNECT 127.0.0.1:"), 0);
  EXPECT_EQ(secure.count("CONNECT 127.0.0.2:"), 0);
}

TEST_F(HubDownloadRun, FullDiskIsSaidAndGoneOnFromLater) {
  const Outcome outcome = [&] {
    ::setenv("QK_FAULT", "fail ENOSPC 200000", 1);
    Program program(download_, folder_.path(), Stderr::Pipe, QK_FAULTS_BINARY);
    ::unsetenv("QK_FAULT");
    return program.wait();
  }();
  EXPECT_EQ(outcome.exit_code, 5);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("no disk space left"), HasSubstr("HF_HUB_CACHE")));
  const auto came = fs::file_size(partial());
  EXPECT_GT(came, 0u);
  run_well(download_);
  EXPECT_EQ(ranges().back(), "bytes=" + std::to_string(came) + "-");
  expect_whole();
}

TEST_F(HubDownloadRun, RealDiskThatFillsUpIsSaidAndGoneOnFromLater) {
  fs::create_directories(path("hub"));
  if (!tests::enter_private_mounts()) GTEST_SKIP() << tests::kNeedsPrivateMounts;
  tests::mount_disk(path("hub"), "500k");
  hub_.hold("GET /file/");
  Program program(download_, folder_.path());
  hub_.wait_until_held();
  write("hub/filler", std::string(300'000, 'x'));
  hub_.release();
  const Outcome outcome = program.wait();
  EXPECT_EQ(outcome.exit_code, 5);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("no disk space left"), HasSubstr("HF_HUB_CACHE")));
  const auto came = fs::file_size(partial());
  EXPECT_GT(came, 0u);

  const Outcome too_small = run(download_);
  EXPECT_EQ(too_small.exit_code, 5);
  EXPECT_THAT(too_small.err, AllOf(HasSubstr("are needed"), HasSubstr("are free")));
  EXPECT_EQ(fs::file_size(partial()), came);

  fs::remove(path("hub/filler"));
  run_well(download_);
  EXPECT_EQ(ranges().back(), "bytes=" + std::to_string(came) + "-");
  expect_whole();
  ::umount2(path("hub").c_str(), MNT_DETACH);
}

}  // namespace
}  // namespace qk::e2e

#include "base/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <functional>
#include <system_error>

#include "tests/base/temporary_folder.h"

namespace qk {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using tests::TemporaryFolder;

std::system_error error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const std::system_error& error) {
    return error;
  }
  ADD_FAILURE() << "no std::system_error";
  return std::system_error(std::error_code());
}

std::string pattern(size_t bytes) {
  std::string text(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>(i * 31 % 251);
  return text;
}

/// Files of this process can't grow beyond `bytes` while it lives, as on a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : old_handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit{.rlim_cur = bytes, .rlim_max = old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, old_handler_);
  }

 private:
  void (*old_handler_)(int);
  rlimit old_{};
};

TEST(ReadFile, GivesEveryByte) {
  const TemporaryFolder folder;
  const std::string content = pattern(3'000'001);
  EXPECT_EQ(read_file(folder.write("a", content)), content);
  EXPECT_EQ(read_file(folder.write("empty", "")), "");
}

TEST(ReadFile, NamesMissingFileAndReason) {
  const TemporaryFolder folder;
  const auto error = error_of([&] { read_file(folder.path() / "absent"); });
  EXPECT_EQ(error.code().value(), ENOENT);
  EXPECT_THAT(error.what(), HasSubstr((folder.path() / "absent").string()));
  EXPECT_THAT(error.what(), HasSubstr("No such file or directory"));
}

TEST(ReadFile, RefusesFolder) {
  const TemporaryFolder folder;
  EXPECT_EQ(error_of([&] { read_file(folder.path()); }).code().value(), EISDIR);
}

TEST(WriteFileAtomically, CreatesAndReplaces) {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "state.json";
  write_file_atomically(file, "old");
  EXPECT_EQ(read_file(file), "old");
  const std::string content = pattern(2'500'000);
  write_file_atomically(file, content);
  EXPECT_EQ(read_file(file), content);
  EXPECT_THAT(folder.names(), ElementsAre("state.json"));
}

TEST(WriteFileAtomically, GivesUsualPermissions) {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "a";
  const mode_t old_mask = ::umask(022);
  write_file_atomically(file, "a");
  ::umask(old_mask);
  EXPECT_EQ(fs::status(file).permissions(), fs::perms(0644));
}

TEST(WriteFileAtomically, KeepsOldFileWhenTheDiskIsFull) {
  const TemporaryFolder folder;
  const fs::path file = folder.write("a", "old");
  const std::string content = pattern(100'000);
  {
    const FileSizeLimit limit(4096);
    const auto error = error_of([&] { write_file_atomically(file, content); });
    EXPECT_EQ(error.code().value(), EFBIG);
    EXPECT_THAT(error.what(), HasSubstr("cannot write " + file.string()));
  }
  EXPECT_EQ(read_file(file), "old");
  EXPECT_THAT(folder.names(), ElementsAre("a"));
}

TEST(WriteFileAtomically, LeavesNothingBehindWhenTheRenameFails) {
  const TemporaryFolder folder;
  folder.write("taken/inside", "");
  const auto error = error_of([&] { write_file_atomically(folder.path() / "taken", "new"); });
  EXPECT_EQ(error.code().value(), EISDIR);
  EXPECT_THAT(folder.names(), ElementsAre("taken"));
}

TEST(WriteFileAtomically, NeedsTheFolder) {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "absent" / "a";
  const auto error = error_of([&] { write_file_atomically(file, "a"); });
  EXPECT_EQ(error.code().value(), ENOENT);
  EXPECT_THAT(error.what(), HasSubstr(file.string()));
}

TEST(MappedFile, ShowsTheBytes) {
  const TemporaryFolder folder;
  const std::string content = pattern(10'000);
  const MappedFile mapped(folder.write("a", content));
  const auto bytes = mapped.bytes();
  EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()), content);
}

TEST(MappedFile, OfEmptyFileIsEmpty) {
  const TemporaryFolder folder;
  EXPECT_TRUE(MappedFile(folder.write("a", "")).bytes().empty());
}

TEST(MappedFile, KeepsBytesOfReplacedFile) {
  const TemporaryFolder folder;
  const fs::path file = folder.write("a", "old");
  const MappedFile mapped(file);
  write_file_atomically(file, "new");
  EXPECT_EQ(static_cast<char>(mapped.bytes()[0]), 'o');
}

TEST(MappedFile, RefusesWhatIsNoRegularFile) {
  const TemporaryFolder folder;
  const fs::path pipe = folder.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(error_of([&] { MappedFile{folder.path() / "absent"}; }).code().value(), ENOENT);
  EXPECT_EQ(error_of([&] { MappedFile{folder.path()}; }).code().value(), EISDIR);
  EXPECT_EQ(error_of([&] { MappedFile{pipe}; }).code().value(), ENODEV);
}

TEST(Sha256, OfKnownTexts) {  // FIPS 180-2, appendix B
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256, OfFileIsThatOfItsBytes) {
  const TemporaryFolder folder;
  const std::string content = pattern(3'000'001);
  EXPECT_EQ(sha256_of_file(folder.write("a", content)), sha256(content));
  EXPECT_EQ(sha256_of_file(folder.write("empty", "")), sha256(""));
}

TEST(Sha256, NamesMissingFile) {
  const auto error = error_of([] { sha256_of_file("/absent/file"); });
  EXPECT_THAT(error.what(), HasSubstr("/absent/file"));
}

}  // namespace
}  // namespace qk

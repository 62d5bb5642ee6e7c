#pragma once
/// A folder of the running test alone, removed with this object.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <string_view>

namespace qk::tests {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    std::string name = std::string("qk-") + test->test_suite_name() + "." + test->name();
    for (char& letter : name) {
      if (letter == '/') letter = '-';
    }
    path_ = std::filesystem::path(testing::TempDir()) / (name + "." + std::to_string(::getpid()));
    std::filesystem::create_directories(path_);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::filesystem::path& path() const { return path_; }

  std::filesystem::path write(const std::string& name, std::string_view content) const {
    const std::filesystem::path file = path_ / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream stream(file, std::ios::binary);
    stream << content << std::flush;
    EXPECT_TRUE(stream.good()) << file;
    return file;
  }

  /// Names of what lies in the folder.
  std::set<std::string> names() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      names.insert(entry.path().filename().string());
    }
    return names;
  }

 private:
  std::filesystem::path path_;
};

/// A folder that ends with this process.
inline const std::filesystem::path& process_folder() {
  static const TemporaryFolder folder;
  return folder.path();
}

}  // namespace qk::tests

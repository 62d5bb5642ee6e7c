/// tests/data/broken/checkpoint/: each file is refused, for the damage that its name tells.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <set>

#include "checkpoint/safetensors.h"
#include "tests/checkpoint/errors.h"

namespace qk::checkpoint {
namespace {

namespace fs = std::filesystem;

const fs::path kFolder = fs::path(QK_SOURCE_DIR) / "tests/data/broken/checkpoint";

const std::map<std::string, std::string> kReasons = {
    {"begin_after_end", "data_offsets [4, 0] are not a begin and an end"},
    {"cut_in_the_data", "ends at byte 8 of 5 bytes of data"},
    {"cut_in_the_header", "in a file of 20"},
    {"empty", "0 bytes are too short"},
    {"git_lfs_pointer", "a Git LFS pointer"},
    {"header_length_of_all_ones", "header of 18446744073709551615 bytes"},
    {"header_length_zero", "does not start with '{'"},
    {"header_longer_than_file", "in a file of"},
    {"header_nested_deeply", "nested deeper"},
    {"header_not_utf8", "not JSON"},
    {"hole_at_the_start", "\"w\" begins at byte 2, after a hole"},
    {"hole_in_the_middle", "\"w\" begins at byte 5, after a hole"},
    {"html_page", "more than the allowed"},
    {"metadata_of_numbers", "__metadata__"},
    {"name_twice", "\"w\" occurs twice"},
    {"negative_shape", "-2"},
    {"offset_past_end_of_file", "ends at byte 9 of 8"},
    {"overlap", "\"w\" begins at byte 3, inside another tensor"},
    {"shape_product_overflows", "is too large"},
    {"shape_unequal_to_bytes", "8 bytes for shape [3] of F32"},
    {"trailing_bytes", "5 bytes after the last tensor"},
};

TEST(BrokenFiles, AreEachRefusedForTheirDamage) {
  for (const auto& [name, reason] : kReasons) {
    const fs::path file = kFolder / (name + ".safetensors");
    const std::string message = tests::checkpoint_error_of([&] { SafetensorsFile::open(file); });
    EXPECT_THAT(message, testing::HasSubstr(file.string() + ": "));
    EXPECT_THAT(message, testing::HasSubstr(reason)) << name;
  }
}

TEST(BrokenFiles, AreAllInTheTable) {
  std::set<std::string> there;
  for (const auto& entry : fs::directory_iterator(kFolder))
    there.insert(entry.path().stem().string());
  std::set<std::string> listed;
  for (const auto& [name, reason] : kReasons) listed.insert(name);
  EXPECT_EQ(there, listed);
}

}  // namespace
}  // namespace qk::checkpoint

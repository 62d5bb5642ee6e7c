#include "checkpoint/safetensors.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/base/temporary_folder.h"
#include "tests/checkpoint/errors.h"
#include "tests/checkpoint/safetensors_bytes.h"

namespace qk::checkpoint {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using tests::as_bytes;
using tests::checkpoint_error_of;
using tests::safetensors_bytes;
using tests::TemporaryFolder;

std::string text_of(const TensorView& tensor) {
  return {reinterpret_cast<const char*>(tensor.data), static_cast<size_t>(tensor.bytes)};
}

/// The error of a file with this header over `data_bytes` bytes.
std::string header_error(const std::string& header, size_t data_bytes = 0) {
  const std::string bytes = safetensors_bytes(header, std::string(data_bytes, 'x'));
  const std::string message =
      checkpoint_error_of([&] { SafetensorsFile::parse(as_bytes(bytes), "model.safetensors"); });
  EXPECT_THAT(message, HasSubstr("model.safetensors: "));
  return message;
}

/// The error of a file of four bytes of data with this one entry for tensor "w".
std::string entry_error(const std::string& entry) {
  return header_error(R"({"w":)" + entry + "}", 4);
}

std::string entry_error(const std::string& shape, const std::string& offsets) {
  return entry_error(
      fmt::format(R"({{"dtype":"U8","shape":{},"data_offsets":{}}})", shape, offsets));
}

/// The error of U8 tensors "a", "b" at these offsets in ten bytes of data.
std::string layout_error(int64_t a_begin, int64_t a_end, int64_t b_begin, int64_t b_end) {
  constexpr auto kEntry = R"("{}":{{"dtype":"U8","shape":[{}],"data_offsets":[{},{}]}})";
  const std::string a = fmt::format(kEntry, "a", a_end - a_begin, a_begin, a_end);
  const std::string b = fmt::format(kEntry, "b", b_end - b_begin, b_begin, b_end);
  return header_error("{" + a + "," + b + "}", 10);
}

TEST(SafetensorsReader, ReadsNamesTypesShapesAndBytes) {
  const std::string bytes =
      safetensors_bytes(R"({"__metadata__":{"format":"pt"},)"
                        R"("b":{"dtype":"BF16","shape":[2,3],"data_offsets":[4,16]},)"
                        R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}   )",
                        "0123456789abcdef");
  const auto file = SafetensorsFile::parse(as_bytes(bytes), "m.safetensors");
  ASSERT_EQ(file.tensors().size(), 2U);
  const TensorView& a = file.tensors().at("a");
  const TensorView& b = file.tensors().at("b");
  EXPECT_EQ(a.name, "a");
  EXPECT_EQ(a.dtype, DType::F32);
  EXPECT_THAT(a.shape, IsEmpty());
  EXPECT_EQ(text_of(a), "0123");
  EXPECT_EQ(b.dtype, DType::BF16);
  EXPECT_THAT(b.shape, ElementsAre(2, 3));
  EXPECT_EQ(text_of(b), "456789abcdef");
  EXPECT_EQ(b.file, "m.safetensors");
  EXPECT_FALSE(b.mapped);
}

TEST(SafetensorsReader, ReadsMappedFile) {
  const TemporaryFolder folder;
  const auto path = folder.write(
      "m.safetensors",
      safetensors_bytes(R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}})", "xyz"));
  const auto file = SafetensorsFile::open(path);
  EXPECT_EQ(text_of(file.tensors().at("a")), "xyz");
  EXPECT_TRUE(file.tensors().at("a").mapped);
}

TEST(SafetensorsReader, KnowsEachType) {
  const std::pair<const char*, int64_t> types[] = {
      {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E4M3", 1}, {"F8_E5M2", 1},
      {"I16", 2},  {"U16", 2}, {"F16", 2}, {"BF16", 2},    {"I32", 4},
      {"U32", 4},  {"F32", 4}, {"I64", 8}, {"U64", 8},     {"F64", 8}};
  for (const auto& [name, item_bytes] : types) {
    const std::string bytes = safetensors_bytes(
        fmt::format(R"({{"w":{{"dtype":"{}","shape":[2],"data_offsets":[0,{}]}}}})", name,
                    2 * item_bytes),
        std::string(2 * item_bytes, 'x'));
    const TensorView w = SafetensorsFile::parse(as_bytes(bytes), "m").tensors().at("w");
    EXPECT_EQ(name_of(w.dtype), name);
    EXPECT_EQ(bytes_of(w.dtype), item_bytes);
  }
}

TEST(SafetensorsReader, AllowsTensorsWithoutElements) {
  const std::string bytes =
      safetensors_bytes(R"({"z":{"dtype":"F32","shape":[0,7],"data_offsets":[0,0]},)"
                        R"("w":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
                        R"("y":{"dtype":"F32","shape":[3,0],"data_offsets":[2,2]}})",
                        "xy");
  const auto file = SafetensorsFile::parse(as_bytes(bytes), "m");
  EXPECT_EQ(file.tensors().at("z").bytes, 0);
  EXPECT_EQ(file.tensors().at("y").bytes, 0);
  EXPECT_EQ(text_of(file.tensors().at("w")), "xy");
}

TEST(SafetensorsReader, AllowsFileWithoutTensors) {
  EXPECT_THAT(SafetensorsFile::parse(as_bytes(safetensors_bytes("{}", "")), "m").tensors(),
              IsEmpty());
}

TEST(SafetensorsReader, SetsTensorsOfUnknownTypeAside) {
  const std::string bytes =
      safetensors_bytes(R"({"new":{"dtype":"F4","shape":[2],"data_offsets":[0,1]},)"
                        R"("w":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
                        "xyz");
  const auto file = SafetensorsFile::parse(as_bytes(bytes), "m");
  EXPECT_EQ(file.tensors().size(), 1U);
  EXPECT_EQ(text_of(file.tensors().at("w")), "yz");
  EXPECT_THAT(file.unsupported(), ElementsAre(testing::Pair("new", "F4")));
}

TEST(SafetensorsReader, ChecksOffsetsOfUnknownTypesToo) {
  EXPECT_THAT(entry_error(R"({"dtype":"F4","shape":[2],"data_offsets":[0,5]})"),
              HasSubstr("5 of 4"));
}

TEST(SafetensorsReader, RejectsMissingFileByName) {
  EXPECT_THAT(checkpoint_error_of([] { SafetensorsFile::open("/absent/m.safetensors"); }),
              AllOf(HasSubstr("/absent/m.safetensors"), HasSubstr("No such file")));
}

TEST(SafetensorsReader, RejectsFileShorterThanItsLength) {
  for (const std::string& bytes : {std::string(), std::string(7, '\0')}) {
    EXPECT_THAT(checkpoint_error_of([&] { SafetensorsFile::parse(as_bytes(bytes), "m"); }),
                HasSubstr("too short"));
  }
}

TEST(SafetensorsReader, RejectsHeaderLengthThatCannotBe) {
  const auto error = [](uint64_t length) {
    const std::string bytes = safetensors_bytes("{}", "", length);
    return checkpoint_error_of([&] { SafetensorsFile::parse(as_bytes(bytes), "m"); });
  };
  EXPECT_THAT(error(0), HasSubstr("does not start with '{'"));
  EXPECT_THAT(error(3), HasSubstr("header of 3 bytes in a file of 10"));
  EXPECT_THAT(error(100'000'000), HasSubstr("in a file of 10"));
  EXPECT_THAT(error(100'000'001), HasSubstr("more than the allowed"));
  EXPECT_THAT(error(~uint64_t{0}), HasSubstr("more than the allowed"));
}

TEST(SafetensorsReader, RecognisesGitLfsPointer) {
  const std::string bytes = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n";
  EXPECT_THAT(checkpoint_error_of([&] { SafetensorsFile::parse(as_bytes(bytes), "m"); }),
              HasSubstr("git lfs pull"));
}

TEST(SafetensorsReader, RejectsHeaderThatIsNoJsonObject) {
  EXPECT_THAT(header_error(R"({"w")"), HasSubstr("not JSON, from byte 5"));
  EXPECT_THAT(header_error("{} {}"), HasSubstr("not JSON"));
  EXPECT_THAT(header_error("[]"), HasSubstr("does not start with '{'"));
  EXPECT_THAT(header_error(" {}"), HasSubstr("does not start with '{'"));
  EXPECT_THAT(header_error("{\"\xff\":{}}"), HasSubstr("not JSON"));
  EXPECT_THAT(header_error(R"({"w":1e999})"), HasSubstr("beyond the range"));
  EXPECT_THAT(header_error(R"({"w":NaN})"), HasSubstr("not JSON"));
}

TEST(SafetensorsReader, RejectsDeepNesting) {
  const std::string lists = std::string(1'000'000, '[');
  EXPECT_THAT(header_error(R"({"w":)" + lists), HasSubstr("nested deeper"));
  std::string objects;
  for (int i = 0; i < 10'000; ++i) objects += R"({"a":)";
  EXPECT_THAT(header_error(objects), HasSubstr("nested deeper"));
}

TEST(SafetensorsReader, RejectsNameThatOccursTwice) {
  const std::string entry = R"("w":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  EXPECT_THAT(header_error("{" + entry + "," + entry + "}"), HasSubstr(R"("w" occurs twice)"));
  EXPECT_THAT(entry_error(R"({"dtype":"U8","dtype":"F32","shape":[1],"data_offsets":[0,4]})"),
              HasSubstr(R"("dtype" occurs twice)"));
}

TEST(SafetensorsReader, RejectsMetadataOtherThanTexts) {
  EXPECT_THAT(header_error(R"({"__metadata__":{"a":1}})"), HasSubstr("__metadata__"));
  EXPECT_THAT(header_error(R"({"__metadata__":["a"]})"), HasSubstr("__metadata__"));
}

TEST(SafetensorsReader, RejectsIncompleteEntries) {
  EXPECT_THAT(entry_error("4"), HasSubstr(R"("w": expected an object)"));
  EXPECT_THAT(entry_error(R"({"shape":[4],"data_offsets":[0,4]})"), HasSubstr("dtype"));
  EXPECT_THAT(entry_error(R"({"dtype":1,"shape":[4],"data_offsets":[0,4]})"), HasSubstr("dtype"));
  EXPECT_THAT(entry_error(R"({"dtype":"U8","data_offsets":[0,4]})"), HasSubstr("shape"));
  EXPECT_THAT(entry_error(R"({"dtype":"U8","shape":[4]})"), HasSubstr("data_offsets"));
  EXPECT_THAT(entry_error("4", "[0,4]"), HasSubstr("shape"));
}

TEST(SafetensorsReader, RejectsShapeThatIsNoSize) {
  EXPECT_THAT(entry_error("[-4]", "[0,4]"), HasSubstr("-4"));
  EXPECT_THAT(entry_error("[4.0]", "[0,4]"), HasSubstr("4.0"));
  EXPECT_THAT(entry_error("[true]", "[0,4]"), HasSubstr("true"));
  EXPECT_THAT(entry_error("[18446744073709551615]", "[0,4]"), HasSubstr("18446744073709551615"));
}

TEST(SafetensorsReader, RejectsShapeWhoseProductOverflows) {
  EXPECT_THAT(entry_error("[4294967296,4294967296]", "[0,4]"), HasSubstr("too large"));
  EXPECT_THAT(entry_error(R"({"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,4]})"),
              HasSubstr("too large"));
}

TEST(SafetensorsReader, RejectsShapeUnequalToItsBytes) {
  EXPECT_THAT(entry_error("[3]", "[0,4]"), HasSubstr(R"("w": 4 bytes for shape [3] of U8)"));
  EXPECT_THAT(entry_error("[]", "[0,4]"), HasSubstr("4 bytes for shape [] of U8"));
}

TEST(SafetensorsReader, RejectsOffsetsThatAreNoRange) {
  EXPECT_THAT(entry_error("[4]", "[0]"), HasSubstr("not a begin and an end"));
  EXPECT_THAT(entry_error("[4]", "[0,4,8]"), HasSubstr("not a begin and an end"));
  EXPECT_THAT(entry_error("[4]", "[4,0]"), HasSubstr("not a begin and an end"));
  EXPECT_THAT(entry_error("[4]", "[-4,0]"), HasSubstr("-4"));
  EXPECT_THAT(entry_error("[4]", "[0.0,4.0]"), HasSubstr("0.0"));
  EXPECT_THAT(entry_error("[4]", "[0,18446744073709551615]"), HasSubstr("18446744073709551615"));
}

TEST(SafetensorsReader, RejectsOffsetPastEndOfFile) {
  EXPECT_THAT(entry_error("[5]", "[0,5]"), HasSubstr(R"("w" ends at byte 5 of 4)"));
  EXPECT_THAT(entry_error("[9223372036854775807]", "[0,9223372036854775807]"),
              HasSubstr("9223372036854775807 of 4"));
}

TEST(SafetensorsReader, RejectsOverlap) {
  EXPECT_THAT(layout_error(0, 6, 5, 10),
              HasSubstr(R"("b" begins at byte 5, inside another tensor)"));
  EXPECT_THAT(layout_error(0, 10, 0, 10), HasSubstr("inside another tensor"));
  EXPECT_THAT(layout_error(0, 10, 5, 5), HasSubstr("inside another tensor"));
}

TEST(SafetensorsReader, RejectsHoles) {
  EXPECT_THAT(layout_error(1, 5, 5, 10), HasSubstr(R"("a" begins at byte 1, after a hole)"));
  EXPECT_THAT(layout_error(0, 4, 5, 10), HasSubstr(R"("b" begins at byte 5, after a hole)"));
  EXPECT_THAT(layout_error(0, 4, 4, 8), HasSubstr("2 bytes after the last tensor"));
  EXPECT_THAT(header_error("{}", 1), HasSubstr("1 bytes after the last tensor"));
}

TEST(SafetensorsReader, EscapesAndCutsForeignNames) {
  const std::string message = header_error("{\"\\u001b[2J" + std::string(5000, 'n') + "\":1}");
  EXPECT_THAT(message, HasSubstr(R"("\u001b[2Jnnn)"));
  EXPECT_LT(message.size(), 400U);
}

TEST(DropPages, KeepsTheBytesReadable) {
  const TemporaryFolder folder;
  const std::string data(100'000, 'd');
  const std::string bytes =
      safetensors_bytes(R"({"a":{"dtype":"U8","shape":[100000],"data_offsets":[0,100000]}})", data);
  const auto mapped = SafetensorsFile::open(folder.write("m.safetensors", bytes));
  const auto in_memory = SafetensorsFile::parse(as_bytes(bytes), "m");
  for (const SafetensorsFile* file : {&mapped, &in_memory}) {
    const TensorView& tensor = file->tensors().at("a");
    prefetch_pages(tensor);
    drop_pages(tensor);
    EXPECT_EQ(text_of(tensor), data);
  }
}

}  // namespace
}  // namespace qk::checkpoint

#include "checkpoint/safetensors.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <optional>
#include <system_error>

#include "base/error.h"
#include "base/files.h"
#include "checkpoint/json_file.h"

namespace qk::checkpoint {
namespace fs = std::filesystem;
using Json = nlohmann::json;
namespace {

constexpr uint64_t kLengthBytes = 8;
constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the limit of the reference implementation

struct DTypeRow {
  DType dtype;
  std::string_view name;
  int64_t bytes;
};

constexpr std::array kDTypes = {
    DTypeRow{DType::Bool, "BOOL", 1},       DTypeRow{DType::U8, "U8", 1},
    DTypeRow{DType::I8, "I8", 1},           DTypeRow{DType::F8_E4M3, "F8_E4M3", 1},
    DTypeRow{DType::F8_E5M2, "F8_E5M2", 1}, DTypeRow{DType::I16, "I16", 2},
    DTypeRow{DType::U16, "U16", 2},         DTypeRow{DType::F16, "F16", 2},
    DTypeRow{DType::BF16, "BF16", 2},       DTypeRow{DType::I32, "I32", 4},
    DTypeRow{DType::U32, "U32", 4},         DTypeRow{DType::F32, "F32", 4},
    DTypeRow{DType::I64, "I64", 8},         DTypeRow{DType::U64, "U64", 8},
    DTypeRow{DType::F64, "F64", 8},
};

const DTypeRow& row_of(DType dtype) {
  const auto row = std::ranges::find(kDTypes, dtype, &DTypeRow::dtype);
  QK_ASSERT(row != kDTypes.end());
  return *row;
}

/// One entry of the header. Offsets count from the first byte after it.
struct Entry {
  std::string name;
  std::string dtype;
  std::vector<int64_t> shape;
  int64_t begin = 0;
  int64_t end = 0;
};

template <typename... Args>
[[noreturn]] void damaged(const fs::path& file, fmt::format_string<Args...> text, Args&&... args) {
  throw CheckpointError("{}: {}; the file is damaged or incomplete, fetch it again", file.string(),
                        fmt::format(text, std::forward<Args>(args)...));
}

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// The JSON text between the length and the data.
std::string_view header_of(std::span<const std::byte> bytes, const fs::path& file) {
  if (text_of(bytes).starts_with("version https://git-lfs")) {
    throw CheckpointError(
        "{}: a Git LFS pointer, not the weights; run 'git lfs pull' in its repository",
        file.string());
  }
  if (bytes.size() < kLengthBytes) {
    damaged(file, "{} bytes are too short for a safetensors file", bytes.size());
  }
  static_assert(std::endian::native == std::endian::little);
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), kLengthBytes);
  if (length > kMaxHeaderBytes) {
    damaged(file, "header of {} bytes, more than the allowed {}", length, kMaxHeaderBytes);
  }
  if (length > bytes.size() - kLengthBytes) {
    damaged(file, "header of {} bytes in a file of {}", length, bytes.size());
  }
  const std::string_view header = text_of(bytes.subspan(kLengthBytes, length));
  if (!header.starts_with('{')) damaged(file, "the header does not start with '{{'");
  return header;
}

std::optional<int64_t> as_size(const Json& value) {
  if (!value.is_number_unsigned()) return {};
  const auto size = value.get<uint64_t>();
  if (size > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return {};
  return static_cast<int64_t>(size);
}

std::vector<int64_t> sizes_of(const Json& info, const char* key, const std::string& name,
                              const fs::path& file) {
  const auto list = info.find(key);
  if (list == info.end() || !list->is_array()) {
    damaged(file, "tensor {}: {} is not a list", shown(name), key);
  }
  std::vector<int64_t> sizes;
  sizes.reserve(list->size());
  for (const Json& item : *list) {
    const std::optional<int64_t> size = as_size(item);
    if (!size)
      damaged(file, "tensor {}: {} holds {}, which is no size", shown(name), key, shown(item));
    sizes.push_back(*size);
  }
  return sizes;
}

Entry entry_of(const std::string& name, const Json& info, const fs::path& file) {
  if (!info.is_object())
    damaged(file, "tensor {}: expected an object, found {}", shown(name), info.type_name());
  const auto dtype = info.find("dtype");
  if (dtype == info.end() || !dtype->is_string())
    damaged(file, "tensor {}: dtype is not a text", shown(name));
  const std::vector<int64_t> offsets = sizes_of(info, "data_offsets", name, file);
  if (offsets.size() != 2 || offsets[0] > offsets[1]) {
    damaged(file, "tensor {}: data_offsets [{}] are not a begin and an end", shown(name),
            fmt::join(offsets, ", "));
  }
  return {name, dtype->get<std::string>(), sizes_of(info, "shape", name, file), offsets[0],
          offsets[1]};
}

void check_metadata(const Json& metadata, const fs::path& file) {
  const bool texts = metadata.is_null() ||
                     (metadata.is_object() && std::ranges::all_of(metadata, &Json::is_string));
  if (!texts) damaged(file, "__metadata__ does not map texts to texts");
}

std::vector<Entry> entries_of(const Json& header, const fs::path& file) {
  std::vector<Entry> entries;
  for (const auto& [name, info] : header.items()) {
    if (name == "__metadata__") {
      check_metadata(info, file);
    } else {
      entries.push_back(entry_of(name, info, file));
    }
  }
  return entries;
}

/// Every byte of the data belongs to exactly one tensor.
void check_layout(std::vector<Entry>& entries, int64_t data_bytes, const fs::path& file) {
  std::ranges::sort(entries, {},
                    [](const Entry& entry) { return std::pair(entry.begin, entry.end); });
  int64_t expected = 0;
  for (const Entry& entry : entries) {
    if (entry.end > data_bytes) {
      damaged(file, "tensor {} ends at byte {} of {} bytes of data", shown(entry.name), entry.end,
              data_bytes);
    }
    if (entry.begin != expected) {
      damaged(file, "tensor {} begins at byte {}, {}; expected byte {}", shown(entry.name),
              entry.begin, entry.begin < expected ? "inside another tensor" : "after a hole",
              expected);
    }
    expected = entry.end;
  }
  if (expected != data_bytes)
    damaged(file, "{} bytes after the last tensor", data_bytes - expected);
}

int64_t bytes_of_shape(const Entry& entry, int64_t item_bytes, const fs::path& file) {
  int64_t bytes = item_bytes;
  for (const int64_t size : entry.shape) {
    if (__builtin_mul_overflow(bytes, size, &bytes)) {
      damaged(file, "tensor {}: shape [{}] is too large", shown(entry.name),
              fmt::join(entry.shape, ", "));
    }
  }
  return bytes;
}

TensorView view_of(Entry entry, const DTypeRow& dtype, const std::byte* data,
                   const fs::path& file) {
  const int64_t bytes = entry.end - entry.begin;
  if (bytes != bytes_of_shape(entry, dtype.bytes, file)) {
    damaged(file, "tensor {}: {} bytes for shape [{}] of {}", shown(entry.name), bytes,
            fmt::join(entry.shape, ", "), dtype.name);
  }
  return {.name = std::move(entry.name),
          .dtype = dtype.dtype,
          .shape = std::move(entry.shape),
          .data = data + entry.begin,
          .bytes = bytes,
          .file = file};
}

/// Advises on the pages that lie in the tensor wholly, so that its neighbours are left alone.
void advise(const TensorView& tensor, int advice) {
  if (!tensor.mapped) return;
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto first = reinterpret_cast<uintptr_t>(tensor.data);
  const uintptr_t begin = (first + page - 1) / page * page;
  const uintptr_t end = (first + static_cast<uintptr_t>(tensor.bytes)) / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, advice);
}

}  // namespace

int64_t bytes_of(DType dtype) { return row_of(dtype).bytes; }

std::string_view name_of(DType dtype) { return row_of(dtype).name; }

SafetensorsFile SafetensorsFile::open(const fs::path& file) try {
  const auto mapping = std::make_shared<const MappedFile>(file);
  SafetensorsFile result = parse(mapping->bytes(), file);
  result.mapping_ = mapping;
  for (auto& [name, tensor] : result.tensors_) tensor.mapped = true;
  return result;
} catch (const std::system_error& error) {
  throw CheckpointError("{}", error.what());
}

SafetensorsFile SafetensorsFile::parse(std::span<const std::byte> bytes, const fs::path& file) {
  const std::string_view header = header_of(bytes, file);
  std::vector<Entry> entries = entries_of(parse_object(header, file, RepeatedKeys::Refuse), file);
  const std::span<const std::byte> data = bytes.subspan(kLengthBytes + header.size());
  check_layout(entries, static_cast<int64_t>(data.size()), file);

  SafetensorsFile result;
  for (Entry& entry : entries) {
    const auto dtype = std::ranges::find(kDTypes, entry.dtype, &DTypeRow::name);
    if (dtype == kDTypes.end()) {
      result.unsupported_.emplace(entry.name, entry.dtype);
      continue;
    }
    TensorView view = view_of(std::move(entry), *dtype, data.data(), file);
    result.tensors_.emplace(view.name, std::move(view));
  }
  return result;
}

void prefetch_pages(const TensorView& tensor) { advise(tensor, MADV_WILLNEED); }

void drop_pages(const TensorView& tensor) { advise(tensor, MADV_DONTNEED); }

}  // namespace qk::checkpoint

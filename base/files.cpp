#include "base/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <random>
#include <system_error>
#include <utility>
#include <vector>

#include "base/error.h"

namespace qk {
namespace fs = std::filesystem;
namespace {

constexpr size_t kBlockBytes = size_t{1} << 20;

[[noreturn]] void fail(int error, std::string_view action, const fs::path& file) {
  throw std::system_error(error, std::generic_category(),
                          fmt::format("cannot {} {}", action, file.string()));
}

class Descriptor {
 public:
  Descriptor(const fs::path& file, int flags, mode_t mode = 0) {
    do {
      fd_ = ::open(file.c_str(), flags | O_CLOEXEC, mode);
    } while (fd_ < 0 && errno == EINTR);
    if (fd_ < 0) fail(errno, "open", file);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  /// Some file systems report a failed write only here.
  int close() { return ::close(std::exchange(fd_, -1)); }

 private:
  int fd_ = -1;
};

size_t read_some(const Descriptor& descriptor, std::span<char> buffer, const fs::path& file) {
  for (;;) {
    const ssize_t count = ::read(descriptor.get(), buffer.data(), buffer.size());
    if (count >= 0) return static_cast<size_t>(count);
    if (errno != EINTR) fail(errno, "read", file);
  }
}

void write_all(const Descriptor& descriptor, std::string_view content, const fs::path& file) {
  while (!content.empty()) {
    const ssize_t count = ::write(descriptor.get(), content.data(), content.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(errno, "write", file);
    content.remove_prefix(static_cast<size_t>(count));
  }
}

void sync(const Descriptor& descriptor, const fs::path& file) {
  const bool synced = ::fsync(descriptor.get()) == 0;
  const bool unsupported = !synced && errno == EINVAL;  // some network file systems
  if (!synced && !unsupported) fail(errno, "sync", file);
}

fs::path temporary_name(const fs::path& file) {
  std::random_device random;
  fs::path name = file;
  name += fmt::format(".{:08x}{:08x}.tmp", random(), random());
  return name;
}

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
    QK_ASSERT(context_ && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
  }
  void add(std::string_view bytes) {
    QK_ASSERT(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
  }
  std::string hex() {
    std::array<unsigned char, 32> digest;
    QK_ASSERT(EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr) == 1);
    return fmt::format("{:02x}", fmt::join(digest, ""));
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

}  // namespace

std::string read_file(const fs::path& file) {
  const Descriptor descriptor(file, O_RDONLY);
  std::string content;
  size_t used = 0;
  for (;;) {
    if (content.size() - used < kBlockBytes) content.resize(content.size() + kBlockBytes);
    const size_t count = read_some(descriptor, std::span(content).subspan(used), file);
    used += count;
    if (count == 0) break;
  }
  content.resize(used);
  return content;
}

void write_file_atomically(const fs::path& file, std::string_view content) {
  const fs::path temporary = temporary_name(file);
  try {
    Descriptor descriptor(temporary, O_WRONLY | O_CREAT | O_EXCL, 0666);
    write_all(descriptor, content, file);
    sync(descriptor, file);
    if (descriptor.close() != 0) fail(errno, "write", file);
    if (::rename(temporary.c_str(), file.c_str()) != 0) fail(errno, "rename a new file to", file);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  sync(Descriptor(folder, O_RDONLY | O_DIRECTORY), folder);
}

MappedFile::MappedFile(const fs::path& file) {
  const Descriptor descriptor(file, O_RDONLY | O_NONBLOCK);
  struct stat status {};
  if (::fstat(descriptor.get(), &status) != 0) fail(errno, "read", file);
  if (S_ISDIR(status.st_mode)) fail(EISDIR, "map", file);
  if (!S_ISREG(status.st_mode)) fail(ENODEV, "map", file);
  if (status.st_size == 0) return;
  const auto size = static_cast<size_t>(status.st_size);
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor.get(), 0);
  if (address == MAP_FAILED) fail(errno, "map", file);
  bytes_ = {static_cast<const std::byte*>(address), size};
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

std::string sha256_of_file(const fs::path& file) {
  const Descriptor descriptor(file, O_RDONLY);
  ::posix_fadvise(descriptor.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
  Sha256 hash;
  std::vector<char> block(kBlockBytes);
  while (const size_t count = read_some(descriptor, block, file)) hash.add({block.data(), count});
  return hash.hex();
}

std::string sha256(std::string_view bytes) {
  Sha256 hash;
  hash.add(bytes);
  return hash.hex();
}

}  // namespace qk

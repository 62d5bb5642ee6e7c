#pragma once
/// The two hashes by which the Hub names content: SHA-256 for large files, git's SHA-1 of a blob
/// for the others.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace qk::hub {

class ContentHash {
 public:
  /// By the length of the expected value; any other value is never compared. bytes: of the content.
  ContentHash(std::string expected, int64_t bytes);
  ContentHash(ContentHash&&) noexcept;
  ContentHash& operator=(ContentHash&&) noexcept;
  ~ContentHash();

  void add(std::string_view bytes);

  /// Ends the hash: call it once. True when it is the expected one.
  bool matches();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Git's name of a file with this content, lower-case hex.
std::string git_oid(std::string_view content);

}  // namespace qk::hub

#pragma once
/// tokenizer.json through the Hugging Face `tokenizers` crate, with the semantics of
/// AutoTokenizer's __call__.
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace qk::tokenizer {

struct Encoding {
  std::vector<int32_t> ids;  ///< special tokens of the post-processor included; at most max_length
  bool truncated = false;    ///< the text's end was cut
};

/// Loaded once, then immutable: encode() and token() may be called from many threads.
class Tokenizer {
 public:
  /// Reads tokenizer.json and tokenizer_config.json of `folder`. Truncation and padding blocks of
  /// the file are cleared, special tokens named in tokenizer_config.json but missing in
  /// tokenizer.json are added. Throws TokenizerError naming the file: missing, damaged, not
  /// supported (tekken.json or tokenizer.model only).
  static Tokenizer open(const std::filesystem::path& folder);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  /// text: UTF-8 (NUL bytes allowed). max_length: tokens, special tokens included, at least
  /// special_tokens_per_text(). Throws TokenizerError.
  /// The crate splits the whole text even when few tokens are wanted: about 300 bytes of memory per
  /// byte of text while it works, and 0.3 s of one core per megabyte.
  Encoding encode(std::string_view text, int64_t max_length) const;

  /// The vocabulary's own piece for an id ("Ġthe", "▁the", "<0x0A>"), empty for an unknown id.
  std::string token(int32_t id) const;

  /// How many tokens the post-processor adds to a text (BOS, EOS).
  int64_t special_tokens_per_text() const;

  /// Number of ids, added tokens included.
  int64_t vocabulary_size() const;

 private:
  struct Handle;
  explicit Tokenizer(std::unique_ptr<Handle> handle);
  std::unique_ptr<Handle> handle_;
};

}  // namespace qk::tokenizer

#pragma once
/// The tokens that a tokenizer's side files name, and that must exist whether tokenizer.json has
/// them or not.
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace qk::tokenizer {

struct NamedToken {
  std::string content;
  uint32_t flags = 0;  ///< QkTokenFlag of ffi/qk_tokenizer.h
};

struct NamedTokens {
  std::vector<NamedToken> tokens;  ///< in the order in which missing ones get their ids
  bool split_special_tokens = false;
};

/// Reads tokenizer_config.json of `folder`: added_tokens_decoder, bos_token and its like,
/// extra_special_tokens and its old name additional_special_tokens. Without an added_tokens_decoder
/// also the older special_tokens_map.json and added_tokens.json. Missing files name nothing. Throws
/// TokenizerError. Source: transformers 5.17 tokenization_utils_base.py, _from_pretrained;
/// tokenization_utils_tokenizers.py, __init__.
NamedTokens read_named_tokens(const std::filesystem::path& folder);

}  // namespace qk::tokenizer

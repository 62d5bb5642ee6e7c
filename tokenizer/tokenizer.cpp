#include "tokenizer/tokenizer.h"

#include <algorithm>
#include <optional>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/files.h"
#include "tokenizer/ffi/qk_tokenizer.h"
#include "tokenizer/named_tokens.h"

namespace qk::tokenizer {
namespace {

namespace fs = std::filesystem;

/// Frees what the crate hands over, whatever happens in between.
struct Text : QkText {
  Text() : QkText{nullptr, 0} {}
  Text(const Text&) = delete;
  Text& operator=(const Text&) = delete;
  ~Text() { qk_text_free(*this); }
  std::string str() const { return std::string(data, size); }
};

struct Ids : QkEncoding {
  Ids() : QkEncoding{nullptr, 0, 0} {}
  Ids(const Ids&) = delete;
  Ids& operator=(const Ids&) = delete;
  ~Ids() { qk_encoding_free(*this); }
};

/// `what` is the file or the call that an error names.
void check(int32_t status, const Text& error, const std::string& what, std::string_view fix) {
  if (status == QkStatusOk) return;
  const std::string_view panic =
      status == QkStatusPanicked ? "the tokenizers crate panicked: " : "";
  throw TokenizerError("{}: {}{}. {}", what, panic, error.str(), fix);
}

std::optional<std::string> file_like(const fs::path& folder, std::string_view start,
                                     std::string_view end) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(start) && name.ends_with(end)) return name;
  }
  return std::nullopt;
}

[[noreturn]] void throw_no_tokenizer_json(const fs::path& folder) {
  constexpr std::string_view kConvert =
      "Convert it once with Python, AutoTokenizer.from_pretrained(...).save_pretrained(...), "
      "or name a tokenizer that has the file in tokenizer.name";
  if (!fs::is_directory(folder)) {
    throw TokenizerError("{}: no such folder. Check tokenizer.name and model.name",
                         folder.string());
  }
  std::optional<std::string> other = file_like(folder, "tekken", ".json");
  if (!other) other = file_like(folder, "tokenizer.model", "");
  if (!other) other = file_like(folder, "", ".model");
  if (!other) other = file_like(folder, "vocab.", "");
  if (other) {
    throw TokenizerError("{}: no tokenizer.json, only {}, which is not read here. {}",
                         folder.string(), *other, kConvert);
  }
  throw TokenizerError("{}: no tokenizer.json. Fetch it, or name a tokenizer in tokenizer.name",
                       folder.string());
}

std::string read_tokenizer_json(const fs::path& file) {
  std::error_code ignored;
  if (!fs::exists(file, ignored)) throw_no_tokenizer_json(file.parent_path());
  std::string content;
  try {
    content = read_file(file);
  } catch (const std::system_error& error) {
    throw TokenizerError("{}", error.what());
  }
  if (content.starts_with("version https://git-lfs")) {
    throw TokenizerError("{} is a Git LFS pointer, not the file itself. Run `git lfs pull` there",
                         file.string());
  }
  return content;
}

}  // namespace

struct Tokenizer::Handle {
  Handle() = default;
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { qk_tokenizer_free(crate); }

  QkTokenizer* crate = nullptr;
  QkFacts facts{};
};

Tokenizer::Tokenizer(std::unique_ptr<Handle> handle) : handle_(std::move(handle)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Tokenizer Tokenizer::open(const fs::path& folder) {
  if (qk_tokenizer_abi() != QK_TOKENIZER_ABI) {
    throw InternalError("libqk_tokenizer.a has ABI {}, wanted {}. Rebuild it from tokenizer/ffi",
                        qk_tokenizer_abi(), QK_TOKENIZER_ABI);
  }
  const fs::path file = folder / "tokenizer.json";
  const std::string json = read_tokenizer_json(file);
  const NamedTokens named = read_named_tokens(folder);
  std::vector<QkAddedToken> tokens;
  for (const NamedToken& token : named.tokens) {
    tokens.push_back({token.content.data(), token.content.size(), token.flags});
  }
  const QkOptions options{tokens.data(), tokens.size(), named.split_special_tokens};

  auto handle = std::make_unique<Handle>();
  Text error;
  int32_t status = qk_tokenizer_open(json.data(), json.size(), &options, &handle->crate, &error);
  if (status == QkStatusOk) status = qk_tokenizer_facts(handle->crate, &handle->facts, &error);
  check(status, error, file.string(),
        "The file is damaged, or newer than the tokenizers crate built in here: fetch it again");
  return Tokenizer(std::move(handle));
}

Encoding Tokenizer::encode(std::string_view text, int64_t max_length) const {
  if (max_length < special_tokens_per_text()) {
    throw TokenizerError(
        "max_length {} leaves no room for the {} special tokens of each text. "
        "Raise tokenizer.max_length",
        max_length, special_tokens_per_text());
  }
  Ids ids;
  Text error;
  const int32_t status = qk_tokenizer_encode(handle_->crate, text.data(), text.size(),
                                             static_cast<uint64_t>(max_length), &ids, &error);
  check(status, error, "cannot encode a text", "Check the text, and that the tokenizer fits it");
  return {.ids = std::vector<int32_t>(ids.ids, ids.ids + ids.count),
          .truncated = ids.truncated != 0};
}

std::string Tokenizer::token(int32_t id) const {
  Text token;
  Text error;
  const int32_t status = qk_tokenizer_token(handle_->crate, id, &token, &error);
  if (status == QkStatusUnknownId) return {};
  check(status, error, fmt::format("cannot look up token {}", id),
        "This is a bug; please report it");
  return token.str();
}

int64_t Tokenizer::special_tokens_per_text() const {
  return static_cast<int64_t>(handle_->facts.special_tokens_per_text);
}

int64_t Tokenizer::vocabulary_size() const {
  return static_cast<int64_t>(handle_->facts.vocabulary_size);
}

}  // namespace qk::tokenizer

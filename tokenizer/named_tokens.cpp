#include "tokenizer/named_tokens.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/files.h"
#include "tokenizer/ffi/qk_tokenizer.h"

namespace qk::tokenizer {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;  // the order of keys decides the ids of missing tokens

constexpr std::array<std::string_view, 7> kRoles = {
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};

constexpr std::string_view kRefetch = "Fetch the file again, or correct it";

/// An empty object when there is no such file.
Json read_object(const fs::path& file) {
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return Json::object();
  Json content;
  try {
    content = Json::parse(read_file(file));
  } catch (const std::system_error& error) {
    throw TokenizerError("{}", error.what());
  } catch (const Json::exception& error) {
    throw TokenizerError("{} is not JSON: {}. {}", file.string(), error.what(), kRefetch);
  }
  if (!content.is_object()) {
    throw TokenizerError("{} holds no JSON object. {}", file.string(), kRefetch);
  }
  return content;
}

/// Collects tokens of one folder; `file_` is the one that errors name.
class Collector {
 public:
  explicit Collector(const fs::path& folder)
      : folder_(folder), file_(folder / "tokenizer_config.json"), config_(read_object(file_)) {}

  NamedTokens collect() {
    if (config_.contains("added_tokens_decoder")) {
      add_decoder(config_["added_tokens_decoder"]);
    } else {
      merge_special_tokens_map();
      add_older_file();
    }
    add_roles();
    add_extra();
    if (config_.contains("split_special_tokens")) {
      result_.split_special_tokens = flag(config_, "split_special_tokens", false);
    }
    return std::move(result_);
  }

 private:
  [[noreturn]] void reject(std::string_view key, std::string_view wanted) const {
    throw TokenizerError("{}: {} must be {}. {}", file_.string(), key, wanted, kRefetch);
  }

  bool flag(const Json& object, const char* key, bool fallback) const {
    const auto found = object.find(key);
    if (found == object.end() || found->is_null()) return fallback;
    if (!found->is_boolean()) reject(key, "true or false");
    return found->get<bool>();
  }

  /// A string, or an object with `content` and flags.
  NamedToken token(std::string_view key, const Json& value, bool special) const {
    if (value.is_string()) return {value.get<std::string>(), QkTokenSpecial};
    if (!value.is_object() || !value.contains("content") || !value["content"].is_string()) {
      reject(key, "a string, or an object with a string \"content\"");
    }
    special = special || flag(value, "special", false);
    uint32_t flags = special ? QkTokenSpecial : 0;
    if (flag(value, "lstrip", false)) flags |= QkTokenLeftStrip;
    if (flag(value, "rstrip", false)) flags |= QkTokenRightStrip;
    if (flag(value, "single_word", false)) flags |= QkTokenSingleWord;
    if (flag(value, "normalized", !special)) flags |= QkTokenNormalized;
    return {value["content"].get<std::string>(), flags};
  }

  /// For tokens whose entry in tokenizer.json, if there is one, counts more.
  void add_if_missing(NamedToken token) {
    token.flags |= QkTokenKeepExisting;
    add(std::move(token));
  }

  void add(NamedToken token) {
    const auto same = [&](const NamedToken& other) { return other.content == token.content; };
    if (std::none_of(result_.tokens.begin(), result_.tokens.end(), same)) {
      result_.tokens.push_back(std::move(token));
    }
  }

  void add_decoder(const Json& decoder) {
    if (!decoder.is_object()) reject("added_tokens_decoder", "an object of ids");
    std::vector<std::pair<int64_t, NamedToken>> by_id;
    for (const auto& [key, value] : decoder.items()) {
      by_id.emplace_back(id_of(key), token("added_tokens_decoder." + key, value, false));
    }
    add_in_id_order(std::move(by_id), &Collector::add);
  }

  void add_older_file() {
    file_ = folder_ / "added_tokens.json";
    const Json ids = read_object(file_);
    std::vector<std::pair<int64_t, NamedToken>> by_id;
    for (const auto& [content, id] : ids.items()) {
      if (!id.is_number_integer()) reject(content, "an id");
      by_id.emplace_back(id.get<int64_t>(), NamedToken{content, older_flags(content)});
    }
    add_in_id_order(std::move(by_id), &Collector::add_if_missing);
    file_ = folder_ / "tokenizer_config.json";
  }

  void add_in_id_order(std::vector<std::pair<int64_t, NamedToken>> by_id,
                       void (Collector::*add_one)(NamedToken)) {
    std::stable_sort(by_id.begin(), by_id.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    for (auto& [id, token] : by_id) (this->*add_one)(std::move(token));
  }

  int64_t id_of(const std::string& key) const {
    const bool digits = !key.empty() && key.size() <= 10 &&
                        key.find_first_not_of("0123456789") == std::string::npos;
    if (!digits) reject("added_tokens_decoder." + key, "under an id");
    return std::stoll(key);
  }

  /// added_tokens.json knows no flags: a token is special when something else names it as such.
  uint32_t older_flags(const std::string& content) const {
    const auto names_it = [&](const Json& value) {
      return value == content || (value.is_object() && value.value("content", Json()) == content);
    };
    for (const std::string_view role : kRoles) {
      const auto found = config_.find(std::string(role));
      if (found != config_.end() && names_it(*found)) return QkTokenSpecial;
    }
    const Json* extra = extra_tokens();
    const bool special = extra && std::any_of(extra->begin(), extra->end(), names_it);
    return special ? QkTokenSpecial : QkTokenNormalized;
  }

  /// The older file's entries win over those of tokenizer_config.json.
  void merge_special_tokens_map() {
    const Json map = read_object(folder_ / "special_tokens_map.json");
    for (const auto& [key, value] : map.items()) {
      Json& mine = config_[key];
      if (key == "extra_special_tokens" && mine.is_array() && value.is_array()) {
        mine.insert(mine.end(), value.begin(), value.end());
      } else {
        mine = value;
      }
    }
  }

  void add_roles() {
    for (const std::string_view role : kRoles) {
      const auto found = config_.find(std::string(role));
      if (found == config_.end() || found->is_null()) continue;
      add_if_missing(token(role, *found, true));
    }
    for (const auto& [key, value] : config_.items()) {  // image_token and others of a model's own
      const bool is_token = key.ends_with("_token") && (value.is_string() || value.is_object());
      if (is_token) add_if_missing(token(key, value, true));
    }
  }

  const Json* extra_tokens() const {
    for (const char* key : {"extra_special_tokens", "additional_special_tokens"}) {
      const auto found = config_.find(key);
      if (found != config_.end() && !found->is_null()) return &*found;
    }
    return nullptr;
  }

  void add_extra() {
    const Json* extra = extra_tokens();
    if (!extra) return;
    if (!extra->is_structured()) reject("extra_special_tokens", "a list or an object of tokens");
    for (const Json& value : *extra) {
      add_if_missing(token("extra_special_tokens", value, extra->is_object()));
    }
  }

  fs::path folder_;
  fs::path file_;
  Json config_;
  NamedTokens result_;
};

}  // namespace

NamedTokens read_named_tokens(const fs::path& folder) { return Collector(folder).collect(); }

}  // namespace qk::tokenizer

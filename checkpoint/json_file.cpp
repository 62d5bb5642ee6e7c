#include "checkpoint/json_file.h"

#include <array>
#include <set>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "base/files.h"

namespace qk::checkpoint {
namespace fs = std::filesystem;
using Json = nlohmann::json;
namespace {

constexpr int kMaxDepth = 64;
constexpr uintmax_t kMaxFileBytes = 100'000'000;
constexpr size_t kMaxShownBytes = 120;

/// Watches a parse: stops it at nesting that no honest file has, and at repeated keys when they are
/// refused.
class ParseGuard {
 public:
  ParseGuard(const fs::path& file, RepeatedKeys repeated) : file_(file), repeated_(repeated) {}

  bool operator()(int depth, Json::parse_event_t event, Json& value) {
    const bool opens =
        event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start;
    if (opens && depth >= kMaxDepth) {
      throw CheckpointError("{}: JSON nested deeper than {}; the file is damaged", file_.string(),
                            kMaxDepth);
    }
    if (repeated_ == RepeatedKeys::KeepLast) return true;
    if (opens) {
      keys_.resize(depth + 1);
      keys_.back().clear();
    } else if (event == Json::parse_event_t::key) {
      const auto& key = value.get_ref<const std::string&>();
      if (!keys_.at(depth - 1).insert(key).second) {
        throw CheckpointError("{}: the key {} occurs twice; the file is damaged", file_.string(),
                              shown(key));
      }
    }
    return true;
  }

 private:
  const fs::path& file_;
  RepeatedKeys repeated_;
  std::vector<std::set<std::string>> keys_;
};

/// Where the literal at `at` of Python's json ends; `at` when there is none.
size_t end_of_python_literal(std::string_view text, size_t at) {
  constexpr std::array<std::string_view, 3> kLiterals = {"NaN", "Infinity", "-Infinity"};
  for (const std::string_view literal : kLiterals) {
    if (text.substr(at).starts_with(literal)) return at + literal.size();
  }
  return at;
}

std::string quote_python_literals(std::string_view text) {
  std::string result;
  bool in_string = false;
  for (size_t at = 0; at < text.size();) {
    const size_t end = in_string ? at : end_of_python_literal(text, at);
    if (end > at) {
      result.append("\"").append(text.substr(at, end - at)).append("\"");
      at = end;
      continue;
    }
    const bool escape = in_string && text[at] == '\\' && at + 1 < text.size();
    if (text[at] == '"') in_string = !in_string;
    result.append(text.substr(at, escape ? 2 : 1));
    at += escape ? 2 : 1;
  }
  return result;
}

}  // namespace

Json parse_object(std::string_view text, const fs::path& file, RepeatedKeys repeated) {
  Json value;
  try {
    value = Json::parse(text.begin(), text.end(), ParseGuard(file, repeated));
  } catch (const Json::parse_error& error) {
    throw CheckpointError("{}: not JSON, from byte {} on; fetch the file again", file.string(),
                          error.byte);
  } catch (const Json::out_of_range&) {
    throw CheckpointError("{}: a number beyond the range of double; fetch the file again",
                          file.string());
  }
  if (!value.is_object()) {
    throw CheckpointError("{}: expected a JSON object, found {}", file.string(), value.type_name());
  }
  return value;
}

Json parse_python_object(std::string_view text, const fs::path& file) {
  return parse_object(quote_python_literals(text), file, RepeatedKeys::KeepLast);
}

Json read_python_object(const fs::path& file) try {
  if (fs::file_size(file) > kMaxFileBytes) {
    throw CheckpointError("{}: larger than {} bytes, so not what its name says", file.string(),
                          kMaxFileBytes);
  }
  return parse_python_object(read_file(file), file);
} catch (const std::system_error& error) {
  throw CheckpointError("{}", error.what());
}

std::string shown(const Json& value) {
  const std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  return text.size() > kMaxShownBytes ? text.substr(0, kMaxShownBytes) + "..." : text;
}

}  // namespace qk::checkpoint

#include "hub/repo.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "hub/url.h"

namespace qk::hub {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxIdLength = 96;

bool is_name(std::string_view name) {
  const auto is_allowed = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '-' || c == '.';
  };
  const auto is_edge = [](char c) { return c == '-' || c == '.'; };
  return !name.empty() && std::ranges::all_of(name, is_allowed) && !is_edge(name.front()) &&
         !is_edge(name.back());
}

RepoFile to_file(const Json& item) {
  RepoFile file{
      .path = item.at("path"), .bytes = item.at("size"), .oid = item.at("oid"), .sha256 = {}};
  if (const auto lfs = item.find("lfs"); lfs != item.end() && lfs->is_object()) {
    file.sha256 = lfs->at("oid");
    file.bytes = lfs->at("size");
  }
  return file;
}

}  // namespace

std::string Repo::name() const { return (type == RepoType::Model ? "model " : "dataset ") + id; }

std::string Repo::api() const {
  return (type == RepoType::Model ? "/api/models/" : "/api/datasets/") + id;
}

std::string Repo::web() const { return (type == RepoType::Model ? "/" : "/datasets/") + id; }

std::string Repo::cache_folder() const {
  std::string folder = type == RepoType::Model ? "models--" : "datasets--";
  for (const char c : id) folder += c == '/' ? std::string("--") : std::string(1, c);
  return folder;
}

Subject Repo::subject(const std::string& revision, const std::string& file) const {
  return {.repo = name(), .revision = revision, .file = file};
}

bool is_repo_id(std::string_view text) {
  const size_t slash = text.find('/');
  const bool names = slash == std::string_view::npos
                         ? is_name(text)
                         : is_name(text.substr(0, slash)) && is_name(text.substr(slash + 1));
  return names && text.size() <= kMaxIdLength && text.find("--") == std::string_view::npos &&
         text.find("..") == std::string_view::npos && !text.ends_with(".git");
}

bool is_commit(std::string_view revision) {
  return revision.size() == 40 && std::ranges::all_of(revision, [](unsigned char c) {
           return std::isdigit(c) != 0 || (c >= 'a' && c <= 'f');
         });
}

bool is_safe_path(std::string_view path) {
  const auto is_odd = [](unsigned char c) { return std::iscntrl(c) != 0 || c == '\\'; };
  if (path.empty() || path.front() == '/' || std::ranges::any_of(path, is_odd)) return false;
  while (true) {
    const size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (part.empty() || part == "." || part == "..") return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

std::string resolve_revision(Client& client, const Repo& repo, const std::string& revision) {
  if (is_commit(revision)) return revision;
  const Json info =
      client.get_json(repo.api() + "/revision/" + escape(revision), repo.subject(revision));
  const std::string commit = info.is_object() ? info.value("sha", "") : "";
  if (!is_commit(commit))
    throw HubError("{}: the Hub names no commit for revision '{}'", repo.name(), revision);
  return commit;
}

std::vector<RepoFile> list_files(Client& client, const Repo& repo, const std::string& revision) {
  const std::string path =
      fmt::format("{}/tree/{}?recursive=true&expand=false", repo.api(), escape(revision));
  std::vector<RepoFile> files;
  try {
    for (const Json& item : client.get_pages(path, repo.subject(revision))) {
      if (item.at("type") == "file") files.push_back(to_file(item));
    }
  } catch (const Json::exception& error) {
    throw HubError("{}: the listing of '{}' is not understood: {}", repo.name(), revision,
                   error.what());
  }
  for (const RepoFile& file : files) {
    if (!is_safe_path(file.path))
      throw HubError(
          "{}: the listing of '{}' has a path that leads elsewhere: {}; don't use this "
          "repository",
          repo.name(), revision, Json(file.path).dump());
  }
  return files;
}

std::string file_url(const Client& client, const Repo& repo, const std::string& revision,
                     const std::string& path) {
  return client.url(
      fmt::format("{}/resolve/{}/{}", repo.web(), escape(revision), escape_path(path)));
}

}  // namespace qk::hub

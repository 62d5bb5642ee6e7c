#include "hub/commit.h"

#include <openssl/evp.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "hub/url.h"

namespace qk::hub {
namespace {

using Json = nlohmann::json;

constexpr size_t kFilesPerQuestion = 250;
constexpr int64_t kSampleBytes = 512;
constexpr std::chrono::seconds kCommitTimeout{120};  ///< the server works before it answers

std::string base64(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                     reinterpret_cast<const unsigned char*>(bytes.data()),
                                     static_cast<int>(bytes.size()));
  text.resize(static_cast<size_t>(length));
  return text;
}

std::string sample_of(const LocalFile& file) {
  std::ifstream stream(file.file, std::ios::binary);
  std::string sample(static_cast<size_t>(std::min(file.bytes, kSampleBytes)), '\0');
  if (!stream.read(sample.data(), static_cast<std::streamsize>(sample.size())))
    throw HubError("cannot read {} to send it", file.file.string());
  return sample;
}

Json to_json(const Change& change) {
  switch (change.kind) {
    case Change::Kind::Deletion:
      return {{"key", "deletedFile"}, {"value", {{"path", change.path}}}};
    case Change::Kind::LargeFile:
      return {{"key", "lfsFile"},
              {"value",
               {{"path", change.path},
                {"algo", "sha256"},
                {"oid", change.sha256},
                {"size", change.bytes}}}};
    case Change::Kind::Content:
      break;
  }
  return {{"key", "file"},
          {"value",
           {{"path", change.path}, {"content", base64(change.content)}, {"encoding", "base64"}}}};
}

HttpResponse post(Client& client, const std::string& url, const Json& body) {
  return client.send({.method = "POST",
                      .url = url,
                      .headers = {"Content-Type: application/json"},
                      .body = body.dump()});
}

bool exists(Client& client, const Repo& repo) {
  return client.send({.url = client.url(repo.api())}).ok();
}

}  // namespace

std::map<std::string, std::string> list_branches(Client& client, const Repo& repo) {
  std::map<std::string, std::string> branches;
  try {
    const Json refs = client.get_json(repo.api() + "/refs", repo.subject());
    for (const Json& branch : refs.at("branches"))
      branches[branch.at("name")] = branch.at("targetCommit");
  } catch (const Json::exception& error) {
    throw HubError("{}: the list of branches is not understood: {}", repo.name(), error.what());
  }
  return branches;
}

void ensure_repo(Client& client, const Repo& repo, bool is_private) {
  const size_t slash = repo.id.find('/');
  Json wanted = {{"name", repo.id.substr(slash == std::string::npos ? 0 : slash + 1)},
                 {"type", "dataset"},
                 {"visibility", is_private ? "private" : "public"}};
  if (slash != std::string::npos) wanted["organization"] = repo.id.substr(0, slash);
  const std::string url = client.url("/api/repos/create");
  const HttpResponse answer = post(client, url, wanted);
  if (answer.ok()) return;
  const bool may_exist = answer.status >= 401 && answer.status <= 409;
  const bool bad_token = refusal_of(answer) == Refusal::BadToken;
  if (may_exist && !bad_token && exists(client, repo)) return;
  client.expect_success(answer, url, repo.subject());
}

void set_branch(Client& client, const Repo& repo, const std::string& branch,
                const std::string& commit, bool overwrite) {
  const std::string url = client.url(repo.api() + "/branch/" + escape(branch));
  Json options = {{"startingPoint", commit}};
  if (overwrite) options["overwrite"] = true;
  const HttpResponse answer = post(client, url, options);
  if (answer.status == 409 && !overwrite) return;
  client.expect_success(answer, url, repo.subject(branch));
}

void delete_branch(Client& client, const Repo& repo, const std::string& branch) {
  const std::string url = client.url(repo.api() + "/branch/" + escape(branch));
  const HttpResponse answer = client.send({.method = "DELETE", .url = url});
  if (answer.status != 404) client.expect_success(answer, url, repo.subject(branch));
}

std::map<std::string, bool> ask_upload_modes(Client& client, const Repo& repo,
                                             const std::string& branch,
                                             const std::vector<const LocalFile*>& files) {
  std::map<std::string, bool> is_large;
  for (size_t at = 0; at < files.size(); at += kFilesPerQuestion) {
    Json asked = Json::array();
    for (size_t i = at; i < std::min(at + kFilesPerQuestion, files.size()); ++i)
      asked.push_back({{"path", files[i]->path},
                       {"size", files[i]->bytes},
                       {"sample", base64(sample_of(*files[i]))}});
    try {
      const Json answer = client.post_json(repo.api() + "/preupload/" + escape(branch),
                                           {{"files", asked}}, repo.subject(branch));
      for (const Json& file : answer.at("files"))
        is_large[file.at("path")] = file.at("uploadMode") == "lfs";
    } catch (const Json::exception& error) {
      throw HubError("{}: the Hub's answer is not understood: {}", repo.name(), error.what());
    }
  }
  for (const LocalFile* file : files) {
    if (file->bytes == 0) is_large[file->path] = false;
  }
  return is_large;
}

std::string commit_changes(Client& client, const Repo& repo, const std::string& branch,
                           const std::string& parent, const std::string& title,
                           const std::vector<Change>& changes) {
  const Json header = {
      {"key", "header"},
      {"value", {{"summary", title}, {"description", ""}, {"parentCommit", parent}}}};
  std::string body = header.dump() + "\n";
  for (const Change& change : changes) body += to_json(change).dump() + "\n";
  const std::string url = client.url(repo.api() + "/commit/" + escape(branch));
  HttpResponse answer;
  try {
    answer = client.send({.method = "POST",
                          .url = url,
                          .headers = {"Content-Type: application/x-ndjson"},
                          .body = std::move(body),
                          .idle_timeout = kCommitTimeout},
                         {.retry = false});
  } catch (const UnreachableError& error) {  // it may have arrived all the same
    if (client.settings().offline) throw;
    throw TryAgain(error.what());
  }
  const std::string said = fmt::format("{}: the Hub answered {} to a commit: {}", repo.name(),
                                       answer.status, server_message(answer));
  if (answer.status == 413 || answer.status == 504) throw CommitTooLarge(said);
  if (answer.status == 409 || answer.status == 412 || is_retryable(answer.status))
    throw TryAgain(said, seconds_before_retry(&answer, 0));
  client.expect_success(answer, url, repo.subject(branch));
  const Json json = Json::parse(answer.body, nullptr, false);
  const std::string commit = json.is_object() ? json.value("commitOid", "") : "";
  if (!is_commit(commit)) throw TryAgain(said);
  return commit;
}

}  // namespace qk::hub

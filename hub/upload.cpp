#include "hub/upload.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "hub/parallel.h"
#include "hub/url.h"

namespace qk::hub {
namespace {

using Json = nlohmann::json;

constexpr size_t kObjectsPerBatch = 100;
constexpr const char* kMediaType = "application/vnd.git-lfs+json";

/// A file on its way.
struct Upload {
  const LocalFile* file = nullptr;
  std::string complete_url;  ///< of an upload in parts
  std::string verify_url;    ///< empty: none is asked for
  std::vector<std::string> etags;
};

struct Part {
  Upload* upload = nullptr;
  size_t number = 0;  ///< from 0
  std::string url;
  int64_t offset = 0, bytes = 0;
};

HttpRequest media_request(const std::string& url, const Json& body) {
  return {
      .method = "POST",
      .url = url,
      .headers = {std::string("Accept: ") + kMediaType, std::string("Content-Type: ") + kMediaType},
      .body = body.dump()};
}

/// The keys of digits in the order of their numbers: the addresses of the parts.
std::vector<std::string> part_urls(const Json& header) {
  std::map<int64_t, std::string> urls;
  for (const auto& [key, value] : header.items()) {
    if (std::ranges::all_of(key, [](unsigned char c) { return std::isdigit(c) != 0; }))
      urls[std::stoll(key)] = value.get<std::string>();
  }
  std::vector<std::string> sorted;
  for (auto& [number, url] : urls) sorted.push_back(std::move(url));
  return sorted;
}

void plan_parts(const Json& action, Upload& upload, std::vector<Part>& parts) {
  const int64_t size = upload.file->bytes;
  const Json header = action.value("header", Json::object());
  const std::string href = action.at("href");
  if (!header.contains("chunk_size")) {
    parts.push_back({.upload = &upload, .number = 0, .url = href, .offset = 0, .bytes = size});
    return;
  }
  const int64_t chunk = std::stoll(header.at("chunk_size").get<std::string>());
  const std::vector<std::string> urls = part_urls(header);
  if (chunk <= 0 || static_cast<int64_t>(urls.size()) != (size + chunk - 1) / chunk)
    throw HubError("the Hub's plan for {} has {} parts of {} bytes for {} bytes", upload.file->path,
                   urls.size(), chunk, size);
  upload.complete_url = href;
  upload.etags.resize(urls.size());
  for (size_t i = 0; i < urls.size(); ++i) {
    const int64_t offset = static_cast<int64_t>(i) * chunk;
    parts.push_back({.upload = &upload,
                     .number = i,
                     .url = urls[i],
                     .offset = offset,
                     .bytes = std::min(chunk, size - offset)});
  }
}

class Batch {
 public:
  Batch(Client& client, const Repo& repo, const std::string& branch, TransferProgress& progress)
      : client_(client), repo_(repo), branch_(branch), progress_(progress) {}

  void run(const std::vector<const LocalFile*>& files) {
    ask(files);
    run_parallel(parts_.size(), client_.settings().parallel, [&](size_t i) { put(parts_[i]); });
    run_parallel(uploads_.size(), client_.settings().parallel,
                 [&](size_t i) { finish(uploads_[i]); });
  }

 private:
  void ask(const std::vector<const LocalFile*>& files) {
    std::map<std::string, const LocalFile*> by_hash;
    Json objects = Json::array();
    for (const LocalFile* file : files) {
      if (by_hash.emplace(file->sha256, file).second)
        objects.push_back({{"oid", file->sha256}, {"size", file->bytes}});
    }
    const std::string url = client_.url(repo_.web() + ".git/info/lfs/objects/batch");
    const Json answer = post(url, {{"operation", "upload"},
                                   {"transfers", {"basic", "multipart"}},
                                   {"hash_algo", "sha256"},
                                   {"ref", {{"name", branch_}}},
                                   {"objects", objects}});
    try {
      uploads_.reserve(objects.size());
      for (const Json& object : answer.at("objects")) plan(object, by_hash);
    } catch (const std::exception& error) {
      if (dynamic_cast<const HubError*>(&error) != nullptr) throw;
      throw HubError("{}: the Hub's plan of the upload is not understood: {}", repo_.name(),
                     error.what());
    }
  }

  void plan(const Json& object, const std::map<std::string, const LocalFile*>& by_hash) {
    const LocalFile* file = by_hash.at(object.at("oid"));
    if (const auto error = object.find("error"); error != object.end())
      throw HubError("{}: the Hub doesn't take {}: {}", repo_.name(), file->path,
                     error->value("message", ""));
    const Json actions = object.value("actions", Json::object());
    if (!actions.is_object() || !actions.contains("upload")) return;  // it is there already
    QK_ASSERT(uploads_.size() < uploads_.capacity());                 // parts point into it
    Upload& upload = uploads_.emplace_back();
    upload.file = file;
    plan_parts(actions["upload"], upload, parts_);
    if (actions.contains("verify")) upload.verify_url = actions["verify"].at("href");
    progress_.expect(file->bytes);
  }

  void put(const Part& part) {
    const LocalFile& file = *part.upload->file;
    expect_unchanged(file);
    const HttpResponse answer =
        client_.send({.method = "PUT",
                      .url = client_.url(part.url),
                      .file = FileSlice{file.file, part.offset, part.bytes}},
                     {.with_token = false});
    if (answer.status == 401 || answer.status == 403)
      throw TryAgain(fmt::format("the store's permission to upload {} has expired", file.path));
    client_.expect_success(answer, part.url, repo_.subject(branch_, file.path));
    if (!part.upload->complete_url.empty()) {
      const std::string& etag = answer.header("etag");
      if (etag.empty())
        throw HubError("{}: the store confirms a part of {} without ETag; a proxy may take it away",
                       repo_.name(), file.path);
      part.upload->etags[part.number] = etag;
    }
    progress_.add(part.bytes);
  }

  void finish(const Upload& upload) {
    expect_unchanged(*upload.file);
    if (!upload.complete_url.empty()) {
      Json parts = Json::array();
      for (size_t i = 0; i < upload.etags.size(); ++i)
        parts.push_back({{"partNumber", i + 1}, {"etag", upload.etags[i]}});
      post(client_.url(upload.complete_url), {{"oid", upload.file->sha256}, {"parts", parts}},
           false);
    }
    if (!upload.verify_url.empty())
      post(client_.url(upload.verify_url),
           {{"oid", upload.file->sha256}, {"size", upload.file->bytes}});
  }

  Json post(const std::string& url, const Json& body, bool with_token = true) {
    const HttpResponse answer = client_.send(media_request(url, body), {.with_token = with_token});
    client_.expect_success(answer, url, repo_.subject(branch_));
    return Json::parse(answer.body, nullptr, false);
  }

  Client& client_;
  const Repo& repo_;
  const std::string& branch_;
  TransferProgress& progress_;
  std::vector<Upload> uploads_;
  std::vector<Part> parts_;
};

}  // namespace

void upload_large_files(Client& client, const Repo& repo, const std::string& branch,
                        const std::vector<const LocalFile*>& files, TransferProgress& progress) {
  for (size_t at = 0; at < files.size(); at += kObjectsPerBatch) {
    const size_t end = std::min(at + kObjectsPerBatch, files.size());
    Batch(client, repo, branch, progress)
        .run({files.begin() + static_cast<long>(at), files.begin() + static_cast<long>(end)});
  }
}

}  // namespace qk::hub

#include "hub/download.h"

#include <algorithm>
#include <charconv>
#include <system_error>

#include "base/error.h"
#include "base/log.h"
#include "hub/parallel.h"
#include "hub/partial_file.h"
#include "hub/url.h"

namespace qk::hub {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxFailures = 5;  ///< in a row, without a byte in between
constexpr const char* kCacheElsewhere = "name another folder in HF_HUB_CACHE";

std::string unquoted(std::string etag) {
  if (etag.starts_with("W/")) etag.erase(0, 2);
  std::erase(etag, '"');
  return etag;
}

std::optional<int64_t> number(const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() && value >= 0
             ? std::optional(value)
             : std::nullopt;
}

class Download {
 public:
  Download(Client& client, const Repo& repo, const std::string& commit, const std::string& path,
           FileHead head, TransferProgress& progress)
      : client_(client),
        repo_(repo),
        commit_(commit),
        path_(path),
        head_(std::move(head)),
        progress_(progress) {}

  /// elsewhere: how the user chooses another disk.
  void run(const fs::path& partial, const std::string& elsewhere) {
    PartialFile file(partial, head_, elsewhere);
    file.check_space();
    progress_.expect(head_.bytes);
    const bool resumed = file.bytes() > 0;
    progress_.add(file.bytes());
    get_all(file);
    bool right = file.is_right();
    if (!right && resumed) {  // what an earlier download left was damaged
      progress_.add(-file.bytes());
      file.restart();
      get_all(file);
      right = file.is_right();
    }
    if (!right) {
      fs::remove(partial);
      throw HubError(
          "{}: {}: the content that arrived is not what the Hub announced (hash {}); it was "
          "thrown away; try again, and if it stays so, look for a proxy in between",
          repo_.name(), path_, head_.etag);
    }
    file.sync();
  }

 private:
  void get_all(PartialFile& file) {
    int64_t furthest = file.bytes();
    for (int failures = 0; !file.whole();) {
      const std::string problem = get_some(file);
      if (file.bytes() > furthest) failures = 0;
      furthest = std::max(furthest, file.bytes());
      if (file.whole()) break;
      if (++failures > kMaxFailures)
        throw UnreachableError("{}: {}: {}; the same command goes on from there", repo_.name(),
                               path_, problem);
      log::debug("{}: {}: {}; at byte {}", repo_.name(), path_, problem, file.bytes());
      client_.wait(1);
    }
  }

  /// What went wrong, when the file is not whole after it.
  std::string get_some(PartialFile& file) {
    HttpRequest request{.url = head_.url, .headers = {"Accept-Encoding: identity"}};
    if (file.bytes() > 0) request.headers.push_back(fmt::format("Range: bytes={}-", file.bytes()));
    bool begun = false;
    request.on_body = [&](const HttpResponse& answer, std::string_view bytes) {
      if (!begun && answer.status == 200 && file.bytes() > 0) {  // the range was ignored
        progress_.add(-file.bytes());
        file.restart();
      }
      begun = true;
      file.append(bytes);
      progress_.add(static_cast<int64_t>(bytes.size()));
    };
    try {
      const HttpResponse answer = client_.send(request);
      if (answer.status == 416) {
        progress_.add(-file.bytes());
        file.restart();
      } else if (answer.status == 401 || answer.status == 403) {
        head_.url = head_of(client_, repo_, commit_, path_).url;  // a signature that expired
      } else {
        client_.expect_success(answer, head_.url, repo_.subject(commit_, path_));
      }
      return fmt::format("the connection ended at byte {} of {}", file.bytes(), head_.bytes);
    } catch (const TransportError& error) {
      return error.what();
    }
  }

  Client& client_;
  const Repo& repo_;
  const std::string& commit_;
  const std::string& path_;
  FileHead head_;
  TransferProgress& progress_;
};

void fetch(Client& client, const Repo& repo, const Cache& cache, const std::string& commit,
           const std::string& path, TransferProgress& progress) {
  const FileHead head = head_of(client, repo, commit, path);
  const fs::path blob = cache.blob(head.etag);
  if (!fs::exists(blob)) {
    const FileLock lock(cache.lock_file(head.etag), client.settings());
    if (!fs::exists(blob)) {
      fs::path partial = blob;
      partial += ".incomplete";
      Download(client, repo, commit, path, head, progress).run(partial, kCacheElsewhere);
      fs::rename(partial, blob);
    }
  }
  cache.link(commit, path, head.etag);
}

/// Errors of std::filesystem, with what to do.
template <typename Action>
void on_disk(const Repo& repo, const std::string& elsewhere, Action&& action) {
  try {
    action();
  } catch (const fs::filesystem_error& error) {
    throw HubError("{}: {}; repair that, or {}", repo.name(), error.what(), elsewhere);
  }
}

}  // namespace

FileHead head_of(Client& client, const Repo& repo, const std::string& revision,
                 const std::string& path) {
  const std::string url = file_url(client, repo, revision, path);
  const HttpResponse answer =
      client.send({.method = "HEAD", .url = url, .headers = {"Accept-Encoding: identity"}},
                  {.redirects = Redirects::OnThisHost});
  const std::string& location = answer.header("location");
  const bool elsewhere = answer.status >= 300 && answer.status < 400 && !location.empty();
  if (!elsewhere) client.expect_success(answer, url, repo.subject(revision, path));
  const std::string& linked = answer.header("x-linked-etag");
  const std::string& length = answer.header(elsewhere ? "" : "content-length");
  const std::string& linked_size = answer.header("x-linked-size");
  FileHead head{.etag = unquoted(linked.empty() ? answer.header("etag") : linked),
                .url = elsewhere ? location : url};
  const std::optional<int64_t> bytes = number(linked_size.empty() ? length : linked_size);
  if (head.etag.empty() || !bytes) {
    throw HubError(
        "{}: the answer has no hash or no size; this is no Hub, or a proxy takes them away; check "
        "HF_ENDPOINT",
        printable(url));
  }
  head.bytes = *bytes;
  return head;
}

void fetch_files(Client& client, const Repo& repo, const std::string& commit,
                 const std::vector<std::string>& paths, TransferProgress& progress) {
  const Cache cache(client.settings().cache, repo);
  std::vector<std::string> missing;
  std::ranges::copy_if(paths, std::back_inserter(missing),
                       [&](const std::string& path) { return !cache.has(commit, path); });
  if (missing.empty()) return;
  on_disk(repo, kCacheElsewhere, [&] { fs::create_directories(cache.blob("x").parent_path()); });
  run_parallel(missing.size(), client.settings().parallel, [&](size_t i) {
    on_disk(repo, kCacheElsewhere,
            [&] { fetch(client, repo, cache, commit, missing[i], progress); });
  });
}

void fetch_to(Client& client, const Repo& repo, const std::string& commit, const std::string& path,
              const Target& target, TransferProgress& progress) {
  on_disk(repo, target.elsewhere, [&] {
    fs::create_directories(target.file.parent_path());
    fs::path partial = target.file;
    partial += ".incomplete";
    Download(client, repo, commit, path, head_of(client, repo, commit, path), progress)
        .run(partial, target.elsewhere);
    fs::rename(partial, target.file);
  });
}

}  // namespace qk::hub

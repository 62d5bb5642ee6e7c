#pragma once
/// The test server (tests/hub/fake_hub) as a child process, with repositories and faults as a test
/// wants them.
#include <sys/types.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "hub/client.h"

namespace qk::tests {

using Json = nlohmann::json;
using Files = std::map<std::string, std::string>;  ///< path in the repository -> content

class FakeHub {
 public:
  /// certified: as "IP:127.0.0.1,IP:127.0.0.2" the names for which the Hub and its store have a
  /// certificate, and speak HTTPS; empty: HTTP.
  explicit FakeHub(const std::filesystem::path& state, const std::string& certified = {});
  FakeHub(const FakeHub&) = delete;
  FakeHub& operator=(const FakeHub&) = delete;
  ~FakeHub();

  const std::string& url() const { return url_; }
  const std::string& store_url() const { return store_url_; }
  const std::string& proxy_url() const { return proxy_url_; }
  /// The file with the certificate; empty: none.
  const std::filesystem::path& certificate() const { return certificate_; }

  /// Of a client with the writing token and waits of milliseconds.
  hub::Settings settings(const std::filesystem::path& cache) const;

  /// Commands of tests/hub/fake_hub/control.py.
  void control(const Json& command) const;
  void add(const std::string& repo, const Files& files, const std::string& branch = "main") const;
  /// Files of a local folder.
  void add_folder(const std::string& repo, const std::filesystem::path& folder,
                  const std::string& branch = "main") const;
  /// The first requests that fit "METHOD /path?query" fail with the status.
  void fail(const std::string& match, int status, int times = 1, const Json& more = {}) const;
  void fault(const std::string& match, const std::string& kind, const Json& more = {}) const;

  /// A request that fits waits until it is released: before it takes effect (it is dropped then),
  /// or with {"after", true} before it is answered.
  void hold(const std::string& match, const Json& more = {}) const;
  void wait_until_held() const;
  void release() const;

  /// All requests so far: server, method, path, query, authorization, range, port.
  std::vector<Json> log() const;
  /// How many of them fit "METHOD /path".
  int count(const std::string& match) const;

  /// null when there is no such repository. Keys: "models/org/name".
  Json repo(const std::string& key) const;
  std::string head(const std::string& key, const std::string& branch = "main") const;
  /// The paths at the head of a branch, with the SHA-256 of each.
  std::map<std::string, std::string> tree(const std::string& key, const std::string& branch) const;

 private:
  std::string ask(const std::string& method, const std::string& path,
                  const std::string& body = "") const;

  pid_t process_ = -1;
  int input_ = -1;
  std::filesystem::path certificate_;
  std::string url_, store_url_, proxy_url_;
};

/// What `call` throws as HubError; empty: nothing.
template <typename Call>
std::string hub_error(Call&& call) {
  try {
    call();
  } catch (const HubError& error) {
    return error.what();
  }
  return "";
}

}  // namespace qk::tests

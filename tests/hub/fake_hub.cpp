#include "tests/hub/fake_hub.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace qk::tests {
namespace {

namespace fs = std::filesystem;

void check(int error, const char* what) {
  if (error != 0) throw std::system_error(error, std::generic_category(), what);
}

std::pair<int, int> make_pipe() {
  int ends[2];
  check(::pipe2(ends, O_CLOEXEC) == 0 ? 0 : errno, "pipe2");
  return {ends[0], ends[1]};
}

std::string read_line(int stream) {
  std::string line;
  for (char letter = 0; ::read(stream, &letter, 1) == 1 && letter != '\n';) line += letter;
  return line;
}

}  // namespace

FakeHub::FakeHub(const fs::path& state) {
  const auto [childs_in, in] = make_pipe();
  const auto [out, childs_out] = make_pipe();
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, childs_in, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, childs_out, STDOUT_FILENO);
  std::string python = QK_PYTHON, no_cache = "-B", state_name = state.string(), flag = "--state",
              program = QK_SOURCE_DIR "/tests/hub/fake_hub";
  char* argv[] = {python.data(), no_cache.data(),   program.data(),
                  flag.data(),   state_name.data(), nullptr};
  const int error = ::posix_spawn(&process_, QK_PYTHON, &actions, nullptr, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(childs_in);
  ::close(childs_out);
  input_ = in;
  check(error, QK_PYTHON);
  const std::string line = read_line(out);
  ::close(out);
  const size_t blank = line.find(' ');
  if (blank == std::string::npos) throw std::runtime_error("the test server did not start");
  url_ = line.substr(0, blank);
  store_url_ = line.substr(blank + 1);
}

FakeHub::~FakeHub() {
  ::close(input_);
  ::kill(process_, SIGKILL);
  ::waitpid(process_, nullptr, 0);
}

hub::Settings FakeHub::settings(const fs::path& cache) const {
  hub::Settings settings;
  settings.endpoint = url_;
  settings.token.emplace("hf_write");
  settings.cache = cache;
  settings.retry_unit = std::chrono::milliseconds(1);
  return settings;
}

std::string FakeHub::ask(const std::string& method, const std::string& path,
                         const std::string& body) const {
  hub::Settings settings;
  settings.endpoint = url_;
  const hub::HttpResponse response = hub::Client(settings).send(
      {.method = method, .url = url_ + path, .body = body}, {.retry = false});
  if (!response.ok()) throw std::runtime_error("the test server refuses " + path + " " + body);
  return response.body;
}

void FakeHub::control(const Json& command) const {
  ask("POST", "/-/control", Json::array({command}).dump());
}

void FakeHub::add(const std::string& repo, const Files& files, const std::string& branch) const {
  control({{"do", "add"}, {"repo", repo}, {"branch", branch}, {"files", files}});
}

void FakeHub::add_folder(const std::string& repo, const fs::path& folder,
                         const std::string& branch) const {
  Json copies = Json::object();
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file())
      copies[entry.path().lexically_relative(folder).generic_string()] =
          fs::canonical(entry.path()).string();
  }
  control({{"do", "add"}, {"repo", repo}, {"branch", branch}, {"copies", copies}});
}

void FakeHub::fail(const std::string& match, int status, int times, const Json& more) const {
  Json command = {{"status", status}, {"times", times}};
  if (!more.is_null()) command.update(more);
  fault(match, "status", command);
}

void FakeHub::fault(const std::string& match, const std::string& kind, const Json& more) const {
  Json command = {{"do", "fault"}, {"match", match}, {"kind", kind}};
  if (!more.is_null()) command.update(more);
  control(command);
}

std::vector<Json> FakeHub::log() const { return Json::parse(ask("GET", "/-/log")); }

int FakeHub::count(const std::string& match) const {
  int found = 0;
  for (const Json& request : log()) {
    const std::string line =
        request["method"].get<std::string>() + " " + request["path"].get<std::string>();
    if (line.find(match) != std::string::npos) ++found;
  }
  return found;
}

Json FakeHub::repo(const std::string& key) const {
  return Json::parse(ask("GET", "/-/repo?key=" + key));
}

std::string FakeHub::head(const std::string& key, const std::string& branch) const {
  return repo(key).at("branches").at(branch);
}

std::map<std::string, std::string> FakeHub::tree(const std::string& key,
                                                 const std::string& branch) const {
  std::map<std::string, std::string> files;
  const Json repo = this->repo(key);
  const std::string head = repo.at("branches").at(branch);
  for (const auto& [path, entry] : repo["commits"][head]["tree"].items())
    files[path] = entry["sha256"];
  return files;
}

}  // namespace qk::tests

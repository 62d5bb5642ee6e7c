#include "tests/hub/fake_hub.h"

#include <unistd.h>

#include <sstream>
#include <stdexcept>

#include "tests/base/child_process.h"
#include "tests/hub/certificate.h"

namespace qk::tests {
namespace {

namespace fs = std::filesystem;

std::string read_line(int stream) {
  std::string line;
  for (char letter = 0; ::read(stream, &letter, 1) == 1 && letter != '\n';) line += letter;
  return line;
}

}  // namespace

FakeHub::FakeHub(const fs::path& state, const std::string& certified) {
  std::vector<std::string> words = {QK_PYTHON, "-B", QK_SOURCE_DIR "/tests/hub/fake_hub", "--state",
                                    state.string()};
  if (!certified.empty()) {
    fs::create_directories(state);
    certificate_ = state / "certificate.pem";
    write_certificate(certificate_, certified);
    words.insert(words.end(), {"--tls", certificate_.string()});
  }
  const Pipe in = make_pipe(), out = make_pipe();
  process_ = start_child(std::move(words), {.in = in.read, .out = out.write});
  ::close(in.read);
  ::close(out.write);
  input_ = in.write;
  const std::string line = read_line(out.read);
  ::close(out.read);
  std::istringstream addresses(line);
  if (!(addresses >> url_ >> store_url_ >> proxy_url_))
    throw std::runtime_error("the test server did not start");
}

FakeHub::~FakeHub() {
  ::close(input_);
  end_child(process_);
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
  settings.certificates = certificate_;
  settings.idle_timeout = std::chrono::minutes(1);
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

void FakeHub::hold(const std::string& match, const Json& more) const { fault(match, "hold", more); }

void FakeHub::wait_until_held() const { ask("GET", "/-/held"); }

void FakeHub::release() const { control({{"do", "release"}}); }

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

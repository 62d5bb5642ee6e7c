#include "tests/e2e/hub_run.h"

#include <cstdlib>
#include <map>

#include "base/files.h"

namespace qk::e2e {

using testing::HasSubstr;
using testing::Not;

HubRun::HubRun() {
  hub_.add_folder(kModel, path("golden/llama/model"));
  const std::map<std::string, std::string> variables = {
      {"HF_ENDPOINT", hub_.url()},   {"HF_TOKEN", "hf_write"},           {"HF_HOME", path("home")},
      {"HF_HUB_CACHE", path("hub")}, {"SNIFF_QK_RETRY_MS", "1"},         {"HF_HUB_OFFLINE", "0"},
      {"NO_PROXY", "127.0.0.1"},     {"no_proxy", "127.0.0.1,127.0.0.2"}};
  for (const auto& [name, value] : variables) ::setenv(name.c_str(), value.c_str(), 1);
  for (const char* name : {"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTPS_PROXY",
                           "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"})
    ::unsetenv(name);
}

Arguments HubRun::from_hub(std::vector<std::string> overrides) const {
  overrides.insert(overrides.begin(), "model.name=org/tiny");
  return tiny(overrides);
}

Arguments HubRun::pushing(std::vector<std::string> overrides) const {
  overrides.insert(overrides.end(), {"output.hf_repo_id=org/captures", "output.hf_branch=run-1",
                                     "output.private=true"});
  return tiny(overrides);
}

Arguments HubRun::command(const std::string& name, Arguments arguments) {
  arguments.insert(arguments.begin(), name);
  return arguments;
}

std::string HubRun::run_well(const Arguments& arguments) const {
  const Outcome outcome = run(arguments);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out + outcome.err, Not(HasSubstr("hf_write")));
  return outcome.err;
}

Outcome HubRun::run_until_held(const Arguments& arguments, int signal) const {
  Program program(arguments, folder_.path());
  hub_.wait_until_held();
  program.send(signal);
  const Outcome outcome = program.wait();
  hub_.release();
  return outcome;
}

Json HubRun::run_json() const { return Json::parse(read_file(path("data/tiny/run.json"))); }

Hashes HubRun::branch(const std::string& name) const {
  Hashes files = hub_.tree(kOut, name);
  files.erase(".gitattributes");
  return files;
}

std::vector<std::string> HubRun::ranges() const {
  std::vector<std::string> ranges;
  for (const Json& request : hub_.log()) {
    if (request["server"] == "store" && request["method"] == "GET")
      ranges.push_back(request["range"]);
  }
  return ranges;
}

}  // namespace qk::e2e

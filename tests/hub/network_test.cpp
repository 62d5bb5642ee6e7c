// Certificates and proxies between the client and the Hub.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hub/client.h"
#include "tests/base/temporary_folder.h"
#include "tests/hub/fake_hub.h"

namespace qk::hub {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using tests::hub_error;
using tests::Json;

constexpr const char* kBothHosts = "IP:127.0.0.1,IP:127.0.0.2";

class HubNetwork : public testing::Test {
 protected:
  Settings settings(const tests::FakeHub& hub) const {
    hub.add("models/org/m", {{"config.json", "{}"}, {"w.safetensors", "weights"}});
    Settings settings = hub.settings(folder_.path() / "cache");
    settings.retries = 0;
    return settings;
  }
  static std::string get(const Settings& settings, const std::string& path) {
    Client client(settings);
    return client.send({.url = settings.endpoint + path}).body;
  }
  static std::string get_file(const Settings& settings) {
    return get(settings, "/org/m/resolve/main/w.safetensors");
  }
  static int through_proxy(const tests::FakeHub& hub, const std::string& method) {
    int count = 0;
    for (const Json& request : hub.log())
      count += request["server"] == "proxy" && request["method"] == method;
    return count;
  }

  tests::TemporaryFolder folder_;
  std::filesystem::path state_ = folder_.path() / "hub";
};

TEST_F(HubNetwork, UnknownCertificateIsRefused) {
  const tests::FakeHub hub(state_, kBothHosts);
  const Settings settings = this->settings(hub);
  EXPECT_THAT(hub_error([&] { get_file(settings); }),
              AllOf(HasSubstr("certificate"), HasSubstr("SSL_CERT_FILE")));
  EXPECT_EQ(hub.count("GET /org/m"), 0);
}

TEST_F(HubNetwork, NamedCertificateIsTrusted) {
  const tests::FakeHub hub(state_, kBothHosts);
  Settings settings = this->settings(hub);
  settings.certificates = hub.certificate();
  EXPECT_EQ(get_file(settings), "weights");
}

TEST_F(HubNetwork, CertificateOfAnotherHostIsRefused) {
  const tests::FakeHub hub(state_, "IP:127.0.0.1");
  Settings settings = this->settings(hub);
  settings.certificates = hub.certificate();
  EXPECT_THAT(hub_error([&] { get_file(settings); }), HasSubstr("127.0.0.2"));
  EXPECT_EQ(hub.count("GET /file"), 0);
}

TEST_F(HubNetwork, MissingCertificateFileIsNamed) {
  const tests::FakeHub hub(state_, kBothHosts);
  Settings settings = this->settings(hub);
  settings.certificates = "/nowhere/ca.pem";
  EXPECT_THAT(hub_error([&] { get_file(settings); }),
              AllOf(HasSubstr("/nowhere/ca.pem"), HasSubstr("SSL_CERT_FILE")));
}

TEST_F(HubNetwork, HttpsNeverBecomesHttp) {
  const tests::FakeHub hub(state_, kBothHosts);
  Settings settings = this->settings(hub);
  settings.certificates = hub.certificate();
  const std::string plain = "http" + hub.url().substr(5) + "/api/models/org/m";
  hub.fail("GET /org/m/resolve", 302, 1, {{"headers", {{"Location", plain}}}});
  EXPECT_THAT(hub_error([&] { get_file(settings); }), HasSubstr("http"));
  EXPECT_EQ(hub.count("GET /api"), 0);
}

TEST_F(HubNetwork, ProxyPassesRequestsOn) {
  const tests::FakeHub hub(state_);
  Settings settings = this->settings(hub);
  settings.http_proxy = hub.proxy_url();
  EXPECT_EQ(get_file(settings), "weights");
  EXPECT_EQ(through_proxy(hub, "GET"), 2) << "to the Hub, to the store";
  for (const Json& request : hub.log()) {
    if (request["server"] == "store") {
      EXPECT_EQ(request["authorization"], "");
    }
  }
}

TEST_F(HubNetwork, HostsOfNoProxyAreAskedDirectly) {
  const tests::FakeHub hub(state_);
  Settings settings = this->settings(hub);
  settings.http_proxy = hub.proxy_url();
  settings.no_proxy = "localhost,127.0.0.1";
  EXPECT_EQ(get_file(settings), "weights");
  EXPECT_EQ(through_proxy(hub, "GET"), 1) << "to the store";
}

TEST_F(HubNetwork, ProxyOfHttpsSeesNothingButTheHost) {
  const tests::FakeHub hub(state_, kBothHosts);
  Settings settings = this->settings(hub);
  settings.certificates = hub.certificate();
  settings.https_proxy = hub.proxy_url();
  EXPECT_EQ(get_file(settings), "weights");
  EXPECT_EQ(through_proxy(hub, "CONNECT"), 2);
  for (const Json& request : hub.log()) {
    if (request["server"] == "proxy") {
      EXPECT_EQ(request["authorization"], "");
    }
  }
}

TEST_F(HubNetwork, ProxyThatIsNotThereIsAReasonToCheckIt) {
  const tests::FakeHub hub(state_);
  Settings settings = this->settings(hub);
  settings.http_proxy = "http://me:secret@127.0.0.1:1";
  EXPECT_THAT(hub_error([&] { get_file(settings); }),
              AllOf(HasSubstr("HTTPS_PROXY"), testing::Not(HasSubstr("secret"))));
}

}  // namespace
}  // namespace qk::hub

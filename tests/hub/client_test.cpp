#include "hub/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "tests/base/temporary_folder.h"
#include "tests/hub/fake_hub.h"

namespace qk::hub {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using tests::hub_error;
using tests::Json;

const Subject kModel{.repo = "model org/m", .revision = "main"};
constexpr const char* kInfo = "/api/models/org/m/revision/main";

class HubClient : public testing::Test {
 protected:
  HubClient() { hub_.add("models/org/m", {{"config.json", "{}"}, {"w.safetensors", "weights"}}); }

  Client client() const { return Client(hub_.settings(folder_.path() / "cache")); }
  Client anonymous() const {
    Settings settings = hub_.settings(folder_.path() / "cache");
    settings.token.reset();
    return Client(settings);
  }
  std::string info_error(Client client) const {
    return hub_error([&] { client.get_json(kInfo, kModel); });
  }

  tests::TemporaryFolder folder_;
  tests::FakeHub hub_{folder_.path() / "hub"};
};

TEST_F(HubClient, GetsJson) {
  Client client = this->client();
  EXPECT_EQ(client.get_json(kInfo, kModel)["sha"], hub_.head("models/org/m"));
}

TEST_F(HubClient, KeepsItsConnection) {
  Client client = this->client();
  for (int i = 0; i < 3; ++i) client.get_json(kInfo, kModel);
  std::set<int> ports;
  for (const Json& request : hub_.log()) ports.insert(request["port"].get<int>());
  EXPECT_EQ(ports.size(), 1u);
}

TEST_F(HubClient, TriesAgainAfterServerErrorsAndLostConnections) {
  hub_.fail("GET /api", 503, 2);
  hub_.fault("GET /api", "drop");
  Client client = this->client();
  EXPECT_EQ(client.get_json(kInfo, kModel)["id"], "org/m");
  EXPECT_EQ(hub_.count("GET /api"), 4);
}

TEST_F(HubClient, GivesUpAfterFiveRetriesAndSaysWhatTheServerSaid) {
  hub_.fail("GET /api", 502, 100, {{"body", "<html>Bad gateway</html>"}});
  EXPECT_THAT(info_error(client()),
              AllOf(HasSubstr("502"), HasSubstr("/api/models/org/m"), Not(HasSubstr("<html>"))));
  EXPECT_EQ(hub_.count("GET /api"), 6);
}

TEST_F(HubClient, WaitsAsLongAsTheServerAsks) {
  const auto seconds = [](int status, std::map<std::string, std::string> headers, int tries) {
    const HttpResponse response{.status = status, .headers = std::move(headers), .body = {}};
    return seconds_before_retry(&response, tries);
  };
  EXPECT_EQ(seconds(429, {{"ratelimit", "\"api\";r=0;t=55"}, {"retry-after", "3"}}, 0), 56);
  EXPECT_EQ(seconds(429, {{"retry-after", "3"}}, 0), 4);
  EXPECT_EQ(seconds(503, {{"retry-after", "7"}}, 2), 8);
  EXPECT_EQ(seconds(429, {{"retry-after", "Wed, 21 Oct 2026 07:28:00 GMT"}}, 2), 4);
  EXPECT_EQ(seconds(500, {}, 0), 1);
  EXPECT_EQ(seconds_before_retry(nullptr, 1), 2);
  EXPECT_EQ(seconds_before_retry(nullptr, 9), 8);
}

TEST_F(HubClient, RateLimitedRequestsGoOnAfterTheWait) {
  hub_.fail("GET /api", 429, 2, {{"headers", {{"RateLimit", "\"api\";r=0;t=3"}}}});
  Client client = this->client();
  EXPECT_EQ(client.get_json(kInfo, kModel)["id"], "org/m");
}

TEST_F(HubClient, NeverTriesAgainWhatTheServerRefused) {
  for (const int status : {400, 401, 403, 404, 409, 412, 413}) {
    hub_.control({{"do", "clear"}});
    hub_.fail("GET /api", status, 2);
    EXPECT_NE(info_error(client()), "") << status;
    EXPECT_EQ(hub_.count("GET /api"), 1) << status;
  }
}

TEST_F(HubClient, HtmlInPlaceOfJsonIsToldAsAProxy) {
  hub_.fail("GET /api", 200, 1, {{"body", "<html>log in</html>"}});
  EXPECT_THAT(info_error(client()), AllOf(HasSubstr("no JSON"), HasSubstr("proxy")));
}

TEST_F(HubClient, SilentServerIsGivenUpAfterTheIdleTimeout) {
  hub_.fault("GET /api", "stall", {{"seconds", 20}});
  Settings settings = hub_.settings(folder_.path());
  settings.idle_timeout = std::chrono::seconds(1);
  settings.retries = 0;
  EXPECT_THAT(info_error(Client(settings)), HasSubstr("/api/models/org/m"));
}

TEST_F(HubClient, UnreachableHostNamesNetworkAndEndpoint) {
  Settings settings = hub_.settings(folder_.path());
  settings.endpoint = "http://127.0.0.1:1";
  EXPECT_THAT(info_error(Client(settings)), HasSubstr("HF_ENDPOINT"));
}

TEST_F(HubClient, OfflineAsksNobody) {
  Settings settings = hub_.settings(folder_.path());
  settings.offline = true;
  EXPECT_THAT(info_error(Client(settings)), HasSubstr("HF_HUB_OFFLINE"));
  EXPECT_EQ(hub_.count("GET /api"), 0);
}

TEST_F(HubClient, StopEndsWaits) {
  std::atomic<bool> stop = false;
  Settings settings = hub_.settings(folder_.path());
  settings.retry_unit = std::chrono::hours(1);
  settings.stop = &stop;
  hub_.fail("GET /api", 503, 100);
  Client client(settings);
  std::thread later([&] { stop = true; });
  EXPECT_THROW(client.get_json(kInfo, kModel), Interrupted);
  later.join();
}

TEST_F(HubClient, TokenIsSentToTheHubAndNeverToAnotherHost) {
  Client client = this->client();
  const HttpResponse file = client.send({.url = hub_.url() + "/org/m/resolve/main/w.safetensors"});
  EXPECT_EQ(file.body, "weights");
  for (const Json& request : hub_.log()) {
    EXPECT_EQ(request["authorization"], request["server"] == "hub" ? "Bearer hf_write" : "")
        << request;
  }
  EXPECT_EQ(hub_.count("GET /file/"), 1);
}

TEST_F(HubClient, TokenStaysOnRedirectsWithinTheHub) {
  hub_.control({{"do", "set"}, {"repo", "models/org/m"}, {"private", true}});
  Client client = this->client();
  EXPECT_EQ(client.send({.url = hub_.url() + "/org/m/resolve/main/config.json"}).body, "{}");
}

TEST_F(HubClient, RedirectLoopsEnd) {
  hub_.fail("GET /api", 302, 100, {{"headers", {{"Location", kInfo}}}});
  EXPECT_THAT(info_error(client()), HasSubstr("redirected more than"));
}

TEST_F(HubClient, OtherSchemesAreNotFollowed) {
  hub_.fail("GET /api", 302, 1, {{"headers", {{"Location", "file:///etc/passwd"}}}});
  EXPECT_THAT(info_error(client()), Not(HasSubstr("root:")));
}

TEST_F(HubClient, ListingsComeWholeFromPages) {
  tests::Files files;
  for (int i = 0; i < 25; ++i) files["f" + std::to_string(i)] = "x";
  hub_.add("models/org/m", files);
  hub_.control({{"do", "settings"}, {"page_size", 4}});
  Client client = this->client();
  const Json tree =
      client.get_pages("/api/models/org/m/tree/main?recursive=true&expand=false", kModel);
  EXPECT_EQ(tree.size(), 28u);  // with config.json, w.safetensors, .gitattributes
  EXPECT_EQ(hub_.count("GET /api/models/org/m/tree"), 7);
}

TEST_F(HubClient, EachRefusalSaysWhatToDo) {
  const auto error = [&](Client client, const std::string& repo, const std::string& revision) {
    return hub_error([&] {
      client.get_json("/api/models/" + repo + "/revision/" + revision,
                      {.repo = "model " + repo, .revision = revision});
    });
  };
  EXPECT_THAT(error(client(), "org/none", "main"),
              AllOf(HasSubstr("model org/none"), HasSubstr("no such repository")));
  EXPECT_THAT(error(anonymous(), "org/none", "main"), HasSubstr("HF_TOKEN"));
  EXPECT_THAT(error(client(), "org/m", "v9"), HasSubstr("no revision 'v9'"));
  hub_.control({{"do", "set"}, {"repo", "models/org/m"}, {"disabled", true}});
  EXPECT_THAT(error(client(), "org/m", "main"), HasSubstr("disabled"));
  Settings wrong = hub_.settings(folder_.path());
  wrong.token.emplace("hf_wrong");
  EXPECT_THAT(error(Client(wrong), "org/m", "main"),
              AllOf(HasSubstr("refuses the token"), Not(HasSubstr("hf_wrong"))));
}

}  // namespace
}  // namespace qk::hub

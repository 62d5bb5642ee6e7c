#include "hub/settings.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <ostream>

#include "base/error.h"
#include "hub/url.h"
#include "tests/base/temporary_folder.h"

namespace qk::hub {
namespace {

template <typename T>
concept Streamable = requires(std::ostream& out, const T& value) {
  out << value;
};

static_assert(!fmt::is_formattable<Secret>::value && !Streamable<Secret>,
              "a secret can't be printed");

Variables given(const std::map<std::string, std::string>& values) {
  return [values](const std::string& name) -> std::optional<std::string> {
    const auto found = values.find(name);
    return found == values.end() ? std::nullopt : std::optional(found->second);
  };
}

TEST(HubSettings, DefaultsAreThePublicHubAndTheSharedCache) {
  const Settings settings = read_settings(given({{"HOME", "/home/me"}}));
  EXPECT_EQ(settings.endpoint, "https://huggingface.co");
  EXPECT_EQ(settings.cache, "/home/me/.cache/huggingface/hub");
  EXPECT_FALSE(settings.token);
  EXPECT_FALSE(settings.offline);
}

TEST(HubSettings, CacheFollowsTheMostSpecificVariable) {
  const auto cache = [](std::map<std::string, std::string> values) {
    values["HOME"] = "/home/me";
    return read_settings(given(values)).cache.string();
  };
  EXPECT_EQ(cache({{"XDG_CACHE_HOME", "/x"}}), "/x/huggingface/hub");
  EXPECT_EQ(cache({{"XDG_CACHE_HOME", "/x"}, {"HF_HOME", "~/hf"}}), "/home/me/hf/hub");
  EXPECT_EQ(cache({{"HF_HOME", "/hf"}, {"HUGGINGFACE_HUB_CACHE", "/old"}}), "/old");
  EXPECT_EQ(cache({{"HUGGINGFACE_HUB_CACHE", "/old"}, {"HF_HUB_CACHE", "$HOME/new"}}),
            "/home/me/new");
}

TEST(HubSettings, TokenComesFromTheEnvironmentBeforeTheFile) {
  const tests::TemporaryFolder folder;
  folder.write("token", "hf_file\r\n");
  const std::string home = folder.path().string();
  EXPECT_EQ(read_settings(given({{"HF_HOME", home}})).token->reveal(), "hf_file");
  EXPECT_EQ(read_settings(given({{"HF_HOME", home}, {"HF_TOKEN", "hf_env"}})).token->reveal(),
            "hf_env");
  folder.write("token", "\n");
  EXPECT_FALSE(read_settings(given({{"HF_HOME", home}})).token);
}

TEST(HubSettings, TokenWithALineBreakIsRefusedWithoutShowingIt) {
  try {
    read_settings(given({{"HOME", "/h"}, {"HF_TOKEN", "hf_secret\nHost: evil"}}));
    FAIL() << "took it";
  } catch (const HubError& error) {
    EXPECT_EQ(std::string(error.what()).find("secret"), std::string::npos) << error.what();
  }
}

TEST(HubSettings, DotEnvKnowsQuotesCommentsAndExport) {
  const Variables variables = variables_of_file(
      "# comment\nexport HF_TOKEN='hf_a b'\nHF_HOME=/x # here\n\nHF_ENDPOINT = "
      "\"https://h\"\r\nodd\n");
  EXPECT_EQ(variables("HF_TOKEN"), "hf_a b");
  EXPECT_EQ(variables("HF_HOME"), "/x");
  EXPECT_EQ(variables("HF_ENDPOINT"), "https://h");
  EXPECT_EQ(variables("odd"), std::nullopt);
}

TEST(HubSettings, OfflineAndEndpointAreReadAsPythonReadsThem) {
  const Settings settings = read_settings(given(
      {{"HOME", "/h"}, {"HF_HUB_OFFLINE", "yes"}, {"HF_ENDPOINT", "https://mirror.example/"}}));
  EXPECT_TRUE(settings.offline);
  EXPECT_EQ(settings.endpoint, "https://mirror.example");
  EXPECT_FALSE(read_settings(given({{"HOME", "/h"}, {"HF_HUB_OFFLINE", "0"}})).offline);
  EXPECT_THROW(read_settings(given({{"HOME", "/h"}, {"HF_ENDPOINT", "mirror"}})), HubError);
  EXPECT_THROW(read_settings(given({{"HOME", "/h"}, {"HF_HUB_DOWNLOAD_TIMEOUT", "soon"}})),
               HubError);
}

TEST(HubSettings, ProxiesAndCertificatesAreThoseOfOtherPrograms) {
  const auto of = [](std::map<std::string, std::string> values) {
    values["HOME"] = "/h";
    return read_settings(given(values));
  };
  EXPECT_EQ(of({}).https_proxy, "");
  EXPECT_EQ(of({{"ALL_PROXY", "http://a"}}).http_proxy, "http://a");
  const Settings settings = of({{"HTTPS_PROXY", "http://s"},
                                {"https_proxy", "http://lower"},
                                {"HTTP_PROXY", "http://p"},
                                {"ALL_PROXY", "http://a"},
                                {"NO_PROXY", "x,y"}});
  EXPECT_EQ(settings.https_proxy, "http://lower");
  EXPECT_EQ(settings.http_proxy, "http://p");
  EXPECT_EQ(settings.no_proxy, "x,y");
  EXPECT_EQ(of({{"CURL_CA_BUNDLE", "/c"}, {"REQUESTS_CA_BUNDLE", "/r"}}).certificates, "/r");
  EXPECT_EQ(of({{"SSL_CERT_FILE", "/s"}, {"REQUESTS_CA_BUNDLE", "/r"}}).certificates, "/s");
}

TEST(HubUrl, EscapesSlashesOfRevisionsAndKeepsThoseOfPaths) {
  EXPECT_EQ(escape("refs/pr/1"), "refs%2Fpr%2F1");
  EXPECT_EQ(escape_path("a b/ä?.json"), "a%20b/%C3%A4%3F.json");
}

TEST(HubUrl, OriginHasSchemeHostAndPort) {
  EXPECT_EQ(origin_of("https://Hub.example/x"), "https://hub.example:443");
  EXPECT_EQ(origin_of("https://hub.example:443"), origin_of("https://hub.example/"));
  EXPECT_EQ(origin_of("http://me:pw@h:80/x"), "http://h:80");
  EXPECT_NE(origin_of("https://hub.example.evil.org"), origin_of("https://hub.example"));
  EXPECT_NE(origin_of("https://hub.example@evil.org/"), origin_of("https://hub.example/"));
  EXPECT_NE(origin_of("https://evil.org?@hub.example/"), origin_of("https://hub.example/"));
  EXPECT_EQ(origin_of("file:///etc/passwd"), "");
}

TEST(HubUrl, LocationsAreSeenFromTheirPage) {
  EXPECT_EQ(resolve_location("https://h/a/b?q", "/c"), "https://h/c");
  EXPECT_EQ(resolve_location("https://h/a/b?q", "c"), "https://h/a/c");
  EXPECT_EQ(resolve_location("https://h/a", "//cdn/x"), "https://cdn/x");
  EXPECT_EQ(resolve_location("https://h/a", "http://cdn/x?s=1"), "http://cdn/x?s=1");
}

TEST(HubUrl, MessagesShowNeitherSignatureNorPassword) {
  EXPECT_EQ(printable("https://me:pw@cdn/x?Signature=abc"), "https://cdn/x");
}

}  // namespace
}  // namespace qk::hub

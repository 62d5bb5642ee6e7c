/// In place of http_curl.cpp in a build without libcurl: everything local works.
#include "base/error.h"
#include "hub/http.h"

namespace qk::hub {

struct Http::State {};

Http::Http(const Settings&) {}

Http::~Http() = default;

HttpResponse Http::exchange(const HttpRequest& request) {
  throw HubError(
      "{}: this sniff-qk was built without libcurl; install libcurl4-openssl-dev and build again, "
      "or set HF_HUB_OFFLINE=1 and bring the files into the cache another way",
      request.url.substr(0, request.url.find('?')));
}

}  // namespace qk::hub

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <exception>
#include <mutex>
#include <vector>

#include "base/error.h"
#include "hub/http.h"
#include "hub/url.h"

namespace qk::hub {
namespace {

/// Answers that are kept in memory: listings and messages.
constexpr size_t kMaxBodyBytes = size_t{256} << 20;

struct EasyDelete {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
using Easy = std::unique_ptr<CURL, EasyDelete>;

struct ListDelete {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using List = std::unique_ptr<curl_slist, ListDelete>;

struct FileClose {
  void operator()(FILE* file) const { std::fclose(file); }
};

struct Exchange {
  const HttpRequest& request;
  const Settings& settings;
  HttpResponse response;
  std::unique_ptr<FILE, FileClose> file;
  int64_t left_bytes = 0;  ///< of the file slice
  std::exception_ptr error;
  std::array<char, CURL_ERROR_SIZE> problem{};  ///< in libcurl's words

  bool stopped() const { return settings.stop != nullptr && *settings.stop; }
};

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), [](unsigned char c) { return std::tolower(c); });
  return result;
}

std::string_view trimmed(std::string_view text) {
  const char* blanks = " \t\r\n";
  const size_t first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

void take_header(Exchange& exchange, std::string_view line) {
  HttpResponse& response = exchange.response;
  if (line.starts_with("HTTP/")) {  // a new answer: after 100 Continue, or after a proxy's
    response.headers.clear();
    const size_t space = line.find(' ');
    response.status = space == std::string_view::npos ? 0 : std::atoi(line.data() + space);
    return;
  }
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return;
  response.headers[lower(trimmed(line.substr(0, colon)))] = trimmed(line.substr(colon + 1));
}

void take_body(Exchange& exchange, std::string_view bytes) {
  if (exchange.request.on_body && exchange.response.ok()) {
    exchange.request.on_body(exchange.response, bytes);
    return;
  }
  if (exchange.response.body.size() + bytes.size() > kMaxBodyBytes) {
    throw TransportError(
        fmt::format("{}: the answer is larger than 256 MB", printable(exchange.request.url)),
        false);
  }
  exchange.response.body += bytes;
}

/// Exceptions can't pass through libcurl: they are kept and thrown again after it.
template <typename Take>
size_t guarded(Exchange& exchange, size_t bytes, Take&& take) noexcept {
  try {
    take();
    return bytes;
  } catch (...) {
    exchange.error = std::current_exception();
    return 0;
  }
}

size_t on_header(char* data, size_t, size_t bytes, void* context) noexcept {
  auto& exchange = *static_cast<Exchange*>(context);
  return guarded(exchange, bytes, [&] { take_header(exchange, {data, bytes}); });
}

size_t on_write(char* data, size_t, size_t bytes, void* context) noexcept {
  auto& exchange = *static_cast<Exchange*>(context);
  return guarded(exchange, bytes, [&] { take_body(exchange, {data, bytes}); });
}

size_t on_read(char* buffer, size_t, size_t bytes, void* context) noexcept {
  auto& exchange = *static_cast<Exchange*>(context);
  const auto wanted = std::min(static_cast<int64_t>(bytes), exchange.left_bytes);
  const size_t count = std::fread(buffer, 1, static_cast<size_t>(wanted), exchange.file.get());
  if (count == 0 && wanted > 0) return CURL_READFUNC_ABORT;
  exchange.left_bytes -= static_cast<int64_t>(count);
  return count;
}

int on_progress(void* context, curl_off_t, curl_off_t, curl_off_t, curl_off_t) noexcept {
  return static_cast<Exchange*>(context)->stopped() ? 1 : 0;
}

bool is_retryable(CURLcode code) {
  switch (code) {
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_READ_ERROR:
    case CURLE_ABORTED_BY_CALLBACK:
      return false;
    default:
      return true;
  }
}

std::string advice(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_PROXY:
      return "; check the network, HTTPS_PROXY and HF_ENDPOINT";
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      return "; install ca-certificates, or name a file with the server's or your proxy's "
             "certificates in SSL_CERT_FILE";
    case CURLE_READ_ERROR:
      return "; the file that was being sent became shorter or unreadable";
    default:
      return "";
  }
}

void set_protocols(CURL* easy, const Settings& settings) {
  const bool plain = settings.endpoint.starts_with("http://");
#if LIBCURL_VERSION_NUM >= 0x075500
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, plain ? "http,https" : "https");
#else
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS,
                   long{plain ? CURLPROTO_HTTP | CURLPROTO_HTTPS : CURLPROTO_HTTPS});
#endif
}

/// The environment is read by read_settings, `.env` with it; libcurl looks at none of it.
void set_way(CURL* easy, Exchange& exchange) {
  const Settings& settings = exchange.settings;
  const bool secure = exchange.request.url.starts_with("https://");
  curl_easy_setopt(easy, CURLOPT_PROXY,
                   (secure ? settings.https_proxy : settings.http_proxy).c_str());
  curl_easy_setopt(easy, CURLOPT_NOPROXY, settings.no_proxy.c_str());
  if (!settings.certificates.empty())
    curl_easy_setopt(easy, CURLOPT_CAINFO, settings.certificates.c_str());
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, exchange.problem.data());
}

void set_limits(CURL* easy, const HttpRequest& request, const Settings& settings) {
  const auto idle = request.idle_timeout.value_or(settings.idle_timeout);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, long{settings.connect_timeout.count()});
  curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, long{idle.count()});
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
}

void set_callbacks(CURL* easy, Exchange& exchange) {
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &on_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &exchange);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &on_write);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &exchange);
  curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, &on_progress);
  curl_easy_setopt(easy, CURLOPT_XFERINFODATA, &exchange);
  curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
}

void open_slice(Exchange& exchange, const FileSlice& slice) {
  exchange.file.reset(std::fopen(slice.file.c_str(), "rb"));
  if (!exchange.file || fseeko(exchange.file.get(), slice.offset, SEEK_SET) != 0)
    throw HubError("cannot read {} to send it", slice.file.string());
  exchange.left_bytes = slice.bytes;
}

void set_method(CURL* easy, Exchange& exchange) {
  const HttpRequest& request = exchange.request;
  if (request.method == "HEAD") {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  } else if (request.file) {
    open_slice(exchange, *request.file);
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, curl_off_t{request.file->bytes});
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, &on_read);
    curl_easy_setopt(easy, CURLOPT_READDATA, &exchange);
  } else if (request.method != "GET") {
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.data());
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
}

List header_list(const HttpRequest& request) {
  List list;
  const auto add = [&](const std::string& line) {
    curl_slist* longer = curl_slist_append(list.get(), line.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    list.release();
    list.reset(longer);
  };
  for (const std::string& line : request.headers) add(line);
  add("Expect:");  // some stores make each upload wait for it
  return list;
}

}  // namespace

struct Http::State {
  Settings settings;
  std::mutex mutex;        // guards idle
  std::vector<Easy> idle;  // each with its open connections

  Easy take() {
    const std::lock_guard lock(mutex);
    if (idle.empty()) return Easy(curl_easy_init());
    Easy easy = std::move(idle.back());
    idle.pop_back();
    return easy;
  }
  void give_back(Easy easy) {
    curl_easy_reset(easy.get());
    const std::lock_guard lock(mutex);
    idle.push_back(std::move(easy));
  }
};

Http::Http(const Settings& settings)
    : state_(new State{.settings = settings, .mutex = {}, .idle = {}}) {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (started != CURLE_OK) throw HubError("libcurl: {}", curl_easy_strerror(started));
}

Http::~Http() = default;

HttpResponse Http::exchange(const HttpRequest& request) {
  Exchange exchange{.request = request,
                    .settings = state_->settings,
                    .response = {},
                    .file = {},
                    .left_bytes = 0,
                    .error = {},
                    .problem = {}};
  throw_if_stopped(state_->settings);
  Easy easy = state_->take();
  if (!easy) throw std::bad_alloc();
  const List headers = header_list(request);
  curl_easy_setopt(easy.get(), CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(easy.get(), CURLOPT_HTTPHEADER, headers.get());
  set_protocols(easy.get(), state_->settings);
  set_way(easy.get(), exchange);
  set_limits(easy.get(), request, state_->settings);
  set_callbacks(easy.get(), exchange);
  set_method(easy.get(), exchange);
  const CURLcode code = curl_easy_perform(easy.get());
  state_->give_back(std::move(easy));
  if (exchange.error) std::rethrow_exception(exchange.error);
  if (code == CURLE_OK) return std::move(exchange.response);
  throw_if_stopped(state_->settings);
  throw TransportError(
      fmt::format("{}: {}{}", printable(request.url),
                  exchange.problem[0] == 0 ? curl_easy_strerror(code) : exchange.problem.data(),
                  advice(code)),
      is_retryable(code));
}

}  // namespace qk::hub

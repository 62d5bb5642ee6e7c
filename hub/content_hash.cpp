#include "hub/content_hash.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cctype>
#include <span>

#include "base/error.h"

namespace qk::hub {
namespace {

struct ContextDelete {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_MD_CTX, ContextDelete>;

const EVP_MD* algorithm_of(const std::string& expected) {
  const bool hex = std::ranges::all_of(expected, [](unsigned char c) { return std::isxdigit(c); });
  if (hex && expected.size() == 64) return EVP_sha256();
  if (hex && expected.size() == 40) return EVP_sha1();
  return nullptr;
}

Context begin(const EVP_MD* algorithm) {
  Context context(EVP_MD_CTX_new());
  QK_ASSERT(context && EVP_DigestInit_ex(context.get(), algorithm, nullptr) == 1);
  return context;
}

std::string end(const Context& context) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int bytes = 0;
  QK_ASSERT(EVP_DigestFinal_ex(context.get(), digest, &bytes) == 1);
  return fmt::format("{:02x}", fmt::join(std::span(digest, bytes), ""));
}

std::string git_header(int64_t bytes) { return fmt::format("blob {}{}", bytes, '\0'); }

}  // namespace

struct ContentHash::State {
  std::string expected;
  Context context;
};

ContentHash::ContentHash(std::string expected, int64_t bytes)
    : state_(new State{std::move(expected), nullptr}) {
  const EVP_MD* algorithm = algorithm_of(state_->expected);
  if (algorithm == nullptr) return;
  state_->context = begin(algorithm);
  if (state_->expected.size() == 40) add(git_header(bytes));
}

ContentHash::ContentHash(ContentHash&&) noexcept = default;
ContentHash& ContentHash::operator=(ContentHash&&) noexcept = default;
ContentHash::~ContentHash() = default;

void ContentHash::add(std::string_view bytes) {
  if (state_->context)
    QK_ASSERT(EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()) == 1);
}

bool ContentHash::matches() { return !state_->context || end(state_->context) == state_->expected; }

std::string git_oid(std::string_view content) {
  const Context context = begin(EVP_sha1());
  for (const std::string& part :
       {git_header(static_cast<int64_t>(content.size())), std::string(content)})
    QK_ASSERT(EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1);
  return end(context);
}

}  // namespace qk::hub

#pragma once
/// What an answer other than success means, and how it is told to the user.
#include <string>

#include "base/error.h"
#include "hub/http.h"

namespace qk::hub {

/// The Hub can't be asked now: no network, offline, server errors to the end. What is in the cache
/// may still do.
struct UnreachableError : HubError {
  using HubError::HubError;
};

enum class Refusal {
  RevisionMissing,
  FileMissing,
  Gated,
  Disabled,
  RepoMissing,  ///< or private: the Hub does not tell the two apart
  BadToken,
  Forbidden,
  Conflict,  ///< 409
  Stale,     ///< 412: the branch has moved on
  TooLarge,  ///< 413
  Other,
};

Refusal refusal_of(const HttpResponse& response);

/// Of whom a request asked something.
struct Subject {
  std::string repo;  ///< "model org/name"; empty: no repository
  std::string revision = {};
  std::string file = {};
  bool has_token = false;
};

/// What the server says about it, on one line.
std::string server_message(const HttpResponse& response);

/// A HubError: what is wrong, where, what to do.
[[noreturn]] void throw_refused(const HttpResponse& response, const std::string& url,
                                const Subject& subject);

}  // namespace qk::hub

#pragma once
/// A value that must never be printed: it has no formatter and no stream operator, so that code
/// which would log it does not compile.
#include <string>
#include <utility>

namespace qk::hub {

class Secret {
 public:
  explicit Secret(std::string value) : value_(std::move(value)) {}

  /// For the header of a request, and nothing else.
  const std::string& reveal() const { return value_; }

 private:
  std::string value_;
};

}  // namespace qk::hub

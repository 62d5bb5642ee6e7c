#include "hub/http.h"

namespace qk::hub {

const std::string& HttpResponse::header(const std::string& name) const {
  static const std::string kNone;
  const auto found = headers.find(name);
  return found == headers.end() ? kNone : found->second;
}

}  // namespace qk::hub

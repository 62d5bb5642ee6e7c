#pragma once
/// Runs against the server of tests/hub.
#include <set>
#include <string>
#include <vector>

#include "tests/e2e/workspace.h"
#include "tests/hub/fake_hub.h"

namespace qk::e2e {

using tests::Json;

constexpr const char* kModel = "models/org/tiny";
constexpr const char* kOut = "datasets/org/captures";

/// org/tiny is the tiny Llama; captures go to branch run-1 of org/captures.
class HubRun : public Workspace {
 protected:
  HubRun();

  Arguments from_hub(std::vector<std::string> overrides = {}) const;
  Arguments pushing(std::vector<std::string> overrides = {}) const;
  static Arguments command(const std::string& name, Arguments arguments);

  /// Expects it to end well, and without showing the token; what it said on stderr.
  std::string run_well(const Arguments& arguments) const;

  /// Starts the program, and sends it the signal once the server holds the request.
  Outcome run_until_held(const Arguments& arguments, int signal) const;

  Json run_json() const;
  /// What a reader of the branch sees, as all_files() would give it.
  Hashes branch(const std::string& name = "run-1") const;
  /// The ranges of all requests for large files; empty: the whole file.
  std::vector<std::string> ranges() const;

  tests::FakeHub hub_{path("server")};
};

}  // namespace qk::e2e

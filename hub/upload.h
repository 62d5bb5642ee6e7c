#pragma once
/// Contents of large files to the Hub's store (the batch interface of Git LFS: whole or in parts).
#include <stdexcept>
#include <string>
#include <vector>

#include "hub/client.h"
#include "hub/download.h"
#include "hub/local_files.h"

namespace qk::hub {

/// Something that a fresh look and another try may cure: somebody else's commit, an expired
/// signature, a server error.
class TryAgain : public std::runtime_error {
 public:
  explicit TryAgain(const std::string& what, double seconds = 1)
      : std::runtime_error(what), seconds_(seconds) {}
  double seconds() const { return seconds_; }

 private:
  double seconds_;
};

/// Sends what the store lacks, several parts at a time. Throws TryAgain, HubError.
void upload_large_files(Client& client, const Repo& repo, const std::string& branch,
                        const std::vector<const LocalFile*>& files, TransferProgress& progress);

}  // namespace qk::hub

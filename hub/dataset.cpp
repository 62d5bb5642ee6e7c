#include "hub/dataset.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <system_error>

#include "base/error.h"
#include "base/files.h"
#include "hub/url.h"

namespace qk::hub {
namespace {

constexpr const char* kCard = "README.md";
constexpr const char* kConverted = "refs/convert/parquet";

std::string read_cached(const Cache& cache, const std::string& commit, const std::string& path) {
  try {
    return read_file(cache.snapshot(commit) / path);
  } catch (const std::system_error& error) {
    throw HubError("{}", error.what());
  }
}

std::vector<std::string> paths_of(const std::vector<RepoFile>& files) {
  std::vector<std::string> paths;
  for (const RepoFile& file : files) paths.push_back(file.path);
  return paths;
}

}  // namespace

DatasetFiles list_dataset(Client& client, const std::string& id, const std::string& revision) {
  DatasetFiles dataset{.repo = {.type = RepoType::Dataset, .id = id}, .commit = {}, .paths = {}};
  const Cache cache(client.settings().cache, dataset.repo);
  dataset.commit = resolve_revision(client, dataset.repo, revision);
  dataset.paths = paths_of(list_files(client, dataset.repo, dataset.commit));
  if (std::ranges::find(dataset.paths, kCard) != dataset.paths.end()) {
    TransferProgress quiet;
    fetch_files(client, dataset.repo, dataset.commit, {kCard}, quiet);
    dataset.card = read_cached(cache, dataset.commit, kCard);
  }
  cache.remember(revision, dataset.commit);
  return dataset;
}

std::optional<DatasetFiles> list_converted_dataset(Client& client, const std::string& id) {
  const Repo repo{.type = RepoType::Dataset, .id = id};
  const std::string url = client.url(repo.api() + "/revision/" + escape(kConverted));
  const HttpResponse answer = client.send({.url = url});
  if (refusal_of(answer) == Refusal::RevisionMissing) return std::nullopt;
  client.expect_success(answer, url, repo.subject(kConverted));
  const std::string commit = resolve_revision(client, repo, kConverted);
  return DatasetFiles{
      .repo = repo, .commit = commit, .paths = paths_of(list_files(client, repo, commit))};
}

}  // namespace qk::hub

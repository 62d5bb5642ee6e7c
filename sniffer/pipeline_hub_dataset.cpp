#include "sniffer/pipeline_hub_dataset.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "hub/dataset.h"
#include "hub/range_reader.h"
#include "source/dataset_folder.h"
#include "source/resolve.h"
#include "source/split_expression.h"

namespace qk::sniffer {
namespace {

namespace fs = std::filesystem;

/// Keeps the client as long as a file is read.
class HubBytes : public source::ByteSource {
 public:
  HubBytes(std::shared_ptr<hub::Client> client, const hub::DatasetFiles& dataset,
           const std::string& path)
      : client_(std::move(client)), reader_(*client_, dataset.repo, dataset.commit, path) {}

  int64_t bytes() override { return reader_.bytes(); }
  std::string read_at(int64_t offset, int64_t count) override {
    return reader_.read_at(offset, count);
  }

 private:
  std::shared_ptr<hub::Client> client_;
  hub::RangeReader reader_;
};

struct Found {
  hub::DatasetFiles files;
  source::ResolvedDataset resolved;
};

/// Folders <config>/<split>/ of the Hub's copy.
source::ResolvedDataset resolve_converted(const hub::DatasetFiles& files,
                                          const std::optional<std::string>& config) {
  std::map<std::string, std::map<std::string, std::vector<std::string>>> configs;
  for (const std::string& path : files.paths) {
    const size_t first = path.find('/'), second = path.find('/', first + 1);
    if (first != std::string::npos && second != std::string::npos && path.ends_with(".parquet"))
      configs[path.substr(0, first)][path.substr(first + 1, second - first - 1)].push_back(path);
  }
  const std::string wanted = config                ? *config
                             : configs.size() == 1 ? configs.begin()->first
                                                   : "default";
  const auto found = configs.find(wanted);
  if (found == configs.end()) {
    std::vector<std::string> names;
    for (const auto& [name, splits] : configs) names.push_back(name);
    throw DatasetError("dataset.name: {} has no config '{}'; there are: {}", files.repo.id, wanted,
                       fmt::join(names, ", "));
  }
  source::ResolvedDataset dataset{.kind = {source::Format::Parquet}, .splits = {}};
  for (auto& [split, paths] : found->second) {
    std::ranges::sort(paths);
    dataset.splits.push_back({split, paths});
  }
  return dataset;
}

/// What `datasets` can't read, it can't either: a loading script, no file of a known kind.
bool needs_conversion(const hub::DatasetFiles& files) {
  const std::string script = files.repo.id.substr(files.repo.id.rfind('/') + 1) + ".py";
  return std::ranges::find(files.paths, script) != files.paths.end() ||
         std::ranges::none_of(files.paths, source::has_known_extension);
}

Found find(hub::Client& client, const source::DatasetSpec& spec) {
  hub::DatasetFiles files = hub::list_dataset(client, spec.path, "main");
  if (needs_conversion(files)) {
    auto converted = hub::list_converted_dataset(client, spec.path);
    if (!converted) {
      throw DatasetError(
          "{}: has no data files of a known kind (a loading script makes them), and the Hub has no "
          "Parquet copy of it (refs/convert/parquet); convert it and push it as Parquet",
          spec.path);
    }
    log::info("{}: a loading script makes this dataset; reading the Hub's Parquet copy of it",
              spec.path);
    source::ResolvedDataset resolved = resolve_converted(*converted, spec.name);
    return {std::move(*converted), std::move(resolved)};
  }
  source::ResolvedDataset resolved =
      source::resolve({.name = spec.path, .files = files.paths, .card = files.card}, spec.name);
  return {std::move(files), std::move(resolved)};
}

/// The files of the splits that will be read, each once.
std::vector<std::string> wanted_files(const Found& found, const std::string& split) {
  std::set<std::string> names;
  for (const source::SplitTerm& term : source::parse_split_expression(split))
    names.insert(term.split);
  std::set<std::string> files;
  for (const source::SplitFiles& item : found.resolved.splits) {
    if (split == "all" || names.contains(item.split))
      files.insert(item.files.begin(), item.files.end());
  }
  return {files.begin(), files.end()};
}

std::vector<source::SplitDataFiles> data_files(const Found& found,
                                               const std::shared_ptr<hub::Client>& client,
                                               bool streaming) {
  const hub::Cache cache(client->settings().cache, found.files.repo);
  std::vector<source::SplitDataFiles> splits;
  for (const source::SplitFiles& split : found.resolved.splits) {
    splits.push_back({split.split, {}});
    for (const std::string& path : split.files) {
      const std::string name = fmt::format("{}: {}", found.files.repo.id, path);
      source::DataFile file{path, name, found.resolved.kind};
      if (streaming) {
        file.remote = std::make_shared<HubBytes>(client, found.files, path);
      } else {
        file.path = cache.snapshot(found.files.commit) / path;
      }
      splits.back().files.push_back(std::move(file));
    }
  }
  return splits;
}

/// Without the Hub: what an earlier run left in the cache.
FoundTexts open_cached(const hub::Settings& settings, const source::DatasetSpec& spec,
                       const hub::UnreachableError& reason) {
  const hub::Cache cache(settings.cache, {.type = hub::RepoType::Dataset, .id = spec.path});
  const std::optional<std::string> commit = cache.commit_of("main");
  if (!commit || !fs::is_directory(cache.snapshot(*commit)))
    throw HubError("dataset {} is not in the cache ({}), and: {}", spec.path,
                   settings.cache.string(), reason.what());
  if (!settings.offline)
    log::warn("{}; taking dataset {} from the cache, commit {}", reason.what(), spec.path, *commit);
  source::DatasetSpec cached = spec;
  cached.path = cache.snapshot(*commit).string();
  return {source::open_text(cached), *commit};
}

}  // namespace

FoundTexts open_hub_dataset(const std::shared_ptr<hub::Client>& client,
                            const source::DatasetSpec& spec) {
  std::optional<Found> found;
  try {
    found = find(*client, spec);
    if (!spec.streaming) {
      TransferDisplay display("downloading " + spec.path + ":");
      hub::fetch_files(*client, found->files.repo, found->files.commit,
                       wanted_files(*found, spec.split), display.progress());
    }
  } catch (const hub::UnreachableError& error) {
    return open_cached(client->settings(), spec, error);
  } catch (const HubError& error) {
    throw HubError("dataset.path: '{}' is neither file nor folder here; on the Hub: {}", spec.path,
                   error.what());
  }
  return {source::open_text(spec, data_files(*found, client, spec.streaming)), found->files.commit};
}

}  // namespace qk::sniffer

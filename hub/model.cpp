#include "hub/model.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "hub/url.h"

namespace qk::hub {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Paths = std::set<std::string>;

constexpr const char* kSingleFile = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr const char* kTokenizerFiles[] = {"tokenizer.json", "tokenizer_config.json",
                                           "special_tokens_map.json", "added_tokens.json"};

struct Listing {
  std::string commit;
  Paths paths;
};

/// One request for the commit and the names of its files.
Listing list_model(Client& client, const Repo& repo, const std::string& revision) {
  const Json info =
      client.get_json(repo.api() + "/revision/" + escape(revision), repo.subject(revision));
  Listing listing;
  try {
    listing.commit = info.at("sha");
    for (const Json& file : info.at("siblings")) listing.paths.insert(file.at("rfilename"));
  } catch (const Json::exception& error) {
    throw HubError("{}: the Hub's answer is not understood: {}", repo.name(), error.what());
  }
  if (!is_commit(listing.commit))
    throw HubError("{}: the Hub names no commit for revision '{}'", repo.name(), revision);
  return listing;
}

[[noreturn]] void throw_no_safetensors(const Repo& repo, const Paths& paths) {
  const bool pickled = std::ranges::any_of(paths, [](const std::string& path) {
    return path.ends_with(".bin") || path.ends_with(".pt") || path.ends_with(".pth");
  });
  if (pickled) {
    throw HubError(
        "{} has only pickled weights (.bin), which can run code when they are read; look for a "
        "revision with safetensors (often refs/pr/1), or convert it with Transformers' "
        "save_pretrained",
        repo.name());
  }
  throw HubError("{} has neither {} nor {}; is it a model that Transformers loads?", repo.name(),
                 kSingleFile, kIndex);
}

/// Files that are wanted whatever else there is; an index brings its shards later.
std::vector<std::string> wanted_files(const Repo& repo, const Paths& paths,
                                      const ModelParts& parts) {
  std::vector<std::string> wanted;
  if (parts.tokenizer) {
    if (!paths.contains("tokenizer.json"))
      throw HubError("{} has no tokenizer.json; name another repository in tokenizer.name",
                     repo.name());
    for (const char* file : kTokenizerFiles) {
      if (paths.contains(file)) wanted.emplace_back(file);
    }
  }
  if (parts.config) {
    if (!paths.contains("config.json"))
      throw HubError("{} has no config.json; is it a model that Transformers loads?", repo.name());
    wanted.emplace_back("config.json");
  }
  if (parts.weights) {
    if (paths.contains(kSingleFile)) {
      wanted.emplace_back(kSingleFile);
    } else if (paths.contains(kIndex)) {
      wanted.emplace_back(kIndex);
    } else {
      throw_no_safetensors(repo, paths);
    }
  }
  return wanted;
}

/// The shards that an index names, as far as they hold what is needed.
std::vector<std::string> shards_of(const Repo& repo, const fs::path& index,
                                   const ModelParts& parts) {
  Paths shards;
  try {
    const Json json = Json::parse(read_file(index));
    for (const auto& [tensor, shard] : json.at("weight_map").items()) {
      if (!parts.needs || parts.needs(tensor)) shards.insert(shard.get<std::string>());
    }
  } catch (const Json::exception& error) {
    throw HubError("{}: {}: not understood: {}", repo.name(), index.string(), error.what());
  } catch (const std::system_error& error) {
    throw HubError("{}: {}", repo.name(), error.what());
  }
  for (const std::string& shard : shards) {
    if (!is_safe_path(shard))
      throw HubError("{}: {} names a file that leads elsewhere: {}; don't use this repository",
                     repo.name(), kIndex, Json(shard).dump());
  }
  return {shards.begin(), shards.end()};
}

/// The first file that the cache lacks; empty: all there.
std::string missing_file(const Repo& repo, const Cache& cache, const std::string& commit,
                         const ModelParts& parts) {
  std::vector<std::string> wanted;
  if (parts.tokenizer) wanted.emplace_back("tokenizer.json");
  if (parts.config) wanted.emplace_back("config.json");
  if (parts.weights) {
    if (cache.has(commit, kIndex)) {
      for (std::string& shard : shards_of(repo, cache.snapshot(commit) / kIndex, parts))
        wanted.push_back(std::move(shard));
    } else {
      wanted.emplace_back(kSingleFile);
    }
  }
  const auto missing = std::ranges::find_if(
      wanted, [&](const std::string& path) { return !cache.has(commit, path); });
  return missing == wanted.end() ? "" : *missing;
}

Snapshot from_cache(const Repo& repo, const Cache& cache, const std::string& revision,
                    const ModelParts& parts, const UnreachableError& reason, bool offline) {
  const std::optional<std::string> commit = cache.commit_of(revision);
  const std::string missing = commit ? missing_file(repo, cache, *commit, parts) : "config.json";
  if (!commit || !missing.empty()) {
    throw HubError("{} at revision '{}' is not whole in the cache ({} is missing in {}), and: {}",
                   repo.name(), revision, missing, cache.snapshot(commit.value_or("")).string(),
                   reason.what());
  }
  if (!offline)
    log::warn("{}; taking {} from the cache, commit {}", reason.what(), repo.name(), *commit);
  return {cache.snapshot(*commit), *commit};
}

}  // namespace

Snapshot fetch_model(Client& client, const std::string& id, const std::string& revision,
                     const ModelParts& parts, TransferProgress& progress) {
  const Repo repo{.type = RepoType::Model, .id = id};
  const Cache cache(client.settings().cache, repo);
  try {
    const Listing listing = list_model(client, repo, revision);
    const std::vector<std::string> wanted = wanted_files(repo, listing.paths, parts);
    fetch_files(client, repo, listing.commit, wanted, progress);
    const fs::path folder = cache.snapshot(listing.commit);
    if (std::ranges::find(wanted, kIndex) != wanted.end())
      fetch_files(client, repo, listing.commit, shards_of(repo, folder / kIndex, parts), progress);
    cache.remember(revision, listing.commit);
    return {folder, listing.commit};
  } catch (const UnreachableError& error) {
    return from_cache(repo, cache, revision, parts, error, client.settings().offline);
  }
}

}  // namespace qk::hub

#include "source/dataset_folder.h"

#include <nlohmann/json.hpp>
#include <system_error>

#include "base/error.h"
#include "base/files.h"
#include "source/resolve.h"

namespace qk::source {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

std::string read_text(const fs::path& file) {
  try {
    return read_file(file);
  } catch (const std::system_error& error) {
    throw DatasetError("{}", error.what());
  }
}

Json read_json(const fs::path& file) {
  try {
    return Json::parse(read_text(file));
  } catch (const Json::exception& error) {
    throw DatasetError("{}: not valid JSON: {}", file.string(), error.what());
  }
}

std::vector<std::string> list_files(const fs::path& folder) {
  std::vector<std::string> files;
  try {
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
      if (entry.is_regular_file())
        files.push_back(entry.path().lexically_relative(folder).generic_string());
    }
  } catch (const fs::filesystem_error& error) {
    throw DatasetError("{}: {}", folder.string(), error.code().message());
  }
  return files;
}

/// Marks of save_to_disk(): one split has state.json, a dictionary of splits has dataset_dict.json.
constexpr const char* kState = "state.json";
constexpr const char* kSplits = "dataset_dict.json";

std::vector<DataFile> saved_files(const fs::path& folder) {
  const Json state = read_json(folder / kState);
  std::vector<DataFile> files;
  try {
    for (const Json& item : state.at("_data_files")) {
      const fs::path file = folder / item.at("filename").get<std::string>();
      files.push_back({file, file.string(), {Format::Arrow}});
    }
  } catch (const Json::exception& error) {
    throw DatasetError("{}: {}", (folder / kState).string(), error.what());
  }
  return files;
}

std::vector<SplitDataFiles> saved_splits(const fs::path& folder) {
  std::vector<SplitDataFiles> splits;
  const Json dictionary = read_json(folder / kSplits);
  try {
    for (const Json& split : dictionary.at("splits")) {
      const std::string name = split.get<std::string>();
      splits.push_back({name, saved_files(folder / name)});
    }
  } catch (const Json::exception& error) {
    throw DatasetError("{}: {}", (folder / kSplits).string(), error.what());
  }
  return splits;
}

/// A folder saved with a single split calls it by its name, which may be missing.
SplitDataFiles saved_split(const fs::path& folder) {
  const Json state = read_json(folder / kState);
  const auto name = state.find("_split");
  const bool named = name != state.end() && name->is_string();
  return {named ? name->get<std::string>() : "train", saved_files(folder)};
}

std::vector<SplitDataFiles> resolved_splits(const std::string& path,
                                            const std::optional<std::string>& config) {
  const fs::path folder(path);
  DatasetListing listing{.name = path, .files = list_files(folder)};
  if (fs::is_regular_file(folder / "README.md")) listing.card = read_text(folder / "README.md");
  const ResolvedDataset dataset = resolve(listing, config);
  std::vector<SplitDataFiles> splits;
  for (const SplitFiles& split : dataset.splits) {
    splits.push_back({split.split, {}});
    for (const std::string& file : split.files) {
      splits.back().files.push_back({folder / file, (folder / file).string(), dataset.kind});
    }
  }
  return splits;
}

std::vector<SplitDataFiles> single_file(const std::string& path) {
  const std::optional<FileKind> kind = kind_of_file(fs::path(path).filename().string());
  if (!kind) {
    throw DatasetError(
        "dataset.path: {}: unknown kind of file; known: {}, each also as .gz .zst .bz2 .lz4", path,
        known_extensions());
  }
  return {{"train", {{path, path, *kind}}}};
}

}  // namespace

std::vector<SplitDataFiles> local_splits(const std::string& path,
                                         const std::optional<std::string>& config) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) throw DatasetError("dataset.path: no such file or folder: {}", path);
  const bool folder = fs::is_directory(status);
  const bool one_config =
      !folder || fs::exists(fs::path(path) / kState) || fs::exists(fs::path(path) / kSplits);
  if (!one_config) return resolved_splits(path, config);
  if (config && *config != "default") {
    throw DatasetError("dataset.name: {} has no config '{}'; leave dataset.name out", path,
                       *config);
  }
  if (!folder) return single_file(path);
  if (fs::exists(fs::path(path) / kSplits)) return saved_splits(path);
  return {saved_split(path)};
}

}  // namespace qk::source

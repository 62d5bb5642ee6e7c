/// The checkpoint folder: which file holds which tensor.
#include <algorithm>
#include <mutex>
#include <set>

#include "base/error.h"
#include "checkpoint/json_file.h"
#include "checkpoint/safetensors.h"

namespace qk::checkpoint {
namespace fs = std::filesystem;
using Json = nlohmann::json;
namespace {

constexpr std::string_view kSingleFile = "model.safetensors";
constexpr std::string_view kIndexFile = "model.safetensors.index.json";

/// A path below the checkpoint folder, by its letters alone.
bool is_shard_name(const std::string& name) {
  const fs::path path(name);
  const bool inside = path.is_relative() && std::ranges::find(path, fs::path("..")) == path.end();
  return inside && path.extension() == ".safetensors" && name.find('\0') == std::string::npos;
}

/// Tensor name -> shard name.
std::map<std::string, std::string> read_index(const fs::path& file) {
  const Json index = read_python_object(file);
  const auto weight_map = index.find("weight_map");
  if (weight_map == index.end() || !weight_map->is_object()) {
    throw CheckpointError("{}: weight_map is not an object; fetch the file again", file.string());
  }
  std::map<std::string, std::string> shards;
  for (const auto& [name, shard] : weight_map->items()) {
    if (!shard.is_string() || !is_shard_name(shard.get<std::string>())) {
      throw CheckpointError(
          "{}: weight_map: {}: {} is no name of a safetensors file in this folder", file.string(),
          shown(name), shown(shard));
    }
    shards.emplace(name, shard.get<std::string>());
  }
  return shards;
}

[[noreturn]] void report_no_weights(const fs::path& folder) {
  std::error_code error;
  for (fs::directory_iterator at(folder, error); at != fs::directory_iterator();
       at.increment(error)) {
    const fs::path name = at->path().filename();
    if (name.extension() == ".bin" || name.extension() == ".pt" || name.extension() == ".pth") {
      throw CheckpointError(
          "{}: only PyTorch weights here ({}); convert them: load the model with Transformers and "
          "save_pretrained() it",
          folder.string(), name.string());
    }
  }
  throw CheckpointError("{}: {}; expected {} or {} in it", folder.string(),
                        error ? error.message() : "no weights here", kSingleFile, kIndexFile);
}

}  // namespace

struct Weights::State {
  fs::path folder;
  std::map<std::string, fs::path> files;  // tensor name -> file
  std::mutex mutex;
  std::map<fs::path, SafetensorsFile> opened;

  const SafetensorsFile& open(const fs::path& file) {
    const std::lock_guard lock(mutex);
    const auto found = opened.find(file);
    std::error_code ignored;
    if (found == opened.end() && !fs::exists(file, ignored)) {
      throw CheckpointError("{}: names the shard {}, which is not there; fetch it",
                            (folder / kIndexFile).string(), file.string());
    }
    return found != opened.end() ? found->second
                                 : opened.emplace(file, SafetensorsFile::open(file)).first->second;
  }
};

Weights::Weights(std::shared_ptr<State> state) : state_(std::move(state)) {}

Weights Weights::open(const fs::path& folder) {
  const auto state = std::make_shared<State>();
  state->folder = folder;
  std::error_code ignored;
  if (const fs::path file = folder / kSingleFile; fs::exists(file, ignored)) {
    const SafetensorsFile& single = state->open(file);
    for (const auto& [name, tensor] : single.tensors()) state->files.emplace(name, file);
    for (const auto& [name, dtype] : single.unsupported()) state->files.emplace(name, file);
    return Weights(state);
  }
  const fs::path index = folder / kIndexFile;
  if (!fs::exists(index, ignored)) report_no_weights(folder);
  for (const auto& [name, shard] : read_index(index)) state->files.emplace(name, folder / shard);
  return Weights(state);
}

std::vector<std::string> Weights::names() const {
  std::vector<std::string> names;
  for (const auto& [name, file] : state_->files) names.push_back(name);
  return names;
}

bool Weights::contains(const std::string& name) const { return state_->files.contains(name); }

const TensorView& Weights::at(const std::string& name) const {
  const auto found = state_->files.find(name);
  if (found == state_->files.end()) {
    throw CheckpointError("{}: no tensor {} in this checkpoint", state_->folder.string(),
                          shown(name));
  }
  const SafetensorsFile& file = state_->open(found->second);
  if (const auto tensor = file.tensors().find(name); tensor != file.tensors().end())
    return tensor->second;
  if (const auto dtype = file.unsupported().find(name); dtype != file.unsupported().end()) {
    throw CheckpointError("{}: tensor {} is of dtype {}, which this version can't read",
                          found->second.string(), shown(name), shown(dtype->second));
  }
  throw CheckpointError("{}: no tensor {} in it, though {} says so; fetch both files again",
                        found->second.string(), shown(name), kIndexFile);
}

std::vector<fs::path> Weights::files() const {
  std::set<fs::path> files;
  for (const auto& [name, file] : state_->files) files.insert(file);
  return {files.begin(), files.end()};
}

}  // namespace qk::checkpoint

#include "tests/models/tiny_model.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "models/loader.h"
#include "models/registry.h"
#include "tests/base/temporary_folder.h"

namespace qk::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

at::ScalarType scalar_type(const std::string& dtype) {
  return dtype == "BF16" ? at::kBFloat16 : dtype == "F16" ? at::kHalf : at::kFloat;
}

void write_safetensors(const fs::path& file, const std::map<std::string, at::Tensor>& tensors,
                       const std::string& dtype) {
  json header = json::object();
  int64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    const int64_t end = offset + static_cast<int64_t>(tensor.nbytes());
    header[name] = {
        {"dtype", dtype}, {"shape", tensor.sizes().vec()}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const uint64_t length = text.size();
  std::ofstream out(file, std::ios::binary);
  out.write(reinterpret_cast<const char*>(&length), 8)
      .write(text.data(), static_cast<std::streamsize>(length));
  for (const auto& [name, tensor] : tensors) {
    out.write(static_cast<const char*>(tensor.const_data_ptr()),
              static_cast<std::streamsize>(tensor.nbytes()));
  }
}

}  // namespace

json tiny_config(const std::string& model_type) {
  json config = {{"model_type", model_type},
                 {"vocab_size", 64},
                 {"hidden_size", 32},
                 {"intermediate_size", 48},
                 {"num_hidden_layers", 3},
                 {"num_attention_heads", 4},
                 {"num_key_value_heads", 2},
                 {"head_dim", 8},
                 {"max_position_embeddings", 128},
                 {"rms_norm_eps", 1e-6},
                 {"tie_word_embeddings", true}};
  if (model_type == "gemma3_text") config.update({{"num_hidden_layers", 6}, {"sliding_window", 8}});
  if (model_type == "smollm3") config["num_hidden_layers"] = 4;
  if (model_type == "mistral" || model_type == "ministral") config["sliding_window"] = 12;
  if (model_type == "mllama_text_model") config["cross_attention_layers"] = {1};
  return config;
}

fs::path write_tiny_model(const std::string& name, const json& config, const TinyOptions& options) {
  const fs::path folder = tests::process_folder() / name;
  fs::remove_all(folder);
  fs::create_directories(folder);
  std::ofstream(folder / "config.json") << config.dump();
  const models::ModelDescription model = models::describe_model(folder, nullptr);
  at::Generator generator = at::detail::createCPUGenerator(17);
  std::map<std::string, at::Tensor> tensors;
  const auto add = [&](const models::TensorRow& row, const std::string& tensor_name) {
    const std::vector<int64_t> shape = models::tensor_shape(row, model.spec);
    at::Tensor values = at::randn(shape, generator).mul_(shape.size() == 1 ? 0.1 : 0.3);
    if (shape.size() == 1 && tensor_name.find("norm") != std::string::npos) values.add_(1);
    if (options.keep(tensor_name))
      tensors[tensor_name] = values.to(scalar_type(options.dtype)).contiguous();
  };
  add(models::kEmbeddingRow, options.prefix + std::string(models::kEmbeddingRow.name));
  for (size_t layer = 0; layer < model.spec.layers.size(); ++layer) {
    for (const models::TensorRow& row : models::layer_tensors(*model.family, model.spec)) {
      std::string tensor_name(row.name);
      tensor_name.replace(tensor_name.find("{}"), 2, std::to_string(layer));
      add(row, options.prefix + tensor_name);
    }
  }
  write_safetensors(folder / "model.safetensors", tensors, options.dtype);
  return folder;
}

}  // namespace qk::test

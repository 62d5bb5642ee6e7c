#include "models/rope.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>

#include "base/error.h"

namespace qk::models {
namespace {

using checkpoint::HfConfig;
using nlohmann::json;

constexpr std::pair<const char*, RopeType> kTypes[] = {
    {"default", RopeType::Default},
    {"linear", RopeType::Linear},
    {"dynamic", RopeType::Dynamic},
    {"llama3", RopeType::Llama3},
    {"yarn", RopeType::Yarn},
    {"longrope", RopeType::LongRope},
    {"proportional", RopeType::Proportional},
};

bool is_set(const json& object, const char* key) {
  return object.contains(key) && !object[key].is_null();
}

RopeType parse_type(const HfConfig& object) {
  const std::string key = object.is_set("rope_type") ? "rope_type" : "type";
  const std::string name = object.is_set(key) ? object.text(key) : "default";
  for (const auto& [known, type] : kTypes) {
    if (name == known) return type;
  }
  throw CheckpointError(
      "{}: {}: unknown rotary embedding type '{}'; known: default, linear, dynamic, llama3, yarn, "
      "longrope, proportional",
      object.where(), key, name);
}

/// Zero and null mean the default, as upstream's `x or default`.
double number_or(const HfConfig& object, const char* key, double otherwise) {
  const double value = object.is_set(key) ? object.number(key) : 0.0;
  return value != 0.0 ? value : otherwise;
}

double yarn_mscale(double factor, double mscale) {
  return factor <= 1 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0;
}

double yarn_attention_factor(const HfConfig& object, double factor) {
  if (object.is_set("attention_factor")) return object.number("attention_factor");
  const double mscale = number_or(object, "mscale", 0),
               all_dim = number_or(object, "mscale_all_dim", 0);
  if (mscale != 0 && all_dim != 0)
    return yarn_mscale(factor, mscale) / yarn_mscale(factor, all_dim);
  return yarn_mscale(factor, 1.0);
}

double longrope_attention_factor(const HfConfig& object, double factor, double original) {
  if (object.is_set("attention_factor")) return object.number("attention_factor");
  return factor <= 1 ? 1.0 : std::sqrt(1 + std::log(factor) / std::log(original));
}

std::vector<double> factors(const HfConfig& object, const char* key, int64_t pairs) {
  std::vector<double> values;
  if (!object.is_set(key) || !object.json()[key].is_array()) {
    throw CheckpointError("{}: {}: longrope needs a list of {} numbers here", object.where(), key,
                          pairs);
  }
  for (const json& value : object.json()[key]) {
    if (!value.is_number())
      throw CheckpointError("{}: {}: holds {}, which is no number", object.where(), key,
                            value.dump());
    values.push_back(value.get<double>());
  }
  if (static_cast<int64_t>(values.size()) != pairs) {
    throw CheckpointError("{}: {}: {} numbers, but half of the rotated dimensions is {}",
                          object.where(), key, values.size(), pairs);
  }
  return values;
}

void parse_scaling(Rope& rope, const HfConfig& object, const HfConfig& config) {
  const double max_positions = static_cast<double>(rope.max_positions);
  const bool own_length = rope.type == RopeType::Llama3 || rope.type == RopeType::Yarn ||
                          rope.type == RopeType::LongRope;
  if (own_length) {
    const char* key = "original_max_position_embeddings";
    rope.original_max_positions = config.is_set(key)   ? config.number(key)
                                  : object.is_set(key) ? object.number(key)
                                                       : max_positions;
  }
  const bool factor_optional = rope.type == RopeType::Yarn || rope.type == RopeType::LongRope;
  if (rope.type != RopeType::Default && rope.type != RopeType::Proportional) {
    rope.factor = factor_optional && !object.is_set("factor")
                      ? max_positions / rope.original_max_positions
                      : object.number("factor");
  }
  if (rope.type == RopeType::Llama3) {
    rope.low_freq_factor = object.number("low_freq_factor");
    rope.high_freq_factor = object.number("high_freq_factor");
  } else if (rope.type == RopeType::Yarn) {
    rope.beta_fast = number_or(object, "beta_fast", 32);
    rope.beta_slow = number_or(object, "beta_slow", 1);
    rope.truncate = object.boolean("truncate", true);
    rope.attention_factor = yarn_attention_factor(object, rope.factor);
  } else if (rope.type == RopeType::LongRope) {
    rope.short_factor = factors(object, "short_factor", rope.dim / 2);
    rope.long_factor = factors(object, "long_factor", rope.dim / 2);
    rope.attention_factor =
        longrope_attention_factor(object, rope.factor, rope.original_max_positions);
  } else if (rope.type == RopeType::Proportional && object.is_set("factor")) {
    rope.factor = object.number("factor");
  }
}

at::Tensor exponents(int64_t dim) {
  return at::arange(0, dim, 2, at::kLong).to(at::kFloat).div_(static_cast<double>(dim));
}

/// theta ^ (2j / dim), float32.
at::Tensor powers(double theta, int64_t dim) { return at::pow(at::Scalar(theta), exponents(dim)); }

at::Tensor llama3(const Rope& rope, const at::Tensor& base) {
  const at::Tensor wavelength = at::reciprocal(base).mul_(2 * std::numbers::pi);
  const double low = rope.original_max_positions / rope.low_freq_factor;
  const double high = rope.original_max_positions / rope.high_freq_factor;
  const at::Tensor scaled = at::where(wavelength > low, base / rope.factor, base);
  const at::Tensor smooth = at::reciprocal(wavelength)
                                .mul_(rope.original_max_positions)
                                .sub_(rope.low_freq_factor)
                                .div_(rope.high_freq_factor - rope.low_freq_factor);
  const at::Tensor blended = (1 - smooth) * scaled / rope.factor + smooth * scaled;
  const at::Tensor medium =
      (wavelength < high).logical_not().logical_and((wavelength > low).logical_not());
  return at::where(medium, blended, scaled);
}

at::Tensor yarn(const Rope& rope) {
  const double dim = static_cast<double>(rope.dim);
  const auto correction = [&](double rotations) {
    return dim * std::log(rope.original_max_positions / (rotations * 2 * std::numbers::pi)) /
           (2 * std::log(rope.theta));
  };
  double low = correction(rope.beta_fast), high = correction(rope.beta_slow);
  if (rope.truncate) low = std::floor(low), high = std::ceil(high);
  low = std::max(low, 0.0), high = std::min(high, dim - 1);
  if (low == high) high += 0.001;
  const at::Tensor ramp =
      at::arange(rope.dim / 2, at::kLong).to(at::kFloat).sub_(low).div_(high - low).clamp_(0, 1);
  const at::Tensor kept = 1 - ramp;
  const at::Tensor base = powers(rope.theta, rope.dim);
  return (base * rope.factor).reciprocal_() * (1 - kept) + base.reciprocal() * kept;
}

at::Tensor dynamic(const Rope& rope, int64_t length) {
  if (length <= rope.max_positions) return powers(rope.theta, rope.dim).reciprocal_();
  const at::Tensor seen = at::scalar_tensor(length, at::kLong);
  const double exponent = static_cast<double>(rope.dim) / static_cast<double>(rope.dim - 2);
  const at::Tensor stretch =
      (seen * rope.factor / static_cast<double>(rope.max_positions)) - (rope.factor - 1);
  const at::Tensor theta = stretch.pow(exponent).mul(rope.theta);
  return at::pow(theta, exponents(rope.dim)).reciprocal_();
}

at::Tensor longrope(const Rope& rope, int64_t length) {
  const bool longer = static_cast<double>(length) > rope.original_max_positions;
  const at::Tensor stretch = at::tensor(longer ? rope.long_factor : rope.short_factor, at::kFloat);
  return (stretch * powers(rope.theta, rope.dim)).reciprocal_();
}

at::Tensor proportional(const Rope& rope) {
  const int64_t turning =
      static_cast<int64_t>(std::floor(rope.partial * static_cast<double>(rope.head_dim) / 2.0));
  at::Tensor frequencies = powers(rope.theta, rope.head_dim).reciprocal_();
  frequencies.slice(0, std::min(turning, frequencies.size(0))).zero_();
  return frequencies.div_(rope.factor);
}

}  // namespace

json rope_object(const json& config, const RopeDefaults& defaults) {
  json object = json::object();
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    if (config.contains(key) && config[key].is_object() && !config[key].empty()) {
      object = config[key];
      break;
    }
  }
  if (!is_set(object, "rope_theta")) {
    object["rope_theta"] =
        is_set(config, "rope_theta") ? config["rope_theta"] : json(defaults.theta);
  }
  const bool plain = object.value("rope_type", object.value("type", json("default"))) == "default";
  const bool top_level = is_set(config, "partial_rotary_factor");
  if (top_level && (!plain || !is_set(object, "partial_rotary_factor"))) {
    object["partial_rotary_factor"] = config["partial_rotary_factor"];
  } else if (!is_set(object, "partial_rotary_factor")) {
    object["partial_rotary_factor"] = defaults.partial;
  }
  return object;
}

Rope parse_rope(const HfConfig& object, const HfConfig& config, int64_t head_dim) {
  if (object.is_object("full_attention") || object.is_object("sliding_attention")) {
    throw CheckpointError(
        "{}: rope_parameters by layer type are not part of this family; give one flat object",
        object.where());
  }
  Rope rope;
  rope.type = parse_type(object);
  rope.theta = object.number("rope_theta");
  rope.partial = object.number("partial_rotary_factor", 1.0);
  rope.head_dim = head_dim;
  rope.dim = static_cast<int64_t>(static_cast<double>(head_dim) * rope.partial);
  if (rope.type == RopeType::Proportional) rope.dim = head_dim;
  if (!(rope.theta > 0) || rope.dim < 2 || rope.dim % 2 != 0 || rope.dim > head_dim) {
    throw CheckpointError(
        "{}: rope_theta {} and partial_rotary_factor {} give no rotation of a head of {} "
        "dimensions",
        object.where(), rope.theta, rope.partial, head_dim);
  }
  rope.max_positions = config.integer("max_position_embeddings");
  parse_scaling(rope, object, config);
  if (!(rope.factor > 0))
    throw CheckpointError("{}: factor: {} must be above 0", object.where(), rope.factor);
  return rope;
}

at::Tensor rope_frequencies(const Rope& rope, int64_t length) {
  const auto base = [&] { return powers(rope.theta, rope.dim).reciprocal_(); };
  switch (rope.type) {
    case RopeType::Default:
      return base();
    case RopeType::Linear:
      return base().div_(rope.factor);
    case RopeType::Dynamic:
      return dynamic(rope, length);
    case RopeType::Llama3:
      return llama3(rope, base());
    case RopeType::Yarn:
      return yarn(rope);
    case RopeType::LongRope:
      return longrope(rope, length);
    case RopeType::Proportional:
      return proportional(rope);
  }
  throw InternalError("rope type {}", static_cast<int>(rope.type));
}

at::Tensor on_this_thread(const at::Tensor& x,
                          at::Tensor& (*function)(at::Tensor&, const at::Tensor&)) {
  constexpr int64_t kPiece = 1024;  // ATen gives a second thread work from 2048 elements on
  at::Tensor result = at::empty_like(x);
  const at::Tensor from = x.view(-1), to = result.view(-1);
  for (int64_t begin = 0; begin < x.numel(); begin += kPiece) {
    at::Tensor piece = to.slice(0, begin, begin + kPiece);
    function(piece, from.slice(0, begin, begin + kPiece));
  }
  return result;
}

RopeTables::RopeTables(std::vector<Rope> ropes, at::ScalarType dtype, at::Device device)
    : ropes_(std::move(ropes)), dtype_(dtype), device_(device) {}

RopeTable RopeTables::at(size_t index, int64_t length) {
  const Rope& rope = ropes_[index];
  const bool stretched = rope.type == RopeType::Dynamic && length > rope.max_positions;
  const bool longer =
      rope.type == RopeType::LongRope && static_cast<double>(length) > rope.original_max_positions;
  RopeTable& table = tables_[{index, longer}];
  const bool reusable = !stretched && table.cos.defined() && table.cos.size(0) >= length;
  if (reusable) return table;
  const int64_t rows =
      stretched ? length : static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(length)));
  const at::Tensor positions = at::arange(rows, at::kLong).to(at::kFloat).unsqueeze(1);
  const at::Tensor angles = positions * rope_frequencies(rope, length).unsqueeze(0);
  const auto finish = [&](const at::Tensor& x) {
    return x.mul(rope.attention_factor).to(dtype_).to(device_);
  };
  const RopeTable fresh{finish(on_this_thread(angles, at::cos_out)),
                        finish(on_this_thread(angles, at::sin_out))};
  if (!stretched) table = fresh;
  return fresh;
}

}  // namespace qk::models

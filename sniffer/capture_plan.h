#pragma once
/// What a run captures of a model: which heads of which layers, and how the rows of each are
/// labelled.
#include <c10/core/ScalarType.h>

#include <vector>

#include "models/attention_tap.h"
#include "models/family.h"
#include "saver/rows.h"
#include "sniffer/config.h"
#include "sniffer/head_selection.h"

namespace qk::sniffer {

struct CapturePlan {
  saver::CaptureLayout layout;
  std::vector<models::WantedLayer> wanted;  ///< one per layer of the model
};

/// The model's layers as head selection sees them.
std::vector<LayerInfo> layer_infos(const models::DecoderSpec& spec);

/// vectors: the type in which the decoder shows them. Throws ConfigError when nothing would be
/// captured or a layer or head does not exist.
CapturePlan plan_capture(const CaptureConfig& capture, const models::DecoderSpec& spec,
                         at::ScalarType vectors);

}  // namespace qk::sniffer

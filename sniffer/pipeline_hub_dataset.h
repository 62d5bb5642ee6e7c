#pragma once
/// A dataset of the Hub as rows of text.
#include <memory>

#include "hub/client.h"
#include "sniffer/pipeline_hub.h"
#include "source/text_reader.h"

namespace qk::sniffer {

/// Streamed by ranges when spec.streaming says so, else through the cache. A dataset that has no
/// data files of a known kind, but a Parquet copy made by the Hub, is read from that. Throws
/// HubError, DatasetError.
FoundTexts open_hub_dataset(const std::shared_ptr<hub::Client>& client,
                            const source::DatasetSpec& spec);

}  // namespace qk::sniffer

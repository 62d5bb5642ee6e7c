#pragma once
/// Will a run's rows find room? Asked before the first pass.
#include <atomic>

#include "sniffer/config.h"
#include "sniffer/pipeline_setup.h"

namespace qk::sniffer {

/// Where the dataset's row count is known: nothing when the most that its rows can take fits on the
/// disk of data_root, which must exist. Otherwise the plan's estimate, from documents read for
/// about a second, is held against what is left: see saver::check_room. Says nothing of datasets
/// that are streamed from the Hub, nor of documents that can't be read: the run finds them. Throws
/// OutputError.
void check_room(const SniffConfig& config, const Inputs& inputs, const std::atomic<bool>* stop);

}  // namespace qk::sniffer

#include "sniffer/pipeline_push.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "saver/data_root.h"
#include "sniffer/pipeline_hub.h"

namespace qk::sniffer {
namespace {

namespace fs = std::filesystem;

saver::FinishedCapture finished_capture(const fs::path& data_root) {
  auto capture = saver::read_finished(saver::DataRootPaths{data_root}.run());
  if (!capture) {
    throw OutputError("{}: no finished capture is here (run.json is missing); capture first",
                      data_root.string());
  }
  return std::move(*capture);
}

hub::BranchFacts facts_of(const SniffConfig& config, const saver::FinishedCapture& capture) {
  return {.model = config.model.name,
          .dataset = config.dataset.path,
          .configs = std::ranges::count_if(
              capture.files, [](const auto& file) { return file.name.ends_with("/data.parquet"); }),
          .rows = capture.summary.rows};
}

}  // namespace

hub::PushTarget target_of(const OutputConfig& output) {
  if (!output.hf_repo_id)
    throw ConfigError("output.hf_repo_id: not set; name the dataset repository (org/name)");
  return {.repo_id = *output.hf_repo_id,
          .branch = output.hf_branch.value_or("main"),
          .is_private = output.is_private};
}

std::string push_target(const OutputConfig& output) {
  return fmt::format("{}, branch {}", output.hf_repo_id.value_or(""),
                     output.hf_branch.value_or("main"));
}

void check_push(const OutputConfig& output) {
  target_of(output);
  const hub::Settings settings = hub::read_settings(hub::environment());
  if (settings.token && !settings.offline) return;
  throw HubError(
      "output.hf_repo_id: {} is to be pushed to, but {}; or capture with --no-push, and push "
      "later with `sniff-qk push`",
      *output.hf_repo_id,
      settings.offline ? "HF_HUB_OFFLINE is set: unset it"
                       : "there is no token: set HF_TOKEN (or run `hf auth login`)");
}

hub::PushResult push_capture(const SniffConfig& config, const std::atomic<bool>* stop) {
  const hub::PushTarget target = target_of(config.output);
  const saver::FinishedCapture capture = finished_capture(config.output.data_root);
  hub::Client client(hub_settings(stop));
  TransferDisplay display("uploading to " + target.repo_id + ":");
  try {
    return hub::push_folder(client, target, config.output.data_root, facts_of(config, capture),
                            display.progress());
  } catch (const Interrupted&) {
    throw Interrupted(
        "stopped; the capture is whole in {}, and `sniff-qk push --config FILE` goes on with what "
        "is missing on the Hub",
        config.output.data_root);
  } catch (const HubError& error) {
    throw HubError(
        "{}. The capture is whole in {}; `sniff-qk push --config FILE` repeats the push alone and "
        "sends only what is missing",
        error.what(), config.output.data_root);
  }
}

}  // namespace qk::sniffer

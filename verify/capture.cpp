#include "verify/capture.h"

#include "saver/data_root.h"

namespace qk::verify {
namespace fs = std::filesystem;

Capture open_capture(const fs::path& root) {
  const saver::DataRootPaths paths{root};
  if (!fs::is_directory(root)) throw OutputError("{}: no such folder", root.string());
  std::optional<saver::FinishedCapture> run = saver::read_finished(paths.run());
  if (!run) {
    const bool unfinished = fs::exists(paths.work());
    throw OutputError(
        "{}: {}", root.string(),
        unfinished
            ? "the capture there isn't finished. Run its command again, then verify it."
            : "holds no capture of sniff-qk: there is no run.json. Give the data_root of one.");
  }
  sniffer::SniffConfig config = sniffer::parse_config(run->config_yaml, paths.run().string(), {});
  const sniffer::CaptureConfig& capture = config.capture;
  sniffer::PositionSampler sampler(capture.sampler, capture.min_bucket_size,
                                   capture.max_rows_per_batch);
  return {root, std::move(*run), std::move(config), std::move(sampler)};
}

}  // namespace qk::verify

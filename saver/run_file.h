#pragma once
/// run.json marks a finished capture and says what it is; .sniff/identity.json says the same of an
/// unfinished one.
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "saver/dataset_writer.h"
#include "saver/file_facts.h"
#include "saver/totals.h"

namespace qk::saver {

using Identity = std::map<std::string, std::string>;

/// RunFacts::identity and what the layout adds to it.
Identity full_identity(const RunFacts& facts, const CaptureLayout& layout);

/// One line per key that differs: "  key: <was> -> <is>".
std::string differences(const Identity& was, const Identity& is);

struct UnfinishedCapture {
  Identity identity;
  bool replaces = false;  ///< begun with --replace
};

/// What of run.json later runs need.
struct FinishedCapture {
  Identity identity;
  CaptureLayout layout;
  WriteSummary summary;
  std::vector<FileFacts> files;                ///< all but run.json
  std::string config_yaml;                     ///< effective config of the run
  std::map<int64_t, int64_t> rows_per_bucket;  ///< over all heads

  const FileFacts* find(const std::string& name) const;
};

/// row_files: of all heads with rows.
WriteSummary summary_of(const CaptureLayout& layout, const CaptureTotals& totals,
                        const std::vector<FileFacts>& row_files);

struct Timings {
  double capture_seconds = 0, final_pass_seconds = 0;  ///< of the run that finished the capture
};

std::string unfinished_json(const UnfinishedCapture& capture);
std::string finished_json(const FinishedCapture& capture, const RunFacts& facts,
                          const Timings& timings);

/// nullopt: no such file. Throws OutputError when it can't be read as one of ours.
std::optional<UnfinishedCapture> read_unfinished(const std::filesystem::path& file);
std::optional<FinishedCapture> read_finished(const std::filesystem::path& file);

}  // namespace qk::saver

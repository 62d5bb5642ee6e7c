#pragma once
/// What a run will cost, before it: everything but the forward pass itself.
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "models/decoder_options.h"
#include "models/registry.h"
#include "saver/rows.h"
#include "sniffer/config.h"
#include "sniffer/plan_documents.h"
#include "sniffer/plan_files.h"
#include "sniffer/plan_rows.h"
#include "sniffer/plan_work.h"

namespace qk::sniffer {

struct PlanOptions {
  double count_seconds = 20;  ///< for counting documents and tokens; beyond it they are estimated
  bool calibrate = true;      ///< measure this machine's speed
};

struct DiskPlan {
  std::string folder;    ///< of output.data_root that exists already
  double files = 0;      ///< bytes of the finished capture's data files
  double spool = 0;      ///< bytes beside them until the run ends
  double available = 0;  ///< free bytes there
  double needed() const { return files + spool; }
};

/// Of each process.
struct MemoryPlan {
  models::WeightStore store = models::WeightStore::Resident;  ///< of the weights
  double weights = 0, activations = 0;                        ///< on each device that computes
  double writer = 0;  ///< on the host: rows on their way to the disk, at most
  double host = 0;    ///< of the machine; 0: unknown
};

struct RunPlan {
  SniffConfig config;
  models::ModelDescription model;
  saver::CaptureLayout layout;
  int64_t gpus = 0;                         ///< of each process; 0: the CPU computes
  Parallel parallel = Parallel::Documents;  ///< how they share the work; never Auto
  std::string model_layout;                 ///< of a model that several GPUs hold together
  std::vector<std::string> devices;         ///< of each process
  DocumentCount documents;
  RowCount rows;
  int64_t heads = 0, files = 0;
  FileSizes file_sizes;
  DiskPlan disk;
  MemoryPlan memory;
  Work work;
  std::optional<Speed> speed;
  std::optional<double> seconds;  ///< of the forward passes
};

/// Opens what the run would open and counts. Throws the run's errors.
RunPlan make_plan(const SniffConfig& config, const PlanOptions& options);

/// Throws OutputError when the rows can't fit on the disk.
void refuse_what_cannot_fit(const RunPlan& plan);

std::string plan_text(const RunPlan& plan);
nlohmann::ordered_json plan_json(const RunPlan& plan);

}  // namespace qk::sniffer

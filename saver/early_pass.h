#pragma once
/// The final pass, begun while the capture runs: as soon as the spool has the rows of a whole row
/// group of some heads, threads that only take what the capture leaves of the cores read them back
/// and write them to these heads' files. Between two row groups no rows are held. The spool stays
/// what counts: an error ends this pass, not the capture, and the files are then built at the end.
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "saver/final_task.h"
#include "saver/rows.h"
#include "saver/spool_format.h"
#include "saver/spool_index.h"

namespace qk::saver {

struct EarlyOptions {
  std::filesystem::path spool_folder;
  std::filesystem::path staging;  ///< created when there is something to write
  int threads = 1;
  int64_t memory_bytes = 0;  ///< too little for one thread: nothing is built
  int64_t rows_per_group = 1;
  int compression_level = 0;
  std::function<std::string(int32_t)> token_string;  ///< called from the pass's threads
};

class EarlyPass {
 public:
  /// found: what an earlier run has left. layout and shape must outlive this.
  EarlyPass(const CaptureLayout& layout, const SpoolShape& shape, const SpoolIndex& found,
            EarlyOptions options);
  ~EarlyPass();  ///< without finish(): removes what it has built

  /// A unit is in the spool, in a lane that ends there. Units may come in any order; those that
  /// follow one another from document 0 on are used. Does not wait for the pass's threads.
  void add(const SpoolUnit& unit, const LaneEnd& lane);

  /// In the files so far, over all heads.
  int64_t rows() const { return rows_; }
  uint64_t bytes() const { return bytes_; }

  /// Ends the pass and removes what it has built. True if there may be more room on the disk now
  /// than before: once, if there was anything. One call at a time.
  bool drop();

  /// Ends the pass when the row groups being written are whole. nullptr: nothing is built.
  std::unique_ptr<HeadFiles> finish();

 private:
  /// Heads that are built together.
  struct Share {
    HeadRange heads;
    int64_t rows = 0;    ///< in each head's file
    uint64_t bytes = 0;  ///< of its files
    bool busy = false;
  };

  using Lock = std::unique_lock<std::mutex>;

  void end();
  void work();
  void run_jobs(Lock& lock);
  void fail(const std::exception& error);
  void remove_files();
  void take_arrived();
  void take_gapless();
  SpoolIndex counted_from(int64_t document) const;
  bool has_uncounted() const { return !counting_ && counted_ < spool_.units.size(); }
  Share* ready_share();
  void count(Lock& lock);
  std::vector<int64_t> rows_in(const SpoolIndex& part) const;
  void build(Share& share, Lock& lock);
  uint64_t write_group(const Share& share, const SpoolIndex& part);

  const CaptureLayout& layout_;
  const SpoolShape& shape_;
  const EarlyOptions options_;
  TokenStrings token_strings_;

  std::mutex arrival_mutex_;  // guards arrived_, and is held for moments only
  SpoolIndex arrived_;        // not yet in pending_

  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::map<int64_t, SpoolUnit> pending_;  // behind a gap, by first document
  SpoolIndex spool_;                      // without gaps, from document 0 on
  size_t counted_ = 0;                    // units whose rows are in counts_
  bool counting_ = false;
  std::vector<int64_t> counts_;  // per group, of each head
  std::vector<Share> shares_;
  std::unique_ptr<HeadFiles> files_;  // a head's by the thread that builds its share
  bool begun_ = false;                // there is something on the disk
  int working_ = 0;                   // threads
  std::atomic<bool> ending_ = false;  // takes up no more

  std::atomic<bool> failed_ = false;  // breaks off
  std::atomic<int64_t> rows_ = 0;
  std::atomic<uint64_t> bytes_ = 0;
  std::vector<std::jthread> threads_;
};

}  // namespace qk::saver

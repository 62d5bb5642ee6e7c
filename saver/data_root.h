#pragma once
/// The folder a capture is written to: who may write there, what may lie there, and how finished
/// files appear in it. docs/format.md tells the whole story.
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "saver/file_facts.h"
#include "saver/file_io.h"
#include "saver/run_file.h"

namespace qk::saver {

/// Names inside data_root.
struct DataRootPaths {
  std::filesystem::path root;
  std::filesystem::path work() const { return root / ".sniff"; }
  std::filesystem::path lock() const { return work() / "lock"; }
  std::filesystem::path identity() const { return work() / "identity.json"; }
  std::filesystem::path staging() const { return work() / "final"; }
  std::filesystem::path publish() const { return work() / "publish.json"; }
  std::filesystem::path run() const { return root / "run.json"; }
  /// Says from where a capture is being fetched; it is there until that is done.
  std::filesystem::path pull() const { return work() / "pull"; }
};

/// Holds data_root against other runs. The lock ends with the process, however it ends.
class DataRootLock {
 public:
  /// Throws OutputError naming the process that has it.
  explicit DataRootLock(const DataRootPaths& paths);
  ~DataRootLock();  ///< removes .sniff when nothing else is in it

  /// Throws OutputError when data_root no longer leads to what was locked: moved, removed,
  /// unmounted.
  void check() const;

 private:
  DataRootPaths paths_;
  Fd fd_;
};

/// Names in data_root, relative to it, that neither `finished` nor an unfinished capture wrote.
std::vector<std::string> foreign_files(const DataRootPaths& paths, const FinishedCapture* finished);

/// Throws OutputError when data_root has files that neither `finished` nor an unfinished capture
/// wrote.
void refuse_foreign_files(const DataRootPaths& paths, const FinishedCapture* finished);

/// Throws OutputError when files of the finished capture were changed by somebody else: only what a
/// capture wrote may be replaced. Looks at the card only; data files are compared by `verify`.
void refuse_changed_card(const DataRootPaths& paths, const FinishedCapture& finished);

/// Throws OutputError when a file of the finished capture is missing or has another size, but for
/// the card, which people may edit. What is in the files is compared by `verify`.
void refuse_incomplete(const DataRootPaths& paths, const FinishedCapture& finished);

/// Creates and locks data_root, finishes what a crash left of publish(), and returns the finished
/// capture there. Throws OutputError: foreign files, another run.
std::optional<FinishedCapture> open_data_root(const DataRootPaths& paths,
                                              std::optional<DataRootLock>& lock);

/// True for the names that a capture gives to its files.
bool is_capture_file(const std::string& name);

/// Throws OutputError when a capture is only partly fetched from the Hub.
void refuse_unfinished_pull(const DataRootPaths& paths);

/// Removes an unfinished capture: its rows, staged files and identity; a pull's as well.
void remove_unfinished(const DataRootPaths& paths);

/// Makes the staged files (run.json among them) the capture in data_root, in place of `earlier`.
/// From the moment the intent is on disk nothing but finishing it is possible; see
/// finish_publishing.
void publish(const DataRootPaths& paths, const std::vector<FileFacts>& files,
             const FinishedCapture* earlier);

/// Finishes what a crash left of publish(). True when there was something.
bool finish_publishing(const DataRootPaths& paths);

}  // namespace qk::saver

#pragma once
/// The sniff-qk binary as a child process.
#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace qk::e2e {

struct Outcome {
  int exit_code = -1;  ///< -1: a signal ended it
  int signal = 0;
  std::string out, err;  ///< all of stdout and stderr
  int64_t peak_kib = 0;  ///< largest resident set
};

enum class Stderr { Pipe, Terminal };

class Program {
 public:
  /// Starts it in `folder`. binary: empty is sniff-qk. Throws std::system_error.
  Program(const std::vector<std::string>& arguments, const std::filesystem::path& folder,
          Stderr kind = Stderr::Pipe, const std::string& binary = {});
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program();  ///< kills it when it still runs

  /// Returns when stderr holds `text`. Throws std::runtime_error when the program ends without it.
  void wait_for(const std::string& text);
  void send(int signal) const;
  pid_t process() const { return process_; }
  Outcome wait();

 private:
  bool read_some();  ///< false at the end of both streams

  pid_t process_ = -1;
  int out_ = -1, err_ = -1;
  Outcome outcome_;
};

}  // namespace qk::e2e

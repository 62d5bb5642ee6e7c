#pragma once
/// The errors of sniff-qk. One kind, converted from third parties at each border (Arrow, curl,
/// Rust, YAML). Message: what is wrong, where (file, tensor, config path, URL without secrets),
/// what to do about it.
#include <fmt/format.h>

#include <stdexcept>
#include <string>

namespace qk {

/// Process exit codes, documented in README.md. 0 is success; 130 is an interrupted run (Ctrl-C,
/// SIGTERM).
enum class ExitCode : int {
  Config = 2,
  Checkpoint = 3,
  Tokenizer = 4,
  Hub = 5,
  Output = 6,
  Dataset = 7,
  Internal = 70,
  Interrupted = 130,
};

class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ExitCode code() const noexcept { return code_; }

 private:
  ExitCode code_;
};

/// An error class with a fixed exit code and a formatting constructor: ConfigError("{}: unknown
/// key", path).
template <ExitCode kCode>
class ErrorOf : public Error {
 public:
  template <typename... Args>
  explicit ErrorOf(fmt::format_string<Args...> text, Args&&... args)
      : Error(kCode, fmt::format(text, std::forward<Args>(args)...)) {}
};

using ConfigError = ErrorOf<ExitCode::Config>;  ///< the YAML file or the command line
using CheckpointError =
    ErrorOf<ExitCode::Checkpoint>;                    ///< config.json, safetensors, unknown family
using TokenizerError = ErrorOf<ExitCode::Tokenizer>;  ///< tokenizer.json or text it can't take
using HubError = ErrorOf<ExitCode::Hub>;              ///< network and Hub
using OutputError = ErrorOf<ExitCode::Output>;        ///< data_root, disk full, Parquet
using DatasetError = ErrorOf<ExitCode::Dataset>;      ///< dataset files, columns, rows
using InternalError = ErrorOf<ExitCode::Internal>;    ///< a bug of ours
using Interrupted = ErrorOf<ExitCode::Interrupted>;   ///< Ctrl-C or SIGTERM, after a clean stop

}  // namespace qk

/// A programmer's error, never a user's. Stays on in release builds.
#define QK_ASSERT(condition)                                                                    \
  do {                                                                                          \
    if (!(condition))                                                                           \
      throw ::qk::InternalError("{}:{}: assertion failed: {}", __FILE__, __LINE__, #condition); \
  } while (false)

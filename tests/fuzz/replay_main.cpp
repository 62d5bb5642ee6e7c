/// Runs a fuzz target without a fuzzer: each file of the corpus folders, then mutations of them.
///
///     <target> MUTATIONS FOLDER...
///
/// The mutations are the same in every run. An input that the target throws on is written to the
/// working folder as failing_input, and the program ends with 1.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "base/files.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" __attribute__((weak)) int LLVMFuzzerInitialize(int* argc, char*** argv);

namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxInputBytes = 64 * 1024;

std::vector<std::string> read_corpus(int folders, char** paths) {
  std::vector<fs::path> files;
  for (int i = 0; i < folders; ++i) {
    for (const auto& entry : fs::recursive_directory_iterator(paths[i])) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
  }
  std::ranges::sort(files);
  std::vector<std::string> corpus;
  for (const fs::path& file : files) corpus.push_back(qk::read_file(file));
  return corpus;
}

/// Damages inputs the way disks, networks and editors do. Takes the generator's bits as they are:
/// the distributions of the standard library may differ between compilers.
class Mutator {
 public:
  explicit Mutator(const std::vector<std::string>& corpus) : corpus_(corpus) {}

  std::string next() {
    std::string text = corpus_[below(corpus_.size())];
    for (size_t edits = 1 + below(4); edits > 0; --edits) edit(text);
    text.resize(std::min(text.size(), kMaxInputBytes));
    return text;
  }

 private:
  size_t below(size_t limit) { return random_() % limit; }
  size_t position(const std::string& text) { return below(text.size() + 1); }

  std::string piece_of(const std::string& text) {
    const size_t begin = position(text);
    return text.substr(begin, below(32));
  }

  void edit(std::string& text) {
    static const std::string kTokens[] = {"{", "}",  "[",    "]",     ":",      ",",   "\"",   "\\",
                                          "0", "-1", "1e99", ".5",    "null",   "NaN", "true", "\n",
                                          " ", "#",  "&a",   "*a",    "!!",     "|",   "- ",   "\t",
                                          "~", "<<", "\xff", "\xc3(", "\\u0000"};
    const size_t at = position(text);
    switch (below(6)) {
      case 0:  // a bit flips
        if (at < text.size()) text[at] = static_cast<char>(text[at] ^ (1 << below(8)));
        break;
      case 1:
        text.erase(at, below(16));
        break;
      case 2:
        text.resize(at);
        break;
      case 3:
        text.insert(at, kTokens[below(std::size(kTokens))]);
        break;
      case 4:
        text.insert(at, piece_of(corpus_[below(corpus_.size())]));
        break;
      case 5: {  // a piece over and over
        const std::string piece = piece_of(text);
        for (size_t times = below(200); times > 0; --times) text.insert(at, piece);
        break;
      }
    }
  }

  const std::vector<std::string>& corpus_;
  std::mt19937_64 random_{20240229};
};

bool passes(const std::string& input) try {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
  return true;
} catch (const std::exception& error) {
  std::ofstream("failing_input", std::ios::binary) << input;
  fmt::print(stderr, "the target threw: {}\n", error.what());
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    fmt::print(stderr, "usage: {} MUTATIONS FOLDER...\n", argv[0]);
    return 2;
  }
  if (LLVMFuzzerInitialize != nullptr) LLVMFuzzerInitialize(&argc, &argv);
  const std::vector<std::string> corpus = read_corpus(argc - 2, argv + 2);
  if (corpus.empty()) {
    fmt::print(stderr, "no files in the corpus folders\n");
    return 2;
  }
  const bool sound = std::ranges::all_of(corpus, passes);
  if (!sound) return 1;
  Mutator mutator(corpus);
  for (int64_t left = std::stoll(argv[1]); left > 0; --left) {
    if (!passes(mutator.next())) return 1;
  }
  return 0;
}

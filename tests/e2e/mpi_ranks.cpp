#include "tests/e2e/mpi_ranks.h"

#include <sstream>

namespace qk::e2e {

Arguments MpiRanks::ranks(int count, const Arguments& arguments) {
  Arguments words = {"-n", std::to_string(count), QK_BINARY};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return words;
}

Arguments MpiRanks::mpirun(const Arguments& ranks, const std::vector<Arguments>& more) {
  Arguments words;
  std::istringstream command(QK_MPIRUN);
  for (std::string word; std::getline(command, word, '|');) words.push_back(word);
  words.insert(words.end(), ranks.begin(), ranks.end());
  for (const Arguments& others : more) {
    words.emplace_back(":");
    words.insert(words.end(), others.begin(), others.end());
  }
  return words;
}

Program MpiRanks::start(Arguments words) const {
  const std::string binary = words.front();
  words.erase(words.begin());
  return {words, folder_.path(), Stderr::Pipe, binary};
}

std::vector<pid_t> MpiRanks::ranks_of(const Program& job) {
  const pid_t launcher = children_of(job.process()).back();  // CMake sets its environment
  return children_of(launcher);
}

}  // namespace qk::e2e

#include "parallel/local_team.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <mutex>
#include <new>
#include <optional>
#include <sstream>
#include <string_view>
#include <thread>

#include "base/error.h"
#include "base/log.h"

namespace qk::parallel {
namespace {

constexpr const char* kVariable = "SNIFF_QK_TEAM";  // what start_team tells the others
constexpr int kInterrupted = static_cast<int>(ExitCode::Interrupted);
constexpr int kInternal = static_cast<int>(ExitCode::Internal);

/// In the memory of all ranks.
struct Shared {
  /// False if another rank has failed before.
  bool fail(int exit_code) {
    int none = 0;
    return failure.compare_exchange_strong(none, exit_code);
  }

  std::array<std::atomic<int64_t>, kCounters> counters{};
  std::atomic<bool> stop = false;
  std::atomic<int> failure = 0;  // exit code of the first rank that has failed
};
static_assert(std::atomic<int64_t>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);

/// Stays as long as the process: signal handlers write to it.
void* map_shared(int file) {
  void* memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  QK_ASSERT(memory != MAP_FAILED);
  return memory;
}

// Texts go through a socket behind their length. False, nullopt: the other end is gone.

bool send_bytes(int socket, const void* bytes, size_t size) {
  for (size_t sent = 0; sent < size;) {
    const ssize_t count =
        ::send(socket, static_cast<const char*>(bytes) + sent, size - sent, MSG_NOSIGNAL);
    if (count < 0 && errno != EINTR) return false;
    if (count > 0) sent += static_cast<size_t>(count);
  }
  return true;
}

bool receive_bytes(int socket, void* bytes, size_t size) {
  for (size_t received = 0; received < size;) {
    const ssize_t count =
        ::recv(socket, static_cast<char*>(bytes) + received, size - received, MSG_WAITALL);
    if (count == 0 || (count < 0 && errno != EINTR)) return false;
    if (count > 0) received += static_cast<size_t>(count);
  }
  return true;
}

bool send_text(int socket, const std::string& text) {
  const uint64_t size = text.size();
  return send_bytes(socket, &size, sizeof size) && send_bytes(socket, text.data(), size);
}

std::optional<std::string> receive_text(int socket) {
  uint64_t size = 0;
  if (!receive_bytes(socket, &size, sizeof size)) return std::nullopt;
  std::string text(size, '\0');
  if (!receive_bytes(socket, text.data(), size)) return std::nullopt;
  return text;
}

class TeamJob : public Job {
 public:
  TeamJob(Shared& shared, int rank, int size) : shared_(shared), rank_(rank), size_(size) {}

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  int ranks_on_host() const override { return size_; }
  int rank_on_host() const override { return rank_; }
  std::string host() const override { return host_name(); }
  bool shares_cores() const override { return true; }
  std::atomic<bool>* stop_flag() override { return &shared_.stop; }

  int64_t add(Counter counter, int64_t count) override {
    return shared_.counters[static_cast<size_t>(counter)].fetch_add(count);
  }
  void barrier() override {
    gather("");
    broadcast("");
  }

 protected:
  Shared& shared_;

 private:
  const int rank_, size_;
};

/// Any rank but 0.
class Member final : public TeamJob {
 public:
  Member(Shared& shared, int rank, int size, int socket)
      : TeamJob(shared, rank, size), socket_(socket) {}
  ~Member() override { ::close(socket_); }

  std::vector<std::string> gather(const std::string& mine) override {
    if (!send_text(socket_, mine)) leave();
    return {};
  }
  std::string broadcast(const std::string&) override {
    std::optional<std::string> text = receive_text(socket_);
    if (!text) leave();
    return *std::move(text);
  }
  bool tells_failure(int exit_code) override {
    return exit_code != kInterrupted && shared_.fail(exit_code);
  }
  [[noreturn]] void abort(int exit_code) override { std::_Exit(exit_code); }

 private:
  [[noreturn]] static void leave() { throw Interrupted("rank 0 has ended"); }

  const int socket_;
};

/// Rank 0: passes on texts, and watches the others.
class Leader final : public TeamJob {
 public:
  Leader(Shared& shared, const std::vector<std::string>& works_on, int shared_file)
      : TeamJob(shared, 0, static_cast<int>(works_on.size())) {
    for (int rank = 1; rank < size(); ++rank)
      members_.push_back(start(rank, works_on[static_cast<size_t>(rank)], shared_file));
    watcher_ = std::thread([this] { watch(); });
  }

  /// Waits until all have ended.
  ~Leader() override {
    for (const Process& member : members_) ::shutdown(member.socket, SHUT_WR);
    watcher_.join();
    for (const Process& member : members_) ::close(member.socket);
  }

  std::vector<std::string> gather(const std::string& mine) override {
    std::vector<std::string> texts = {mine};
    for (Process& member : members_) {
      std::optional<std::string> text = receive_text(member.socket);
      if (!text) lost(member);
      texts.push_back(*std::move(text));
    }
    return texts;
  }
  std::string broadcast(const std::string& text) override {
    for (Process& member : members_)
      if (!send_text(member.socket, text)) lost(member);
    return text;
  }
  bool tells_failure(int exit_code) override {
    return exit_code == kInterrupted || shared_.fail(exit_code);
  }
  [[noreturn]] void abort(int exit_code) override {
    const std::scoped_lock lock(mutex_);
    end(exit_code);
  }

 private:
  struct Process {
    std::string name;
    pid_t id = -1;
    int socket = -1;
    bool ended = false;
  };

  Process start(int rank, const std::string& works_on, int shared_file) const;

  void watch() {
    std::unique_lock lock(mutex_);
    for (std::vector<pollfd> ends; !(ends = ends_of_living()).empty();) {
      lock.unlock();
      ::poll(ends.data(), ends.size(), -1);
      lock.lock();
      for (Process& member : members_) {
        const auto hung_up = [&](const pollfd& end) {
          return end.fd == member.socket && end.revents != 0;
        };
        if (member.ended || std::ranges::none_of(ends, hung_up)) continue;
        if (!ended_well(member) && !shared_.stop) end(shared_.failure);
      }
    }
  }

  /// No event is asked for: only that the other end is closed is told.
  std::vector<pollfd> ends_of_living() const {
    std::vector<pollfd> ends;
    for (const Process& member : members_)
      if (!member.ended) ends.push_back({.fd = member.socket, .events = 0, .revents = 0});
    return ends;
  }

  // What follows is called with the mutex locked.

  /// Waits for its end. Where that is a failure that nobody has told of yet, tells.
  bool ended_well(Process& member) {
    int status = 0;
    while (::waitpid(member.id, &status, 0) < 0 && errno == EINTR) {
    }
    member.ended = true;
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    const int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    const bool stopped = code == kInterrupted || signal == SIGINT || signal == SIGTERM;
    if (code + signal == 0 || (stopped && shared_.stop)) return true;
    if (signal == 0) {
      tell(member, code, fmt::format("ended with exit code {}", code));
    } else {
      const char* hint = signal == SIGKILL ? ", perhaps by the system for want of memory" : "";
      tell(member, kInternal, fmt::format("was ended by signal {}{}", signal, hint));
    }
    return false;
  }

  void tell(const Process& member, int code, const std::string& what) {
    if (!shared_.fail(code)) return;
    log::end_with(fmt::format(
        "sniff-qk: {} {}. What was captured is kept; the same command goes on from there",
        member.name, what));
  }

  /// Ends all; those that have been asked to stop may write first what they have captured.
  [[noreturn]] void end(int exit_code) {
    if (!shared_.stop) shared_.fail(exit_code);
    for (const Process& member : members_) {
      ::shutdown(member.socket, SHUT_WR);
      if (!member.ended && !shared_.stop) ::kill(member.id, SIGKILL);
    }
    for (Process& member : members_)
      if (!member.ended) ended_well(member);
    std::_Exit(shared_.failure != 0 ? shared_.failure.load() : exit_code);
  }

  /// A text can't be had of it, or given to it.
  [[noreturn]] void lost(Process& member) {
    const std::scoped_lock lock(mutex_);
    if (!member.ended) ended_well(member);
    if (shared_.stop) throw Interrupted("stopped; the same command goes on from there");
    tell(member, kInternal, "ended before its work was done");
    end(kInternal);
  }

  std::mutex mutex_;  // guards members_' ended
  std::vector<Process> members_;
  std::thread watcher_;
};

std::vector<std::string> own_arguments() {
  std::vector<std::string> words;
  std::ifstream stream("/proc/self/cmdline");
  for (std::string word; std::getline(stream, word, '\0');) words.push_back(word);
  return words;
}

std::vector<std::string> environment_with(const std::string& name, const std::string& value) {
  std::vector<std::string> variables = {name + "=" + value};
  for (char** variable = environ; *variable != nullptr; ++variable)
    if (!std::string_view(*variable).starts_with(name + "=")) variables.emplace_back(*variable);
  return variables;
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> all;
  for (std::string& word : words) all.push_back(word.data());
  all.push_back(nullptr);
  return all;
}

[[noreturn]] void refuse(int error) {
  throw ConfigError("cannot start another process: {}. inference.processes says how many",
                    std::strerror(error));
}

Leader::Process Leader::start(int rank, const std::string& works_on, int shared_file) const {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) refuse(errno);
  std::vector<std::string> words = own_arguments();
  std::vector<std::string> variables = environment_with(
      kVariable, fmt::format("{} {} {} {} {}", rank, size(), ::getpid(), shared_file, ends[1]));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (const int inherited : {shared_file, ends[1]})
    posix_spawn_file_actions_adddup2(&actions, inherited, inherited);
  Process process{.name = fmt::format("rank {} ({})", rank, works_on), .socket = ends[0]};
  const int error = ::posix_spawn(&process.id, "/proc/self/exe", &actions, nullptr,
                                  pointers(words).data(), pointers(variables).data());
  posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  if (error != 0) refuse(error);
  return process;
}

}  // namespace

std::unique_ptr<Job> start_team(const std::vector<std::string>& works_on) {
  const int file = ::memfd_create("ranks of sniff-qk", MFD_CLOEXEC);
  if (file < 0 || ::ftruncate(file, sizeof(Shared)) != 0) refuse(errno);
  auto team = std::make_unique<Leader>(*new (map_shared(file)) Shared, works_on, file);
  ::close(file);
  return team;
}

std::unique_ptr<Job> join_team() {
  const char* told = std::getenv(kVariable);
  if (told == nullptr) return nullptr;
  int rank = 0, size = 0, shared_file = -1, socket = -1;
  pid_t leader = -1;
  std::istringstream words(told);
  words >> rank >> size >> leader >> shared_file >> socket;
  QK_ASSERT(words);
  ::unsetenv(kVariable);
  ::prctl(PR_SET_NAME, program_invocation_short_name);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != leader) throw Interrupted("rank 0 has ended");
  ::fcntl(socket, F_SETFD, FD_CLOEXEC);
  auto& shared = *static_cast<Shared*>(map_shared(shared_file));
  ::close(shared_file);
  return std::make_unique<Member>(shared, rank, size, socket);
}

}  // namespace qk::parallel

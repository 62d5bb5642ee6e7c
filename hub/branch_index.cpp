#include "hub/branch_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/log.h"
#include "hub/commit.h"

namespace qk::hub {
namespace {

constexpr const char* kReadme = "README.md";
constexpr const char* kBegin = "<!-- sniff-qk: branches -->\n";
constexpr const char* kEnd = "<!-- sniff-qk: end of branches -->\n";
constexpr const char* kTableHead =
    "| branch | model | dataset | configs | rows |\n| --- | --- | --- | ---: | ---: |\n";
constexpr int kMaxTries = 8;

std::string new_readme(const std::string& repo_id, const std::string& branch) {
  return fmt::format(R"(---
viewer: false
tags:
  - attention
  - query-key-vectors
  - sniff-qk
---
# Query and key vectors of attention heads

Each branch holds one capture, one config per head; its own card says what the run was.

```python
from datasets import load_dataset

rows = load_dataset("{}", "l00h00q", split="train", revision="{}")
```

{}{})",
                     repo_id, branch, kBegin, kEnd);
}

/// Safe in a cell of a table.
std::string cell(std::string text) {
  std::ranges::replace_if(
      text, [](unsigned char c) { return c < ' ' || c == '|' || c == '`'; }, ' ');
  return text;
}

/// Branch -> line, of the lines "| `branch` | ...".
std::map<std::string, std::string> parse_lines(std::string_view table) {
  std::map<std::string, std::string> lines;
  while (!table.empty()) {
    const size_t end = std::min(table.find('\n'), table.size() - 1);
    const std::string line(table.substr(0, end + 1));
    table.remove_prefix(end + 1);
    const size_t close = line.starts_with("| `") ? line.find('`', 3) : std::string::npos;
    if (close != std::string::npos) lines[line.substr(3, close - 3)] = line;
  }
  return lines;
}

std::string main_readme(Client& client, const Repo& repo, const std::string& head) {
  const std::string url = file_url(client, repo, head, kReadme);
  const HttpResponse answer = client.send({.url = url});
  if (refusal_of(answer) == Refusal::FileMissing) return "";
  client.expect_success(answer, url, repo.subject(head, kReadme));
  return answer.body;
}

void try_update(Client& client, const Repo& repo, const std::string& branch,
                const BranchFacts& facts) {
  std::set<std::string> names;
  const auto branches = list_branches(client, repo);
  for (const auto& [name, commit] : branches) names.insert(name);
  const std::string& head = branches.at("main");
  const std::string before = main_readme(client, repo, head);
  const std::string after = with_branch(before, repo.id, branch, facts, names);
  if (after == before) return;
  commit_changes(client, repo, "main", head, "sniff-qk: index of branches",
                 {{.kind = Change::Kind::Content,
                   .path = kReadme,
                   .content = after,
                   .sha256 = {},
                   .bytes = static_cast<int64_t>(after.size())}});
}

}  // namespace

std::string with_branch(const std::string& readme, const std::string& repo_id,
                        const std::string& branch, const BranchFacts& facts,
                        const std::set<std::string>& branches) {
  const std::string text = readme.empty() ? new_readme(repo_id, branch) : readme;
  const size_t marker = text.find(kBegin), end = text.find(kEnd);
  if (marker == std::string::npos || end == std::string::npos || end < marker) return readme;
  const size_t begin = marker + std::string_view(kBegin).size();
  auto lines = parse_lines(std::string_view(text).substr(begin, end - begin));
  std::erase_if(lines, [&](const auto& line) { return !branches.contains(line.first); });
  lines[branch] = fmt::format("| `{}` | {} | {} | {} | {} |\n", cell(branch), cell(facts.model),
                              cell(facts.dataset), facts.configs, facts.rows);
  std::string table = kTableHead;
  for (const auto& [name, line] : lines) table += line;
  return text.substr(0, begin) + table + text.substr(end);
}

void update_branch_index(Client& client, const Repo& repo, const std::string& branch,
                         const BranchFacts& facts) {
  for (int tries = 1;; ++tries) {
    try {
      return try_update(client, repo, branch, facts);
    } catch (const TryAgain& problem) {
      if (tries == kMaxTries) throw HubError("{} (after {} tries)", problem.what(), tries);
      log::debug("{}; looking again", problem.what());
      client.wait(problem.seconds() * tries);
    }
  }
}

}  // namespace qk::hub

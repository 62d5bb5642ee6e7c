// sniff-qk report: the file it writes. tests/browser opens it in a browser.
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "tests/e2e/workspace.h"

namespace qk::e2e {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

class Report : public Workspace {
 protected:
  /// The data that the page carries.
  static nlohmann::json data_of(const std::string& page) {
    const std::string start = R"(<script type="application/json" id="data">)";
    const size_t begin = page.find(start) + start.size();
    return nlohmann::json::parse(page.substr(begin, page.find("</script>", begin) - begin));
  }
};

TEST_F(Report, IsOneFileWithEverythingInIt) {
  ASSERT_EQ(run(tiny()).exit_code, 0);
  const Hashes before = all_files(path("data/tiny"));
  const Outcome outcome = run({"report", "data/tiny"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "tiny-report.html\n");
  EXPECT_EQ(all_files(path("data/tiny")), before);
  const std::string page = read_file(path("tiny-report.html"));
  EXPECT_THAT(page, Not(HasSubstr("@@")));
  EXPECT_THAT(page, Not(HasSubstr("src=")));
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  const auto data = data_of(page);
  const auto written = nlohmann::json::parse(read_file(path("data/tiny/run.json")));
  EXPECT_EQ(data.at("heads").size(), written.at("counts").at("files"));
  int64_t rows = 0;
  for (const auto& head : data.at("heads")) rows += head.at("rows").get<int64_t>();
  EXPECT_EQ(rows, written.at("counts").at("rows"));
}

TEST_F(Report, IsTheSameEveryTime) {
  ASSERT_EQ(run(tiny()).exit_code, 0);
  ASSERT_EQ(run({"report", "data/tiny", "-o", "first.html"}).exit_code, 0);
  ASSERT_EQ(run({"report", "data/tiny", "-o", "second.html"}).exit_code, 0);
  EXPECT_EQ(read_file(path("first.html")), read_file(path("second.html")));
}

TEST_F(Report, TextOfTheRunCantBreakOutOfThePage) {
  fs::rename(path("tiny.jsonl"), path("<script>alert(1)<!--.jsonl"));
  ASSERT_EQ(run(tiny({"dataset.path=<script>alert(1)<!--.jsonl"})).exit_code, 0);
  ASSERT_EQ(run({"report", "data/tiny"}).exit_code, 0);
  const std::string page = read_file(path("tiny-report.html"));
  EXPECT_THAT(page, Not(HasSubstr("<script>alert")));
  EXPECT_THAT(data_of(page).at("subtitle").get<std::string>(), HasSubstr("<script>alert(1)<!--"));
}

TEST_F(Report, SaysWhereItCantBeWritten) {
  ASSERT_EQ(run(tiny()).exit_code, 0);
  const Outcome outcome = run({"report", "data/tiny", "-o", "no/such/folder/report.html"});
  EXPECT_EQ(outcome.exit_code, 6);
  EXPECT_THAT(outcome.err, HasSubstr("choose another file with -o"));
}

}  // namespace
}  // namespace qk::e2e

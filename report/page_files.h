#pragma once
/// The report page's own files, part of the binary (report/CMakeLists.txt).
#include <string_view>

namespace qk::report {

std::string_view page_html();
std::string_view page_style();
std::string_view page_script();  ///< report/page/*.js, one after another
std::string_view chart_style();
std::string_view chart_script();

}  // namespace qk::report

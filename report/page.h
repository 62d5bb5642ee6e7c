#pragma once
/// `sniff-qk report`: one HTML file that shows a capture in a browser, without network.
#include <string>

#include "report/capture.h"
#include "report/inspection.h"

namespace qk::report {

/// Reads every file once, several at a time. Throws OutputError.
std::string report_page(const Capture& capture, const OnHead& on_head);

}  // namespace qk::report

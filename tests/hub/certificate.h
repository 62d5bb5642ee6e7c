#pragma once
#include <filesystem>
#include <string>

namespace qk::tests {

/// Writes a key and its certificate, signed by itself, to one PEM file. names: "IP:127.0.0.1,..."
void write_certificate(const std::filesystem::path& file, const std::string& names);

}  // namespace qk::tests

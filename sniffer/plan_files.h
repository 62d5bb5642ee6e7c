#pragma once
/// What a run's rows take on disk.
#include <cstdint>
#include <vector>

#include "models/family.h"
#include "saver/rows.h"
#include "sniffer/config.h"
#include "sniffer/plan_documents.h"
#include "tokenizer/tokenizer.h"

namespace qk::sniffer {

/// Bytes of one head's file with so many rows: a fixed part and a part per row.
struct FileSize {
  double fixed = 0, per_row = 0;
  double of(double rows) const { return rows <= 0 ? 0 : fixed + per_row * rows; }
};

/// The first layer sees a token without what came before it, so its vectors repeat and take less.
struct FileSizes {
  FileSize first_layer, others;
  const FileSize& of_layer(int32_t layer) const { return layer == 0 ? first_layer : others; }
};

/// Writes a few small files of made-up vectors as the run would (type, compression, columns,
/// positions and tokens of the documents' first rows) and measures them. Temporary files, removed
/// before it returns. rows: of a typical file. Throws OutputError.
FileSizes measure_file_sizes(const SniffConfig& config, const models::DecoderSpec& spec,
                             const saver::CaptureLayout& layout, const DocumentCount& documents,
                             double rows, const tokenizer::Tokenizer& tokenizer);

/// Bytes of the spool, which is on disk beside the final files at the end of a run.
double spool_bytes(const saver::CaptureLayout& layout, const std::vector<double>& rows_of_group);

}  // namespace qk::sniffer

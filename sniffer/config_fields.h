#pragma once
/// The one list of config keys. A visitor is called with each struct member and its Field, in the
/// order of the file; members that are structs themselves (or optional ones) have their own
/// visit_fields.
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "sniffer/config.h"

namespace qk::sniffer {

/// How a value is written where its type alone doesn't say it.
enum class Form {
  AsTyped,
  Device,   ///< auto, cpu, cuda, cuda:N
  Padding,  ///< a choice, or a bool as the tokenizer call takes it
  Bytes,    ///< a count, or text with a unit
};

/// What a key says about itself; its type and default are those of the struct member.
struct Field {
  std::string_view key;
  std::string_view meaning;
  bool required = false;
  bool addition = false;  ///< not a key of the reference
  int64_t least =
      std::numeric_limits<int64_t>::min();  ///< of an integer, or of each integer of a list
  int64_t most = std::numeric_limits<int64_t>::max();
  bool positive = false;                           ///< of a number: above 0
  std::span<const std::string_view> choices = {};  ///< of a text; empty: any
  Form form = Form::AsTyped;
  bool section = false;  ///< one of the six parts of a config
  bool open = false;     ///< a section whose unknown keys are ignored with a warning
  std::string_view no_effect =
      {};  ///< why setting it changes nothing here; empty: it does something
};

template <typename E>
struct EnumName {
  E value;
  std::string_view name;  ///< the first name of a value is the one that is printed
};

inline constexpr EnumName<WeightType> kWeightTypeNames[] = {
    {WeightType::Float16, "float16"}, {WeightType::BFloat16, "bfloat16"},
    {WeightType::Float32, "float32"}, {WeightType::Float16, "fp16"},
    {WeightType::BFloat16, "bf16"},   {WeightType::Float32, "fp32"}};
inline constexpr EnumName<SamplerType> kSamplerTypeNames[] = {
    {SamplerType::LogUniform, "log_uniform"},
    {SamplerType::Uniform, "uniform"},
    {SamplerType::All, "all"}};
inline constexpr EnumName<OnBadText> kOnBadTextNames[] = {{OnBadText::Error, "error"},
                                                          {OnBadText::Skip, "skip"}};
inline constexpr EnumName<Parallel> kParallelNames[] = {{Parallel::Auto, "auto"},
                                                        {Parallel::Documents, "documents"},
                                                        {Parallel::Heads, "heads"},
                                                        {Parallel::Layers, "layers"}};

inline std::span<const EnumName<WeightType>> names_of(WeightType) { return kWeightTypeNames; }
inline std::span<const EnumName<SamplerType>> names_of(SamplerType) { return kSamplerTypeNames; }
inline std::span<const EnumName<OnBadText>> names_of(OnBadText) { return kOnBadTextNames; }
inline std::span<const EnumName<Parallel>> names_of(Parallel) { return kParallelNames; }

/// Whether names are taken in any case.
inline constexpr bool any_case(WeightType) { return true; }
inline constexpr bool any_case(SamplerType) { return false; }
inline constexpr bool any_case(OnBadText) { return false; }
inline constexpr bool any_case(Parallel) { return false; }

inline constexpr std::string_view kAttention[] = {"eager", "sdpa", "flash_attention_2",
                                                  "flash_attention_3"};
inline constexpr std::string_view kPadding[] = {"longest", "max_length", "do_not_pad"};
inline constexpr std::string_view kPaddingSide[] = {"right", "left"};
inline constexpr std::string_view kNoRemoteCode = "code from a checkpoint is never run";

template <typename Visitor>
void visit_fields(DatasetConfig& dataset, Visitor& visit) {
  visit(dataset.path,
        {.key = "path", .meaning = "Hub dataset id, or a local file or folder", .required = true});
  visit(dataset.name, {.key = "name", .meaning = "config (\"subset\") of the dataset"});
  visit(dataset.split, {.key = "split", .meaning = "split of the dataset"});
  visit(dataset.text_column, {.key = "text_column", .meaning = "column with the text"});
  visit(dataset.id_column,
        {.key = "id_column", .meaning = "column with the example's id; null: the row index"});
  visit(dataset.max_samples,
        {.key = "max_samples", .meaning = "only the first N rows; null: all", .least = 1});
  visit(dataset.streaming,
        {.key = "streaming",
         .meaning = "read rows as they come, without fetching the whole split first"});
  visit(dataset.on_bad_text,
        {.key = "on_bad_text",
         .meaning = "what to do with a row whose text is null or no text: stop, or skip it",
         .addition = true});
}

template <typename Visitor>
void visit_fields(ModelConfig& model, Visitor& visit) {
  visit(model.name,
        {.key = "name", .meaning = "Hub model id, or a local folder", .required = true});
  visit(model.revision, {.key = "revision", .meaning = "branch, tag or commit; null: main"});
  visit(model.dtype, {.key = "dtype", .meaning = "type of the weights in memory"});
  visit(model.device_map,
        {.key = "device_map",
         .meaning = "where the model runs; auto and null: on a GPU when there is one",
         .form = Form::Device});
  visit(model.trust_remote_code,
        {.key = "trust_remote_code", .meaning = "accepted", .no_effect = kNoRemoteCode});
  visit(model.attn_implementation, {.key = "attn_implementation",
                                    .meaning = "attention kernel; null: the fastest",
                                    .choices = kAttention});
  visit(
      model.config_overrides,
      {.key = "config_overrides",
       .meaning = "laid over config.json: mappings merge one level deep, anything else replaces"});
}

template <typename Visitor>
void visit_fields(TokenizerConfig& tokenizer, Visitor& visit) {
  visit(tokenizer.name, {.key = "name", .meaning = "Hub id or local folder; null: model.name"});
  visit(tokenizer.max_length, {.key = "max_length",
                               .meaning = "longer texts are cut at the end; counts special tokens",
                               .least = 1});
  visit(tokenizer.padding, {.key = "padding",
                            .meaning = "padding within a batch; never changes what is captured",
                            .choices = kPadding,
                            .form = Form::Padding});
  visit(tokenizer.padding_side, {.key = "padding_side",
                                 .meaning = "accepted; both sides give the same rows",
                                 .choices = kPaddingSide,
                                 .no_effect = "both sides give the same rows"});
  visit(tokenizer.trust_remote_code,
        {.key = "trust_remote_code", .meaning = "accepted", .no_effect = kNoRemoteCode});
}

template <typename Visitor>
void visit_fields(InferenceConfig& inference, Visitor& visit) {
  visit(inference.batch_size,
        {.key = "batch_size", .meaning = "texts per forward pass", .least = 1});
  visit(inference.autocast_dtype,
        {.key = "autocast_dtype", .meaning = "type of the matrix products on a GPU (autocast)"});
  visit(inference.debug_logging,
        {.key = "debug_logging", .meaning = "log times and counts of batches"});
  visit(inference.debug_log_every_n_batches, {.key = "debug_log_every_n_batches",
                                              .meaning = "log batches 1 to 3, then every N-th",
                                              .least = 1});
  visit(inference.mps_cleanup_every_batches, {.key = "mps_cleanup_every_batches",
                                              .meaning = "accepted",
                                              .least = 0,
                                              .no_effect = "there is no MPS backend"});
  visit(
      inference.threads,
      {.key = "threads", .meaning = "CPU threads; null: all cores", .addition = true, .least = 1});
  visit(inference.device_memory_bytes,
        {.key = "device_memory",
         .meaning = "memory of a GPU that the run may take; null: what is free. Weights that leave "
                    "no room for a pass stay on the host and go through it layer by layer",
         .addition = true,
         .least = 1,
         .form = Form::Bytes});
  visit(inference.processes,
        {.key = "processes",
         .meaning = "processes that share the documents; null: one for each visible GPU, one where "
                    "model.device_map names a single GPU or the CPU. mpirun and srun decide "
                    "themselves",
         .addition = true,
         .least = 1,
         .most = 1024});
  visit(
      inference.parallel,
      {.key = "parallel",
       .meaning = "documents: each GPU takes documents of its own; heads: all GPUs of one process "
                  "share each document by its heads, for few long ones; layers: each GPU has some "
                  "of the layers, for a model that is larger than one GPU; auto: documents if the "
                  "model fits on one GPU, else heads or layers",
       .addition = true});
}

template <typename Visitor>
void visit_fields(HeadSampling& sampling, Visitor& visit) {
  visit(sampling.count, {.key = "count", .meaning = "heads to draw", .required = true, .least = 1});
  visit(sampling.seed, {.key = "seed", .meaning = "seed of the draw"});
}

template <typename Visitor>
void visit_fields(SamplerConfig& sampler, Visitor& visit) {
  visit(sampler.type,
        {.key = "type",
         .meaning = "log_uniform: buckets that double in width; uniform: buckets of one width; "
                    "all: every position"});
  visit(sampler.base_rate, {.key = "base_rate",
                            .meaning = "rows that a full bucket keeps on average (all: no effect)",
                            .positive = true});
}

template <typename Visitor>
void visit_fields(CaptureConfig& capture, Visitor& visit) {
  visit(capture.capture_queries, {.key = "capture_queries", .meaning = "write query vectors"});
  visit(capture.capture_keys, {.key = "capture_keys", .meaning = "write key vectors"});
  visit(capture.layers,
        {.key = "layers", .meaning = "layers to capture; null or []: all", .least = 0});
  visit(capture.heads,
        {.key = "heads",
         .meaning = "heads to capture, the same numbers in each layer for queries and keys "
                    "(with head_sampling: for queries); null or []: all",
         .least = 0});
  visit(capture.head_sampling,
        {.key = "head_sampling",
         .meaning = "draw query heads over all layers; key heads follow; null: no draw"});
  visit(
      capture.full_attention_only,
      {.key = "full_attention_only", .meaning = "skip layers whose attention is a sliding window"});
  visit(capture.sampler, {.key = "sampler", .meaning = "which positions are kept"});
  visit(capture.min_bucket_size,
        {.key = "min_bucket_size",
         .meaning = "width of a bucket in tokens (log_uniform: least width, rounded up to a "
                    "power of two)",
         .least = 1});
  visit(capture.max_rows_per_batch,
        {.key = "max_rows_per_batch",
         .meaning = "at most this many rows of an example, layer and kind; null: no limit",
         .least = 1});
  visit(capture.capture_pre_rope,
        {.key = "capture_pre_rope",
         .meaning = "vectors before the rotary embedding, instead of after it"});
  visit(capture.capture_token_strings,
        {.key = "capture_token_strings", .meaning = "add the column token_str"});
}

template <typename Visitor>
void visit_fields(OutputConfig& output, Visitor& visit) {
  visit(output.data_root, {.key = "data_root", .meaning = "folder of the capture"});
  visit(output.readme_path, {.key = "readme_path",
                             .meaning = "accepted; the card is always README.md in data_root",
                             .no_effect = "the card is always README.md in data_root"});
  visit(output.hf_repo_id,
        {.key = "hf_repo_id", .meaning = "dataset repo on the Hub to push to; null: no push"});
  visit(output.hf_branch, {.key = "hf_branch", .meaning = "branch to push to; null: main"});
  visit(output.is_private,
        {.key = "private", .meaning = "make the repo private if it has to be created"});
  visit(output.write_batch_size,
        {.key = "write_batch_size", .meaning = "rows per write; a hint", .least = 1});
  visit(output.memory_budget_bytes,
        {.key = "memory_budget",
         .meaning = "memory for rows that are not yet written; null: 1 GiB",
         .addition = true,
         .least = 1,
         .form = Form::Bytes});
  visit(output.compression_level, {.key = "compression_level",
                                   .meaning = "zstd level; 0: entropy coding of vectors alone, the "
                                              "fastest and smallest unless many vectors repeat",
                                   .addition = true,
                                   .least = 0,
                                   .most = 22});
  visit(output.writer_threads,
        {.key = "writer_threads",
         .meaning = "threads that write what is captured, each to files of its own; null: 4 beside "
                    "a GPU, else 1",
         .addition = true,
         .least = 1,
         .most = 64});
}

template <typename Visitor>
void visit_fields(SniffConfig& config, Visitor& visit) {
  visit(config.dataset, {.key = "dataset", .meaning = "The texts.", .section = true});
  visit(config.model,
        {.key = "model", .meaning = "The model whose attention is captured.", .section = true});
  visit(config.tokenizer, {.key = "tokenizer", .meaning = "From text to tokens.", .section = true});
  visit(config.inference,
        {.key = "inference",
         .meaning = "How the model runs. Unknown keys of this section are ignored with a warning.",
         .section = true,
         .open = true});
  visit(config.capture, {.key = "capture", .meaning = "What is kept.", .section = true});
  visit(config.output, {.key = "output", .meaning = "Where it goes.", .section = true});
}

/// A struct with a list of fields: a section, or a mapping inside a section.
template <typename T>
concept HasFields = std::is_class_v<T> && requires(T& value, void (*visit)(...)) {
  visit_fields(value, visit);
};

}  // namespace qk::sniffer

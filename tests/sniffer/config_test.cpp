#include "sniffer/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace qk::sniffer {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using Overrides = std::vector<std::string>;

const std::string kMinimal = "dataset: {path: docs.jsonl}\nmodel: {name: model}\n";

SniffConfig parse(const std::string& yaml, const Overrides& overrides = {}) {
  return parse_config(yaml, "test.yaml", overrides);
}

SniffConfig with(const Overrides& overrides) { return parse(kMinimal, overrides); }

std::string error_of(const std::string& yaml, const Overrides& overrides = {}) {
  try {
    parse(yaml, overrides);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

/// The one mistake of an override, without the head and the origin.
std::string mistake_of(const std::string& assignment) {
  const std::string error = error_of(kMinimal, {assignment});
  const std::string head = "test.yaml has 1 mistake:\n  --set " + assignment + ": ";
  return error.starts_with(head) ? error.substr(head.size()) : "unexpected: " + error;
}

std::string warnings_of(const std::string& yaml, const Overrides& overrides = {}) {
  testing::internal::CaptureStderr();
  parse(yaml, overrides);
  return testing::internal::GetCapturedStderr();
}

TEST(Config, DefaultsAreThoseOfTheStruct) {
  SniffConfig expected;
  expected.dataset.path = "docs.jsonl";
  expected.model.name = "model";
  EXPECT_EQ(parse(kMinimal), expected);
}

TEST(Config, AnEmptySectionHasItsDefaults) {
  EXPECT_EQ(parse(kMinimal + "tokenizer:\ninference: {}\ncapture: ~\noutput: null\n"),
            parse(kMinimal));
  EXPECT_EQ(parse(kMinimal + "capture: {sampler: null, head_sampling: null, layers: null}\n"),
            parse(kMinimal));
}

TEST(Config, ReadsEveryKindOfValue) {
  const SniffConfig config = parse(
      "dataset: {path: a b.jsonl, max_samples: 1_000, streaming: on, on_bad_text: skip}\n"
      "model: {name: m, dtype: BF16, device_map: 'cuda:1', config_overrides: {a: [1, 2.5, x, null, "
      "yes]}}\n"
      "tokenizer: {max_length: 0x100, padding: false}\n"
      "inference: {autocast_dtype: Float32, threads: 4, processes: 1, parallel: heads}\n"
      "capture:\n"
      "  layers: [0, 5]\n"
      "  heads: []\n"
      "  head_sampling: {count: 3, seed: -1}\n"
      "  sampler: {type: all, base_rate: 2}\n"
      "output: {private: True, memory_budget: 1.5 GiB, compression_level: 22, writer_threads: "
      "3}\n");
  EXPECT_EQ(config.dataset.path, "a b.jsonl");
  EXPECT_EQ(config.dataset.max_samples, 1000);
  EXPECT_TRUE(config.dataset.streaming);
  EXPECT_EQ(config.dataset.on_bad_text, OnBadText::Skip);
  EXPECT_EQ(config.model.dtype, WeightType::BFloat16);
  EXPECT_EQ(config.model.device_map, "cuda:1");
  EXPECT_EQ(config.model.config_overrides,
            nlohmann::json::parse(R"({"a": [1, 2.5, "x", null, true]})"));
  EXPECT_EQ(config.tokenizer.max_length, 256);
  EXPECT_EQ(config.tokenizer.padding, "do_not_pad");
  EXPECT_EQ(config.inference.autocast_dtype, WeightType::Float32);
  EXPECT_EQ(config.inference.threads, 4);
  EXPECT_EQ(config.inference.processes, 1);
  EXPECT_EQ(config.inference.parallel, Parallel::Heads);
  EXPECT_EQ(config.capture.layers, (std::vector<int64_t>{0, 5}));
  EXPECT_EQ(config.capture.heads, std::vector<int64_t>{});
  EXPECT_EQ(config.capture.head_sampling, (HeadSampling{.count = 3, .seed = -1}));
  EXPECT_EQ(config.capture.sampler, (SamplerConfig{.type = SamplerType::All, .base_rate = 2.0}));
  EXPECT_TRUE(config.output.is_private);
  EXPECT_EQ(config.output.memory_budget_bytes, 3 * (int64_t{1} << 29));
  EXPECT_EQ(config.output.compression_level, 22);
  EXPECT_EQ(config.output.writer_threads, 3);
}

TEST(Config, ReportsAllMistakesAtOnce) {
  EXPECT_EQ(
      error_of("dataset:\n"
               "  txt_column: body\n"
               "  max_samples: 0\n"
               "model:\n"
               "  name: 7\n"
               "capture:\n"
               "  heads: [0, -1, a]\n"
               "  sampler:\n"
               "    type: loguniform\n"
               "output:\n"
               "  private: 1\n",
               {"tokenizer.max_length=1e5"}),
      "test.yaml has 9 mistakes:\n"
      "  dataset.path: missing. It is required: Hub dataset id, or a local file or folder.\n"
      "  line 3: dataset.max_samples: 0 is too small. Allowed: an integer, at least 1, or null.\n"
      "  line 2: dataset.txt_column: unknown key. Did you mean dataset.text_column?\n"
      "  line 5: model.name: 7 is an integer, not text. Allowed: text. Write \"7\".\n"
      "  --set tokenizer.max_length=1e5: tokenizer.max_length: \"1e5\" is text, not an integer. "
      "Allowed: an integer, at least 1. Write 100000.\n"
      "  line 7: capture.heads[1]: -1 is too small. "
      "Allowed: a list of integers, each at least 0, or null.\n"
      "  line 7: capture.heads[2]: \"a\" is text, not an integer. "
      "Allowed: a list of integers, each at least 0, or null.\n"
      "  line 9: capture.sampler.type: \"loguniform\" is unknown. "
      "Allowed: log_uniform, uniform or all. Did you mean log_uniform?\n"
      "  line 11: output.private: 1 is not true or false. Allowed: true or false. Write true.");
}

TEST(Config, CountsMistakesThatItDoesNotShow) {
  std::string yaml = kMinimal;
  for (int i = 0; i < 60; ++i) yaml += "key_number_" + std::to_string(i) + ": 1\n";
  EXPECT_THAT(error_of(yaml), testing::StartsWith("test.yaml has 60 mistakes:\n"));
  EXPECT_THAT(error_of(yaml), EndsWith("\n  and 10 more"));
}

TEST(Config, AnUnknownKeyNamesTheNearestKey) {
  EXPECT_EQ(mistake_of("capture.layer=[0]"),
            "capture.layer: unknown key. Did you mean capture.layers?");
  EXPECT_EQ(mistake_of("dataset.batch_size=2"),
            "dataset.batch_size: unknown key. Did you mean inference.batch_size?");
  EXPECT_EQ(mistake_of("datasets.path=x"), "datasets: unknown key. Did you mean dataset?");
  EXPECT_EQ(mistake_of("capture.sampler.zzz=1"),
            "capture.sampler.zzz: unknown key. Known here: type and base_rate.");
}

TEST(Config, AnUnknownKeyOfInferenceIsAWarningInTheFileAndAMistakeInAnOverride) {
  EXPECT_EQ(warnings_of(kMinimal + "inference:\n  distributed: true\n  batchsize: 2\n"),
            "warning: test.yaml: line 4: inference.distributed: unknown key, ignored. Known here: "
            "batch_size, autocast_dtype, debug_logging, debug_log_every_n_batches, "
            "mps_cleanup_every_batches, threads, device_memory, processes and "
            "parallel.\n"
            "warning: test.yaml: line 5: inference.batchsize: unknown key, ignored. "
            "Did you mean inference.batch_size?\n");
  EXPECT_EQ(mistake_of("inference.thread=2"),
            "inference.thread: unknown key. Did you mean inference.threads?");
}

TEST(Config, SettingsWithoutEffectAreWarnedOf) {
  EXPECT_EQ(
      warnings_of(kMinimal, {"model.trust_remote_code=true", "tokenizer.padding_side=left"}),
      "warning: test.yaml: model.trust_remote_code has no effect: code from a checkpoint is never "
      "run\n"
      "warning: test.yaml: tokenizer.padding_side has no effect: both sides give the same rows\n");
  EXPECT_EQ(warnings_of(kMinimal,
                        {"model.trust_remote_code=false", "inference.mps_cleanup_every_batches=0"}),
            "");
}

TEST(Config, IntegersAreStrict) {
  EXPECT_EQ(
      mistake_of("inference.batch_size=4.0"),
      "inference.batch_size: 4.0 is not an integer. Allowed: an integer, at least 1. Write 4.");
  EXPECT_EQ(mistake_of("inference.batch_size='4'"),
            "inference.batch_size: \"4\" is text, not an integer. Allowed: an integer, at least 1. "
            "Remove the quotes.");
  EXPECT_THAT(mistake_of("inference.batch_size=true"), HasSubstr("true is not an integer"));
  EXPECT_THAT(mistake_of("inference.batch_size="), HasSubstr("null is not allowed"));
  EXPECT_THAT(mistake_of("capture.min_bucket_size=0"), HasSubstr("0 is too small"));
  EXPECT_THAT(mistake_of("output.compression_level=23"), HasSubstr("at least 0, at most 22"));
  EXPECT_THAT(mistake_of("capture.max_rows_per_batch=99999999999999999999"),
              HasSubstr("does not fit 64 bits"));
}

TEST(Config, ABaseRateIsAPositiveNumber) {
  EXPECT_EQ(with({"capture.sampler.base_rate=3"}).capture.sampler.base_rate, 3.0);
  EXPECT_EQ(mistake_of("capture.sampler.base_rate=1e5"),
            "capture.sampler.base_rate: \"1e5\" is text, not a number. Allowed: a number above 0. "
            "In YAML a number with an exponent has a dot and a sign: write 100000.0.");
  EXPECT_THAT(mistake_of("capture.sampler.base_rate=0"),
              HasSubstr("0 is too small. Allowed: a number above 0."));
  EXPECT_THAT(mistake_of("capture.sampler.base_rate=.inf"), HasSubstr(".inf is not finite"));
  EXPECT_THAT(mistake_of("capture.sampler.base_rate='2'"), HasSubstr("Remove the quotes."));
}

TEST(Config, TextThatYamlReadsAsSomethingElseNeedsQuotes) {
  EXPECT_EQ(mistake_of("model.revision=2025-01-31"),
            "model.revision: 2025-01-31 is a date, not text. Allowed: text or null. Write "
            "\"2025-01-31\".");
  EXPECT_THAT(mistake_of("dataset.text_column=no"), HasSubstr("no is true or false, not text"));
  EXPECT_EQ(with({"model.revision='2025-01-31'"}).model.revision, "2025-01-31");
  EXPECT_EQ(with({"model.revision=1e5"}).model.revision, "1e5");
  EXPECT_THAT(mistake_of("dataset.split=''"), HasSubstr("the text is empty"));
}

TEST(Config, BoolsAreStrict) {
  EXPECT_THAT(mistake_of("dataset.streaming=y"), HasSubstr("Write true."));
  EXPECT_THAT(mistake_of("dataset.streaming='no'"), HasSubstr("Remove the quotes."));
  EXPECT_THAT(mistake_of("dataset.streaming=2"), EndsWith("Allowed: true or false."));
}

TEST(Config, TypesHaveTheirAliasesInAnyCase) {
  for (const char* name : {"float16", "fp16", "FP16", "Float16"}) {
    EXPECT_EQ(with({fmt::format("model.dtype={}", name)}).model.dtype, WeightType::Float16) << name;
  }
  EXPECT_THAT(mistake_of("model.dtype=float61"), EndsWith("(any case). Did you mean float16?"));
  EXPECT_THAT(mistake_of("capture.sampler.type=ALL"), HasSubstr("\"ALL\" is unknown"));
}

TEST(Config, GpusShareTheWorkInOneOfFourWays) {
  const auto read = [](const std::string& value) {
    return with({"inference.parallel=" + value}).inference.parallel;
  };
  EXPECT_EQ(read("auto"), Parallel::Auto);
  EXPECT_EQ(read("documents"), Parallel::Documents);
  EXPECT_EQ(read("heads"), Parallel::Heads);
  EXPECT_EQ(read("layers"), Parallel::Layers);
  EXPECT_THAT(mistake_of("inference.parallel=Layers"), HasSubstr("\"Layers\" is unknown"));
}

TEST(Config, ADeviceIsOneDevice) {
  for (const char* name : {"auto", "cpu", "cuda", "cuda:0", "cuda:15"}) {
    EXPECT_EQ(with({fmt::format("model.device_map={}", name)}).model.device_map, name);
  }
  EXPECT_EQ(with({"model.device_map=null"}).model.device_map, std::nullopt);
  EXPECT_EQ(
      mistake_of("model.device_map=balanced"),
      "model.device_map: \"balanced\" is not supported. Allowed: auto, cpu, cuda, cuda:N or null. "
      "The model runs on one device.");
  EXPECT_THAT(mistake_of("model.device_map=1"), HasSubstr("Write cuda:1."));
  EXPECT_THAT(mistake_of("model.device_map=cuda:x"), HasSubstr("is not supported"));
  EXPECT_THAT(mistake_of("model.device_map={lm_head: cpu}"),
              HasSubstr("a mapping is not supported"));
}

TEST(Config, PaddingIsWhatTheTokenizerCallTakes) {
  EXPECT_EQ(with({"tokenizer.padding=true"}).tokenizer.padding, "longest");
  EXPECT_EQ(with({"tokenizer.padding=no"}).tokenizer.padding, "do_not_pad");
  EXPECT_EQ(with({"tokenizer.padding=max_length"}).tokenizer.padding, "max_length");
  EXPECT_THAT(mistake_of("tokenizer.padding=Longest"), EndsWith("Did you mean longest?"));
}

TEST(Config, AMemoryBudgetIsBytesOrTextWithAUnit) {
  const std::pair<const char*, int64_t> cases[] = {
      {"1000", 1000}, {"4GB", 4'000'000'000}, {"512 MiB", 512 << 20}, {"0.5kb", 500}, {"10 b", 10}};
  for (const auto& [text, bytes] : cases) {
    EXPECT_EQ(with({fmt::format("output.memory_budget={}", text)}).output.memory_budget_bytes,
              bytes)
        << text;
  }
  for (const char* text : {"4G", "GB", "-4GB", "4 GB/s", "1e99GB", "nanGB", ".GB"}) {
    EXPECT_THAT(mistake_of(fmt::format("output.memory_budget={}", text)),
                HasSubstr("is not a number of bytes"))
        << text;
  }
  EXPECT_THAT(mistake_of("output.memory_budget=0"), HasSubstr("0 is too small"));
  EXPECT_THAT(mistake_of("output.memory_budget=0.1B"), HasSubstr("is too small"));
}

TEST(Config, OverridesGoOverTheFileInOrder) {
  const SniffConfig config =
      parse(kMinimal + "capture: {layers: [1], min_bucket_size: 4}\n",
            {"capture.layers=[2]", "capture.layers=[0, 5]", "dataset.id_column=null",
             "model.config_overrides.rope_scaling.factor=2.0",
             "model.config_overrides.rope_scaling.rope_type=yarn"});
  EXPECT_EQ(config.capture.layers, (std::vector<int64_t>{0, 5}));
  EXPECT_EQ(config.capture.min_bucket_size, 4);
  EXPECT_EQ(config.dataset.id_column, std::nullopt);
  EXPECT_EQ(config.model.config_overrides,
            nlohmann::json::parse(R"({"rope_scaling": {"factor": 2.0, "rope_type": "yarn"}})"));
}

TEST(Config, OverridesAloneAreAConfig) {
  EXPECT_EQ(parse("", {"dataset.path=docs.jsonl", "model.name=model"}), parse(kMinimal));
}

TEST(Config, AnOverrideRepairsTheFile) {
  EXPECT_EQ(parse(kMinimal + "capture: {min_bucket_size: x}\n", {"capture.min_bucket_size=7"})
                .capture.min_bucket_size,
            7);
}

TEST(Config, AnOverrideThatIsNoneIsNamed) {
  for (const char* text : {"capture.layers", "=1", "capture..layers=1", ".=1", ""}) {
    EXPECT_THAT(error_of(kMinimal, {text}),
                HasSubstr(fmt::format("--set {}: not an override.", text)))
        << text;
  }
  EXPECT_EQ(mistake_of("dataset.path.x=1"), "dataset.path is not a mapping, it can't have a key x");
  EXPECT_THAT(error_of(kMinimal, {"model.name={"}),
              HasSubstr("--set model.name={: line 1, column"));
  EXPECT_EQ(error_of(kMinimal, {"a", "b"}).substr(0, 24), "test.yaml has 2 mistakes");
}

TEST(Config, AnOverrideThatIsNotUtf8IsAConfigError) {
  EXPECT_THAT(error_of(kMinimal, {"model.\xFF=1"}), HasSubstr("--set: not UTF-8 text"));
}

TEST(Config, OneOfQueriesAndKeysIsCaptured) {
  EXPECT_EQ(
      error_of(kMinimal, {"capture.capture_queries=no", "capture.capture_keys=no"}),
      "test.yaml has 1 mistake:\n"
      "  capture.capture_queries, capture.capture_keys: both are false, which captures nothing. "
      "Allowed: at least one true.");
}

TEST(Config, LongValuesAreCutInMessagesBetweenCharacters) {
  const std::string text = std::string(79, 'x') + "é" + std::string(100'000, 'y');
  const std::string error = error_of(kMinimal + "capture: {sampler: {type: " + text + "}}\n");
  EXPECT_THAT(error, HasSubstr("\"" + std::string(79, 'x') + "\"... is unknown"));
}

TEST(PrintConfig, IsReadBackToTheSameConfig) {
  const Overrides cases[] = {
      {},
      {"capture.layers=[]", "capture.heads=[3]", "capture.head_sampling.count=5",
       "output.memory_budget=4GB"},
      {"model.config_overrides={}"},
      {"model.config_overrides={a: {b: [1, {c: 2.0}, [], {}]}, '1': '2', 'on': yes, '': '', 'x: "
       "y': 1e5}"},
      {"model.config_overrides={t: ['null', '~', '1_000', '0x1', '1.5', '.inf', '2025-01-31', 'a: "
       "b', '# c', '- d']}"},
      {"model.config_overrides={f: [1.0e+300, 1.0e-7, -0.0, .inf, -.inf], i: "
       "[-9223372036854775808]}"},
      {"model.config_overrides={s: [\"\\x00\\x7f\\t\\n\\e\", \"\\x85\\L\\P\\uFEFF\", 'é', "
       "\"\\U0001F600\", '\"', '\\']}"},
      {"dataset.path='yes'", "dataset.name='null'", "dataset.split='1:30'", "model.revision='1e5'",
       "model.name=' a '"},
      {"capture.sampler.base_rate=0.1", "capture.sampler.type=uniform", "model.dtype=fp32",
       "model.device_map=~"},
      {"tokenizer.padding=false", "inference.threads=3", "dataset.on_bad_text=skip",
       "output.private=on"},
  };
  for (const Overrides& overrides : cases) {
    const SniffConfig config = with(overrides);
    const std::string printed = print_config(config);
    EXPECT_EQ(parse(printed), config) << printed;
    EXPECT_EQ(print_config(parse(printed)), printed);
  }
}

TEST(PrintConfig, ShowsEveryKeyInTheOrderOfTheReference) {
  const std::string printed =
      print_config(with({"model.config_overrides.rope_scaling={factor: 4.0, x: [1, a b]}"}));
  EXPECT_THAT(printed, testing::StartsWith("dataset:\n"
                                           "  path: docs.jsonl\n"
                                           "  name: null\n"
                                           "  split: train\n"
                                           "  text_column: text\n"
                                           "  id_column: null\n"
                                           "  max_samples: null\n"
                                           "  streaming: false\n"
                                           "  on_bad_text: error\n"
                                           "model:\n"
                                           "  name: model\n"
                                           "  revision: null\n"
                                           "  dtype: float16\n"
                                           "  device_map: auto\n"
                                           "  trust_remote_code: false\n"
                                           "  attn_implementation: null\n"
                                           "  config_overrides:\n"
                                           "    rope_scaling:\n"
                                           "      factor: 4.0\n"
                                           "      x: [1, \"a b\"]\n"
                                           "tokenizer:\n"));
}

TEST(LoadConfig, NamesAFileThatIsNotThere) {
  try {
    load_config("no/such/file.yaml", {});
    FAIL() << "no error";
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), HasSubstr("no/such/file.yaml"));
  }
}

}  // namespace
}  // namespace qk::sniffer

#include <fmt/format.h>

#include "sniffer/config.h"
#include "sniffer/config_describe.h"
#include "sniffer/config_fields.h"
#include "sniffer/config_print.h"

namespace qk::sniffer {
namespace {

constexpr std::string_view kIntroduction = R"(# The config

A capture is described by one YAML file with six sections. Only `dataset.path` and `model.name` have no default.

```yaml
dataset:
  path: texts.jsonl             # a Hub dataset id, or a local file or folder
  id_column: id                 # leave it out to number the rows
model:
  name: Qwen/Qwen3-0.6B         # a Hub model id, or a local folder
  dtype: bfloat16
tokenizer:
  max_length: 32768             # longer texts are cut
inference:
  autocast_dtype: bfloat16
capture:
  head_sampling: {count: 300}   # leave it out to capture every head
  sampler:
    type: uniform               # log_uniform, uniform or all
    base_rate: 1.0              # about one row per bucket and head
  min_bucket_size: 256          # tokens
output:
  data_root: data/first-capture
```

- `sniff-qk --config FILE --print-config` prints the effective config: every key, with its value.
- `--set KEY=VALUE` changes a key on the command line and can be given several times. Values are YAML:
  `--set capture.sampler.type=all`, `--set 'capture.layers=[0, 5]'`, `--set dataset.id_column=null`,
  `--set model.config_overrides.rope_scaling.factor=2.0`.
- All mistakes are reported at once, each with the line, the key, the value and what is allowed. An unknown key is a mistake;
  only in `inference` it is ignored with a warning, for old configs carry keys that are gone.
- A section that is left out, or empty, has its defaults. Relative paths are relative to the working directory.
- The file is read as PyYAML reads it (YAML 1.1): `yes`, `no`, `on` and `off` are bools, `~` is null, `010` is 8, `1:30` is 90,
  `1e5` is text (the number is `1.0e+5`). What stands in quotes is text.
- Keys marked *addition* are not known to the Python tool whose configs these are.

`sniff-qk --config-reference > docs/config.md` writes this page.
)";

/// Visitor over the sections of a config, or over the keys of one section.
class ReferenceWriter {
 public:
  explicit ReferenceWriter(std::string& out, std::string prefix = "")
      : out_(out), prefix_(std::move(prefix)) {}

  /// A section: its head and its table. Inside one, keys of an inner mapping stand with their
  /// prefix.
  template <typename T>
  requires HasFields<T>
  void operator()(T& section, const Field& field) {
    if (field.section) {
      out_ +=
          fmt::format("\n## {}\n\n{}\n\n| key | value | default | meaning |\n|---|---|---|---|\n",
                      field.key, field.meaning);
    }
    ReferenceWriter keys(out_, field.section ? "" : fmt::format("{}{}.", prefix_, field.key));
    visit_fields(section, keys);
  }

  template <typename T>
  requires HasFields<T>
  void operator()(std::optional<T>&, const Field& field) {
    row(field, "a mapping or null", "`null`");
    T section;
    (*this)(section, field);
  }

  template <typename T>
  void operator()(T& value, const Field& field) {
    row(field, allowed_values(field, type_of(value)), default_text(value, field));
  }

  template <typename T>
  void operator()(std::optional<T>& value, const Field& field) {
    row(field, allowed_values(field, type_of(value)),
        value ? default_text(*value, field) : "`null`");
  }

 private:
  template <typename T>
  static std::string default_text(T& value, const Field& field) {
    return field.required ? "required" : fmt::format("`{}`", yaml_value(plain_value(value)));
  }

  void row(const Field& field, const std::string& allowed, const std::string& preset) {
    out_ += fmt::format("| `{}{}` | {} | {} | {}{} |\n", prefix_, field.key, allowed, preset,
                        field.meaning, field.addition ? " (*addition*)" : "");
  }

  std::string& out_;
  std::string prefix_;
};

}  // namespace

std::string config_reference() {
  std::string out(kIntroduction);
  SniffConfig config;
  ReferenceWriter writer(out);
  visit_fields(config, writer);
  return out;
}

}  // namespace qk::sniffer

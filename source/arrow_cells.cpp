#include "source/arrow_cells.h"

#include <arrow/array/array_decimal.h>
#include <arrow/array/array_dict.h>
#include <arrow/array/array_nested.h>
#include <arrow/array/array_primitive.h>
#include <arrow/extension_type.h>
#include <arrow/type_traits.h>
#include <arrow/util/decimal.h>
#include <arrow/util/float16.h>
#include <arrow/visit_array_inline.h>

#include "base/error.h"
#include "source/python_text.h"
#include "source/python_time.h"
#include "source/utf8.h"

namespace qk::source {
namespace {

[[noreturn]] void throw_damaged() {
  throw DatasetError("damaged: a cell points outside of its column's data");
}

/// The bytes of a cell; offsets of damaged files must not lead astray.
template <typename BinaryArray>
std::string_view bytes_at(const BinaryArray& column, int64_t row) {
  const int64_t begin = column.value_offset(row);
  const int64_t end = column.value_offset(row + 1);
  const int64_t size = column.value_data() ? column.value_data()->size() : 0;
  if (begin < 0 || end < begin || end > size) throw_damaged();
  return column.GetView(row);
}

const arrow::Array& dictionary_of(const arrow::DictionaryArray& column, int64_t row,
                                  int64_t& index) {
  index = column.GetValueIndex(row);
  if (index < 0 || index >= column.dictionary()->length()) throw_damaged();
  return *column.dictionary();
}

std::string_view text_at(const arrow::Array& column, int64_t row) {
  switch (column.type_id()) {
    case arrow::Type::STRING:
      return bytes_at(static_cast<const arrow::StringArray&>(column), row);
    case arrow::Type::LARGE_STRING:
      return bytes_at(static_cast<const arrow::LargeStringArray&>(column), row);
    default:
      return static_cast<const arrow::StringViewArray&>(column).GetView(row);
  }
}

bool is_text(const arrow::DataType& type) {
  return type.id() == arrow::Type::STRING || type.id() == arrow::Type::LARGE_STRING ||
         type.id() == arrow::Type::STRING_VIEW;
}

int64_t units_per_second(arrow::TimeUnit::type unit) {
  switch (unit) {
    case arrow::TimeUnit::SECOND:
      return 1;
    case arrow::TimeUnit::MILLI:
      return 1'000;
    case arrow::TimeUnit::MICRO:
      return 1'000'000;
    case arrow::TimeUnit::NANO:
      break;
  }
  return 1'000'000'000;
}

std::string valid_text(std::string_view text) {
  std::string valid(text);
  replace_invalid_utf8(valid);
  return valid;
}

/// Turns one cell into an IdValue or, inside lists and structs, into its repr().
class CellVisitor {
 public:
  CellVisitor(int64_t row, bool nested) : row_(row), nested_(nested) {}

  IdValue value;

  template <typename Array>
  requires arrow::is_integer_type<typename Array::TypeClass>::value arrow::Status Visit(
      const Array& column) {
    const auto number = column.Value(row_);
    if (std::in_range<int64_t>(number)) return set(static_cast<int64_t>(number));
    return set(std::to_string(number));
  }
  arrow::Status Visit(const arrow::BooleanArray& column) { return set(column.Value(row_)); }
  arrow::Status Visit(const arrow::FloatArray& column) {
    return set(static_cast<double>(column.Value(row_)));
  }
  arrow::Status Visit(const arrow::DoubleArray& column) { return set(column.Value(row_)); }
  arrow::Status Visit(const arrow::HalfFloatArray& column) {
    return set(arrow::util::Float16::FromBits(column.Value(row_)).ToDouble());
  }

  template <typename Array>
  requires arrow::is_string_type<typename Array::TypeClass>::value arrow::Status Visit(
      const Array& column) {
    return set_text(bytes_at(column, row_));
  }
  arrow::Status Visit(const arrow::StringViewArray& column) {
    return set_text(column.GetView(row_));
  }
  arrow::Status Visit(const arrow::BinaryArray& column) {
    return set(python_bytes(bytes_at(column, row_)));
  }
  arrow::Status Visit(const arrow::LargeBinaryArray& column) {
    return set(python_bytes(bytes_at(column, row_)));
  }
  arrow::Status Visit(const arrow::BinaryViewArray& column) {
    return set(python_bytes(column.GetView(row_)));
  }

  template <typename Array>
  requires arrow::is_decimal_type<typename Array::TypeClass>::value arrow::Status Visit(
      const Array& column) {
    const auto& type = static_cast<const arrow::DecimalType&>(*column.type());
    const typename arrow::TypeTraits<typename Array::TypeClass>::CType number(
        column.GetValue(row_));
    const std::string text = python_decimal(number.ToIntegerString(), type.scale());
    return set(nested_ ? "Decimal('" + text + "')" : text);
  }
  arrow::Status Visit(const arrow::FixedSizeBinaryArray& column) {
    return set(python_bytes(column.GetView(row_)));
  }

  arrow::Status Visit(const arrow::Date32Array& column) { return set_date(column.Value(row_)); }
  arrow::Status Visit(const arrow::Date64Array& column) {
    return set_date(TimeCount::of(column.Value(row_), 86'400'000).seconds);
  }
  arrow::Status Visit(const arrow::TimestampArray& column) {
    const auto& type = static_cast<const arrow::TimestampType&>(*column.type());
    const TimeCount time = TimeCount::of(column.Value(row_), units_per_second(type.unit()));
    if (nested_ && type.timezone().empty()) return set(python_datetime_repr(time));
    const std::optional<int> offset = fixed_offset_minutes(type.timezone());
    if (!type.timezone().empty() && (nested_ || !offset)) return unsupported(column);
    return set(python_datetime(time, offset));
  }
  template <typename Array>
  requires arrow::is_time_type<typename Array::TypeClass>::value arrow::Status Visit(
      const Array& column) {
    const auto& type = static_cast<const arrow::TimeType&>(*column.type());
    return nested_
               ? unsupported(column)
               : set(python_time(TimeCount::of(column.Value(row_), units_per_second(type.unit()))));
  }
  arrow::Status Visit(const arrow::DurationArray& column) {
    const auto& type = static_cast<const arrow::DurationType&>(*column.type());
    return nested_ ? unsupported(column)
                   : set(python_timedelta(
                         TimeCount::of(column.Value(row_), units_per_second(type.unit()))));
  }

  template <typename Array>
  requires arrow::is_var_length_list_type<typename Array::TypeClass>::value arrow::Status Visit(
      const Array& column) {
    return set_list(*column.value_slice(row_));
  }
  arrow::Status Visit(const arrow::FixedSizeListArray& column) {
    return set_list(*column.value_slice(row_));
  }
  arrow::Status Visit(const arrow::MapArray& column) {
    const auto entries = column.value_slice(row_);
    const auto& pairs = static_cast<const arrow::StructArray&>(*entries);
    std::string text;
    for (int64_t i = 0; i < pairs.length(); ++i) {
      text += (i ? ", (" : "(") + repr(*pairs.field(0), i) + ", " + repr(*pairs.field(1), i) + ")";
    }
    return set("[" + text + "]");
  }
  arrow::Status Visit(const arrow::StructArray& column) {
    std::string text;
    for (int i = 0; i < column.num_fields(); ++i) {
      text += (i ? ", " : "") + python_quoted(valid_text(column.type()->field(i)->name())) + ": " +
              repr(*column.field(i), row_);
    }
    return set("{" + text + "}");
  }

  arrow::Status Visit(const arrow::DictionaryArray& column) {
    int64_t index = 0;
    const arrow::Array& dictionary = dictionary_of(column, row_, index);
    return visit(dictionary, index);
  }
  arrow::Status Visit(const arrow::ExtensionArray& column) {
    return visit(*column.storage(), row_);
  }
  arrow::Status Visit(const arrow::NullArray&) { return set_null(); }
  arrow::Status Visit(const arrow::Array& column) { return unsupported(column); }

  static std::string repr(const arrow::Array& column, int64_t row) {
    CellVisitor visitor(row, true);
    const arrow::Status status = visitor.visit(column, row);
    if (!status.ok()) throw DatasetError("{}", status.message());
    return python_str(visitor.value);
  }

  arrow::Status visit(const arrow::Array& column, int64_t row) {
    row_ = row;
    return column.IsNull(row) ? set_null() : arrow::VisitArrayInline(column, this);
  }

 private:
  arrow::Status set(IdValue id) {
    value = std::move(id);
    return arrow::Status::OK();
  }
  arrow::Status set_null() { return set(std::monostate{}); }
  arrow::Status set_text(std::string_view text) {
    const std::string valid = valid_text(text);
    return set(nested_ ? python_quoted(valid) : valid);
  }
  arrow::Status set_date(int64_t days) {
    return set(nested_ ? python_date_repr(days) : python_date(days));
  }
  arrow::Status set_list(const arrow::Array& items) {
    std::string text;
    for (int64_t i = 0; i < items.length(); ++i) text += (i ? ", " : "") + repr(items, i);
    return set("[" + text + "]");
  }
  static arrow::Status unsupported(const arrow::Array& column) {
    return arrow::Status::NotImplemented(
        "the id column's type ", column.type()->ToString(),
        " has no text form here; use a column of strings or integers");
  }

  int64_t row_;
  bool nested_;
};

}  // namespace

bool holds_text(const arrow::DataType& type) {
  if (type.id() == arrow::Type::DICTIONARY)
    return is_text(*static_cast<const arrow::DictionaryType&>(type).value_type());
  return is_text(type) || type.id() == arrow::Type::NA;
}

bool checks_itself(const arrow::DataType& type) {
  if (type.id() == arrow::Type::DICTIONARY) {
    return checks_itself(*static_cast<const arrow::DictionaryType&>(type).value_type());
  }
  return type.id() == arrow::Type::STRING || type.id() == arrow::Type::LARGE_STRING ||
         type.id() == arrow::Type::NA || arrow::is_primitive(type.id());
}

TextCell text_cell(const arrow::Array& column, int64_t row) {
  if (column.IsNull(row)) return std::monostate{};
  if (column.type_id() != arrow::Type::DICTIONARY) return std::string(text_at(column, row));
  int64_t index = 0;
  const arrow::Array& dictionary =
      dictionary_of(static_cast<const arrow::DictionaryArray&>(column), row, index);
  return text_cell(dictionary, index);
}

IdValue id_cell(const arrow::Array& column, int64_t row) {
  CellVisitor visitor(row, false);
  const arrow::Status status = visitor.visit(column, row);
  if (!status.ok()) throw DatasetError("{}", status.message());
  return std::move(visitor.value);
}

}  // namespace qk::source

#include "source/python_time.h"

#include <arrow/util/value_parsing.h>
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>

namespace qk::source {
namespace {

constexpr int64_t kSecondsPerDay = 86'400;

struct Date {
  int year;
  unsigned month;
  unsigned day;
};

Date date_of(int64_t days) {
  const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{days}}};
  return {static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
          static_cast<unsigned>(date.day())};
}

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

/// Microseconds, or nanoseconds where there are any; nothing for whole seconds.
std::string fraction(int64_t nanoseconds) {
  if (nanoseconds == 0) return "";
  return nanoseconds % 1000 ? fmt::format(".{:09}", nanoseconds)
                            : fmt::format(".{:06}", nanoseconds / 1000);
}

}  // namespace

TimeCount TimeCount::of(int64_t count, int64_t units_per_second) {
  const int64_t seconds = floor_div(count, units_per_second);
  return {seconds, (count - seconds * units_per_second) * (1'000'000'000 / units_per_second)};
}

std::string python_date(int64_t days) {
  const Date date = date_of(days);
  return fmt::format("{:04}-{:02}-{:02}", date.year, date.month, date.day);
}

std::string python_date_repr(int64_t days) {
  const Date date = date_of(days);
  return fmt::format("datetime.date({}, {}, {})", date.year, date.month, date.day);
}

std::string python_time(TimeCount time) {
  return fmt::format("{:02}:{:02}:{:02}{}", time.seconds / 3600, time.seconds / 60 % 60,
                     time.seconds % 60, fraction(time.nanoseconds));
}

std::string python_datetime(TimeCount time, std::optional<int> offset_minutes) {
  const int64_t local = time.seconds + offset_minutes.value_or(0) * 60;
  const int64_t days = floor_div(local, kSecondsPerDay);
  std::string text =
      python_date(days) + " " + python_time({local - days * kSecondsPerDay, time.nanoseconds});
  if (offset_minutes) {
    const int minutes = std::abs(*offset_minutes);
    text +=
        fmt::format("{}{:02}:{:02}", *offset_minutes < 0 ? '-' : '+', minutes / 60, minutes % 60);
  }
  return text;
}

std::string python_datetime_repr(TimeCount time) {
  const int64_t days = floor_div(time.seconds, kSecondsPerDay);
  const int64_t second = time.seconds - days * kSecondsPerDay;
  const Date date = date_of(days);
  std::string text = fmt::format("datetime.datetime({}, {}, {}, {}, {}", date.year, date.month,
                                 date.day, second / 3600, second / 60 % 60);
  const int64_t microseconds = time.nanoseconds / 1000;
  if (second % 60 || microseconds) text += fmt::format(", {}", second % 60);
  if (microseconds) text += fmt::format(", {}", microseconds);
  return text + ")";
}

std::string python_timedelta(TimeCount duration) {
  const int64_t days = floor_div(duration.seconds, kSecondsPerDay);
  const int64_t second = duration.seconds - days * kSecondsPerDay;
  std::string text;
  if (days) text = fmt::format("{} day{}, ", days, days == 1 || days == -1 ? "" : "s");
  return text + fmt::format("{}:{:02}:{:02}{}", second / 3600, second / 60 % 60, second % 60,
                            fraction(duration.nanoseconds));
}

std::optional<int64_t> parse_timestamp(std::string_view text) {
  int64_t seconds = 0;
  const bool parsed = arrow::internal::ParseTimestampISO8601(text.data(), text.size(),
                                                             arrow::TimeUnit::SECOND, &seconds);
  return parsed ? std::optional(seconds) : std::nullopt;
}

std::optional<int> fixed_offset_minutes(std::string_view zone) {
  if (zone == "UTC" || zone == "utc" || zone == "Z") return 0;
  const bool colon = zone.size() == 6 && zone[3] == ':';
  if (!colon && zone.size() != 5) return std::nullopt;
  if (zone[0] != '+' && zone[0] != '-') return std::nullopt;
  const std::string digits =
      std::string(zone.substr(1, 2)) + std::string(zone.substr(colon ? 4 : 3));
  if (digits.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
  const int value = std::stoi(digits);
  const int minutes = value / 100 * 60 + value % 100;
  return zone[0] == '-' ? -minutes : minutes;
}

}  // namespace qk::source

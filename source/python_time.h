#pragma once
/// Python's str() and repr() of datetime objects (of pandas' Timestamp and Timedelta where
/// nanoseconds are left).
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace qk::source {

/// A count of time units as whole seconds (rounded down) and nanoseconds.
struct TimeCount {
  int64_t seconds = 0;
  int64_t nanoseconds = 0;  ///< 0..999'999'999

  static TimeCount of(int64_t count, int64_t units_per_second);
};

std::string python_date(int64_t days_since_1970);       ///< 2024-01-02
std::string python_date_repr(int64_t days_since_1970);  ///< datetime.date(2024, 1, 2)

/// 2024-01-02 03:04:05, with .000006 when there is a fraction; an offset in minutes adds +02:00 and
/// moves the time.
std::string python_datetime(TimeCount since_1970, std::optional<int> offset_minutes);
std::string python_datetime_repr(TimeCount since_1970);  ///< datetime.datetime(2024, 1, 2, 3, 4, 5)

std::string python_time(TimeCount since_midnight);  ///< 03:04:05
std::string python_timedelta(TimeCount duration);   ///< 1 day, 3:04:05

/// "2024-01-02", "2024-01-02T03:04:05Z" as seconds since 1970, by the rules by which Arrow's JSON
/// reader takes a string for a timestamp; nullopt for other text.
std::optional<int64_t> parse_timestamp(std::string_view text);

/// Minutes east of "UTC", "+02:00", "-0330"; nullopt for a named zone.
std::optional<int> fixed_offset_minutes(std::string_view zone);

}  // namespace qk::source

#include "vfs/nodes/timestamps.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace imapfs::vfs {

namespace {

constexpr UnixTime year_0 = -62167219200;
constexpr UnixTime end_of_year_9999 = 253402300799;

/// "2026-11-20T09:30:00"
std::string date_and_time(UnixTime time) {
  using namespace std::chrono;
  const sys_seconds point{seconds{std::clamp(time, year_0, end_of_year_9999)}};
  const auto day = floor<days>(point);
  const year_month_day date{day};
  const hh_mm_ss clock{point - day};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count());
}

}  // namespace

std::string rfc3339(UnixTime time) { return date_and_time(time) + "Z"; }

std::string rfc3339_milliseconds(std::chrono::system_clock::time_point time) {
  const auto whole = std::chrono::floor<std::chrono::seconds>(time);
  const auto rest = std::chrono::floor<std::chrono::milliseconds>(time - whole);
  return fmt::format("{}.{:03}Z", date_and_time(whole.time_since_epoch().count()), rest.count());
}

Timestamp whole_second_now() {
  const auto time = std::chrono::system_clock::now();
  return {std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count(), 0};
}

Timestamp precise_now() {
  const auto time = std::chrono::system_clock::now().time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto rest = std::chrono::duration_cast<std::chrono::nanoseconds>(time - seconds);
  return {seconds.count(), static_cast<std::uint32_t>(rest.count())};
}

}  // namespace imapfs::vfs

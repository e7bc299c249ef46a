#include <array>
#include <charconv>
#include <chrono>

#include "imap/wire/response_values.hpp"
#include "imapfs/model/dates.hpp"

namespace imapfs::imap {
namespace {

constexpr std::array<std::string_view, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/// Removes a number of at most `digits` digits from the front; -1 if there is none.
int take_number(std::string_view& text, std::size_t digits) {
  const auto window = text.substr(0, digits);
  int value = -1;
  const auto [end, error] = std::from_chars(window.data(), window.data() + window.size(), value);
  if (error != std::errc{} || value < 0) return -1;
  text.remove_prefix(static_cast<std::size_t>(end - window.data()));
  return value;
}

bool take(std::string_view& text, char wanted) {
  if (!text.starts_with(wanted)) return false;
  text.remove_prefix(1);
  return true;
}

unsigned take_month(std::string_view& text) {
  const auto name = text.substr(0, 3);
  for (unsigned i = 0; i < months.size(); ++i) {
    if (iequals(name, months[i])) {
      text.remove_prefix(3);
      return i + 1;
    }
  }
  return 0;
}

/// "+0100" in seconds; 0 if it is missing or malformed.
int take_zone(std::string_view text) {
  while (take(text, ' ')) {
  }
  const bool east = take(text, '+');
  if (!east && !take(text, '-')) return 0;
  if (text.size() < 4) return 0;
  const int hours = take_number(text, 2);
  const int minutes = take_number(text, 2);
  if (hours < 0 || hours > 24 || minutes < 0 || minutes > 59) return 0;
  const int seconds = (hours * 60 + minutes) * 60;
  return east ? seconds : -seconds;
}

}  // namespace

std::optional<UnixTime> parse_internal_date(std::string_view text) {
  while (take(text, ' ')) {
  }
  const int day = take_number(text, 2);
  if (day < 0 || !take(text, '-')) return std::nullopt;
  const auto month = take_month(text);
  if (month == 0 || !take(text, '-')) return std::nullopt;
  const int year = take_number(text, 4);
  if (year < 0 || !take(text, ' ')) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  while (take(text, ' ')) {
  }
  const int hour = take_number(text, 2);
  if (hour < 0 || hour > 24 || !take(text, ':')) return std::nullopt;
  const int minute = take_number(text, 2);
  if (minute < 0 || minute > 59) return std::nullopt;
  int second = 0;
  if (take(text, ':')) second = take_number(text, 2);
  if (second < 0 || second > 60) return std::nullopt;
  const auto days = std::chrono::sys_days(date).time_since_epoch().count();
  const auto time = static_cast<UnixTime>(days) * 86400 + hour * 3600 + minute * 60 + second - take_zone(text);
  return is_usable_date(time) ? std::optional(time) : std::nullopt;
}

std::optional<std::string> format_internal_date(UnixTime time) {
  using std::chrono::days;
  // Years 0 to 9999, checked before the calendar arithmetic, which could overflow.
  constexpr UnixTime first = -62'167'219'200;
  constexpr UnixTime last = 253'402'300'799;
  if (time < first || time > last) return std::nullopt;
  const std::chrono::sys_seconds moment{std::chrono::seconds(time)};
  const auto day = std::chrono::floor<days>(moment);
  const std::chrono::year_month_day date(day);
  const auto seconds = (moment - day).count();
  return fmt::format("{:>2}-{}-{:04} {:02}:{:02}:{:02} +0000", static_cast<unsigned>(date.day()),
                     months[static_cast<unsigned>(date.month()) - 1], static_cast<int>(date.year()), seconds / 3600,
                     seconds / 60 % 60, seconds % 60);
}

}  // namespace imapfs::imap

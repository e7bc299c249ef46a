#pragma once
// Tells plausible dates of mail from mistakes. Pure functions.

#include <chrono>

#include "imapfs/model/types.hpp"

namespace imapfs {

/// Dates before 1970 or after 2200 are mistakes of servers and programs ("1899" for every message, "0102", "23026").
/// They are worse than none, because file systems and tools that compare times take them for other dates.
[[nodiscard]] constexpr bool is_usable_date(UnixTime time) {
  constexpr UnixTime end =
      std::chrono::sys_seconds(std::chrono::sys_days(std::chrono::year(2201) / 1 / 1)).time_since_epoch().count();
  return time >= 0 && time < end;
}

}  // namespace imapfs

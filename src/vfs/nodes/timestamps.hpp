#pragma once
// Points in time as RFC 3339 in UTC. Pure functions, any thread.

#include <chrono>
#include <string>

#include "imapfs/model/types.hpp"
#include "imapfs/vfs/types.hpp"

namespace imapfs::vfs {

/// "2026-11-20T09:30:00Z"; years outside 0000-9999 (hostile dates) are clamped.
[[nodiscard]] std::string rfc3339(UnixTime time);
/// "2026-11-20T09:30:00.123Z"
[[nodiscard]] std::string rfc3339_milliseconds(std::chrono::system_clock::time_point time);
/// The present second, without a fraction.
[[nodiscard]] Timestamp whole_second_now();
[[nodiscard]] Timestamp precise_now();

}  // namespace imapfs::vfs

#pragma once
// What the daemon reports about itself: the log, traces by category, counters, and redaction of secrets.
//
// Threads: any. Before configure() the log goes to stderr at level info. The caller passes text that may come from a
// server, a mail or a user through printable() or redact().

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "imapfs/base/result.hpp"

namespace imapfs::telemetry {

enum class Level : std::uint8_t { trace, debug, info, warning, error, off };
enum class Category : std::uint8_t { fuse, imap, sync, store };
inline constexpr std::size_t category_count = 4;

/// Where log lines go. `journal` falls back to standard_error where journald is not running or not built in.
enum class Destination : std::uint8_t { standard_error, file, journal };

struct LogSettings {
  Level level = Level::info;
  Destination destination = Destination::standard_error;
  std::string file;  ///< for Destination::file; created 0600, appended to; at 16 MiB log becomes log.1 ("imapfs.log":
                     ///< "imapfs.1.log")
  std::array<bool, category_count> traced{};  ///< indexed by Category
};

/// "debug", "info", "warning", "error", "off"; anything else is EINVAL.
Result<Level> parse_level(std::string_view text);
/// "fuse,sync" or "all"; anything else is EINVAL.
Result<std::array<bool, category_count>> parse_categories(std::string_view text);

/// Replaces the log's level and destination. Fails (and leaves the log as it was) if the file cannot be opened.
Result<void> configure(const LogSettings& settings);

[[nodiscard]] bool enabled(Level level);
[[nodiscard]] bool traced(Category category);
void write(Level level, std::string_view line);
void write_trace(Category category, std::string_view line);
/// Writes buffered lines out.
void flush();

template <class... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::info)) write(Level::info, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void warning(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::warning)) write(Level::warning, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::error)) write(Level::error, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::debug)) write(Level::debug, fmt::format(format, std::forward<Args>(args)...));
}
/// Writes a line; formats it only when its category is traced.
template <class... Args>
void trace(Category category, fmt::format_string<Args...> format, Args&&... args) {
  if (traced(category)) write_trace(category, fmt::format(format, std::forward<Args>(args)...));
}

/// Makes text safe for a terminal or a log line: control characters, invalid UTF-8 and backslashes become \xNN, and
/// text longer than `limit` bytes ends in "…".
[[nodiscard]] std::string printable(std::string_view text, std::size_t limit = 200);
/// An IMAP command line as printable(), but with "<redacted>" for the arguments of LOGIN and AUTHENTICATE and for a
/// bare base64 continuation.
[[nodiscard]] std::string redact(std::string_view command_line);

/// Counters over the life of the process; shown in /.imapfs/status and in the SIGUSR1 dump.
struct Counters {
  std::atomic<std::uint64_t> fuse_requests{0};
  std::atomic<std::uint64_t> fuse_errors{0};
  std::atomic<std::uint64_t> fuse_interrupts{0};
  std::atomic<std::uint64_t> notifications{0};
  std::atomic<std::uint64_t> imap_commands{0};
  std::atomic<std::uint64_t> imap_bytes_in{0};
  std::atomic<std::uint64_t> imap_bytes_out{0};
  std::atomic<std::uint64_t> connects{0};
  std::atomic<std::uint64_t> connect_failures{0};
  std::atomic<std::uint64_t> headers_fetched{0};
  std::atomic<std::uint64_t> bodies_fetched{0};
  std::atomic<std::uint64_t> body_bytes_fetched{0};
  std::atomic<std::uint64_t> bodies_fetched_ahead{0};
  std::atomic<std::uint64_t> body_sets_fetched{0};
  std::atomic<std::uint64_t> body_cache_hits{0};
  std::atomic<std::uint64_t> body_cache_misses{0};
  std::atomic<std::uint64_t> body_cache_evictions{0};
  std::atomic<std::uint64_t> store_transactions{0};
  std::atomic<std::uint64_t> store_errors{0};
  std::atomic<std::uint64_t> mailbox_syncs{0};
  std::atomic<std::uint64_t> changes_seen{0};
};
Counters& counters();
/// Every counter under its name above, in that order.
std::vector<std::pair<std::string_view, std::uint64_t>> counter_values();

/// The last lines logged at level error or warning (at most 20), oldest first, each with its UTC time.
std::vector<std::pair<std::int64_t, std::string>> recent_errors();

}  // namespace imapfs::telemetry

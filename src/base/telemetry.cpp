#include "imapfs/base/telemetry.hpp"

#include <fcntl.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <ctime>
#include <deque>
#include <memory>

#ifdef IMAPFS_HAVE_SYSTEMD
#include <spdlog/sinks/systemd_sink.h>
#endif

#include "imapfs/base/concurrency.hpp"

namespace imapfs::telemetry {
namespace {

constexpr std::size_t remembered_errors = 20;
constexpr std::size_t log_file_limit = 16 << 20;
constexpr std::size_t log_files_kept = 1;
constexpr std::string_view category_names[category_count] = {"fuse", "imap", "sync", "store"};

std::atomic<Level> current_level{Level::info};
std::array<std::atomic<bool>, category_count> traced_categories{};

Guarded<std::deque<std::pair<std::int64_t, std::string>>>& error_memory() {
  static Guarded<std::deque<std::pair<std::int64_t, std::string>>> memory;
  return memory;
}

// UTC, so that lines of daemon and server can be compared; thread ids as in ps -L and /proc.
constexpr const char* daemon_pattern = "%Y-%m-%dT%H:%M:%S.%eZ %l [%t] %v";
/// Before configure() somebody at a prompt reads the lines.
constexpr const char* command_pattern = "imapfs: %l: %v";

std::shared_ptr<spdlog::logger> make_logger(spdlog::sink_ptr sink, const char* pattern) {
  auto logger = std::make_shared<spdlog::logger>("imapfs", std::move(sink));
  logger->set_level(spdlog::level::trace);  // levels are filtered in this file, before formatting
  logger->flush_on(spdlog::level::info);
  logger->set_formatter(std::make_unique<spdlog::pattern_formatter>(pattern, spdlog::pattern_time_type::utc));
  return logger;
}

Guarded<std::shared_ptr<spdlog::logger>>& logger_slot() {
  static Guarded<std::shared_ptr<spdlog::logger>> slot(
      make_logger(std::make_shared<spdlog::sinks::stderr_sink_mt>(), command_pattern));
  return slot;
}

std::shared_ptr<spdlog::logger> current_logger() {
  return logger_slot().with_lock([](const auto& logger) { return logger; });
}

spdlog::level::level_enum spdlog_level(Level level) {
  switch (level) {
    case Level::trace: return spdlog::level::trace;
    case Level::debug: return spdlog::level::debug;
    case Level::info: return spdlog::level::info;
    case Level::warning: return spdlog::level::warn;
    case Level::error: return spdlog::level::err;
    case Level::off: return spdlog::level::off;
  }
  return spdlog::level::info;
}

[[maybe_unused]] bool journal_is_running() { return ::access("/run/systemd/journal/socket", W_OK) == 0; }

/// Creates the file with mode 0600 before the log library opens it, or sets that mode: a log may name mailboxes and
/// senders. Leaves alone what is not a regular file or belongs to another user.
Result<void> prepare_log_file(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (descriptor < 0) return fail(system_error(errno, fmt::format("cannot open log file {}", path)));
  struct stat status {};
  if (::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == ::geteuid() &&
      (status.st_mode & 077) != 0)
    ::fchmod(descriptor, 0600);
  ::close(descriptor);
  return {};
}

Result<spdlog::sink_ptr> make_sink(const LogSettings& settings) {
  if (settings.destination == Destination::file) {
    IMAPFS_TRY(prepare_log_file(settings.file));
    try {
      return spdlog::sink_ptr(
          std::make_shared<spdlog::sinks::rotating_file_sink_mt>(settings.file, log_file_limit, log_files_kept));
    } catch (const spdlog::spdlog_ex& exception) {
      return fail(EIO, "cannot open log file {}: {}", settings.file, exception.what());
    }
  }
#ifdef IMAPFS_HAVE_SYSTEMD
  if (settings.destination == Destination::journal && journal_is_running())
    return spdlog::sink_ptr(std::make_shared<spdlog::sinks::systemd_sink_mt>("imapfs"));
#endif
  return spdlog::sink_ptr(std::make_shared<spdlog::sinks::stderr_sink_mt>());
}

void remember_error(std::string_view line) {
  error_memory().with_lock([&](auto& memory) {
    if (memory.size() >= remembered_errors) memory.pop_front();
    memory.emplace_back(std::time(nullptr), std::string(line));
  });
}

/// Length of the valid UTF-8 sequence at the start of `text`, 0 if there is none or it is a C1 control.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t index) { return static_cast<unsigned char>(text[index]); };
  const unsigned char lead = byte(0);
  std::size_t length = 0;
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) length = 2;
  else if (lead >= 0xE0 && lead <= 0xEF) length = 3;
  else if (lead >= 0xF0 && lead <= 0xF4) length = 4;
  else return 0;
  if (text.size() < length) return 0;
  for (std::size_t index = 1; index < length; ++index)
    if ((byte(index) & 0xC0) != 0x80) return 0;
  if (lead == 0xC2 && byte(1) < 0xA0) return 0;
  if ((lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xED && byte(1) > 0x9F)) return 0;
  if ((lead == 0xF0 && byte(1) < 0x90) || (lead == 0xF4 && byte(1) > 0x8F)) return 0;
  return length;
}

/// A bidirectional control can make a log line read as something else.
bool is_direction_control(std::string_view sequence) {
  if (sequence.size() != 3 || static_cast<unsigned char>(sequence[0]) != 0xE2) return false;
  const auto second = static_cast<unsigned char>(sequence[1]);
  const auto third = static_cast<unsigned char>(sequence[2]);
  return (second == 0x80 && ((third >= 0xA8 && third <= 0xAE) || (third >= 0x8B && third <= 0x8F))) ||
         (second == 0x81 && third >= 0xA0 && third <= 0xAF);
}

}  // namespace

Result<Level> parse_level(std::string_view text) {
  if (text == "trace") return Level::trace;
  if (text == "debug") return Level::debug;
  if (text == "info") return Level::info;
  if (text == "warning" || text == "warn") return Level::warning;
  if (text == "error") return Level::error;
  if (text == "off") return Level::off;
  return fail(EINVAL, "\"{}\" is not a log level (trace, debug, info, warning, error, off)", printable(text));
}

Result<std::array<bool, category_count>> parse_categories(std::string_view text) {
  std::array<bool, category_count> traced{};
  while (!text.empty()) {
    const auto comma = text.find(',');
    const auto word = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
    if (word == "all") {
      traced.fill(true);
      continue;
    }
    const auto* const found = std::find(std::begin(category_names), std::end(category_names), word);
    if (found == std::end(category_names))
      return fail(EINVAL, "\"{}\" cannot be traced (fuse, imap, sync, store, all)", printable(word));
    traced[static_cast<std::size_t>(found - std::begin(category_names))] = true;
  }
  return traced;
}

Result<void> configure(const LogSettings& settings) {
  auto logger = make_logger(IMAPFS_TRY(make_sink(settings)), daemon_pattern);
  logger_slot().with_lock([&](auto& slot) { slot = std::move(logger); });
  current_level.store(settings.level, std::memory_order_relaxed);
  for (std::size_t index = 0; index < category_count; ++index)
    traced_categories[index].store(settings.traced[index], std::memory_order_relaxed);
  return {};
}

bool enabled(Level level) { return level >= current_level.load(std::memory_order_relaxed) && level != Level::off; }

bool traced(Category category) {
  return traced_categories[static_cast<std::size_t>(category)].load(std::memory_order_relaxed);
}

void write(Level level, std::string_view line) {
  if (level >= Level::warning) remember_error(line);
  current_logger()->log(spdlog_level(level), "{}", line);
}

void write_trace(Category category, std::string_view line) {
  current_logger()->log(spdlog::level::trace, "{}: {}", category_names[static_cast<std::size_t>(category)], line);
}

void flush() { current_logger()->flush(); }

std::string printable(std::string_view text, std::size_t limit) {
  std::string out;
  out.reserve(std::min(text.size(), limit) + 4);
  while (!text.empty()) {
    if (out.size() >= limit) return out + "…";
    const std::size_t length = utf8_length(text);
    const auto byte = static_cast<unsigned char>(text[0]);
    const auto sequence = text.substr(0, std::max<std::size_t>(length, 1));
    if (length == 0 || byte < 0x20 || byte == 0x7F || byte == '\\' || is_direction_control(sequence)) {
      for (const char raw : sequence)
        fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(raw));
    } else {
      out.append(sequence);
    }
    text.remove_prefix(sequence.size());
  }
  return out;
}

std::string redact(std::string_view command_line) {
  while (!command_line.empty() && (command_line.back() == '\r' || command_line.back() == '\n'))
    command_line.remove_suffix(1);
  const auto space = command_line.find(' ');
  // A line without a tag and a space is a continuation: base64 of SASL, or a literal that may be a password.
  if (space == std::string_view::npos) return command_line == "DONE" ? "DONE" : "<redacted>";
  const auto verb_end = command_line.find(' ', space + 1);
  std::string verb(
      command_line.substr(space + 1, verb_end == std::string_view::npos ? verb_end : verb_end - space - 1));
  std::transform(verb.begin(), verb.end(), verb.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  if (verb == "LOGIN") return fmt::format("{} LOGIN <redacted>", printable(command_line.substr(0, space)));
  if (verb == "AUTHENTICATE" && verb_end != std::string_view::npos) {
    const auto mechanism_end = command_line.find(' ', verb_end + 1);
    if (mechanism_end != std::string_view::npos)
      return fmt::format("{} <redacted>", printable(command_line.substr(0, mechanism_end)));
  }
  return printable(command_line, 1000);
}

Counters& counters() {
  static Counters instance;
  return instance;
}

std::vector<std::pair<std::string_view, std::uint64_t>> counter_values() {
  const Counters& all = counters();
  return {
      {"fuse_requests", all.fuse_requests},
      {"fuse_errors", all.fuse_errors},
      {"fuse_interrupts", all.fuse_interrupts},
      {"notifications", all.notifications},
      {"imap_commands", all.imap_commands},
      {"imap_bytes_in", all.imap_bytes_in},
      {"imap_bytes_out", all.imap_bytes_out},
      {"connects", all.connects},
      {"connect_failures", all.connect_failures},
      {"headers_fetched", all.headers_fetched},
      {"bodies_fetched", all.bodies_fetched},
      {"body_bytes_fetched", all.body_bytes_fetched},
      {"bodies_fetched_ahead", all.bodies_fetched_ahead},
      {"body_sets_fetched", all.body_sets_fetched},
      {"body_cache_hits", all.body_cache_hits},
      {"body_cache_misses", all.body_cache_misses},
      {"body_cache_evictions", all.body_cache_evictions},
      {"store_transactions", all.store_transactions},
      {"store_errors", all.store_errors},
      {"mailbox_syncs", all.mailbox_syncs},
      {"changes_seen", all.changes_seen},
  };
}

std::vector<std::pair<std::int64_t, std::string>> recent_errors() {
  return error_memory().with_lock([](const auto& memory) {
    return std::vector<std::pair<std::int64_t, std::string>>(memory.begin(), memory.end());
  });
}

}  // namespace imapfs::telemetry

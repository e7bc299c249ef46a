#include "fuse/caller_state.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

namespace imapfs::fuse {
namespace {

/// Of include/linux/sched.h; the flags have been in /proc/PID/stat since Linux 2.4 and these two never changed.
constexpr std::uint64_t pf_exiting = 0x4;
constexpr std::uint64_t pf_signaled = 0x400;

/// What /proc/TID/status holds at most: a thread may be in 65,536 groups, but then it is nobody's shell.
constexpr std::size_t longest_file = 64 * 1024;

constexpr std::uint64_t bit(int signal) { return std::uint64_t{1} << (signal - 1); }

/// Signals whose default action does not end a process.
constexpr std::uint64_t harmless = bit(SIGCHLD) | bit(SIGCONT) | bit(SIGURG) | bit(SIGWINCH) | bit(SIGSTOP) |
                                   bit(SIGTSTP) | bit(SIGTTIN) | bit(SIGTTOU);

/// Empty if it cannot be read.
std::string content_of(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return {};
  std::string text;
  std::array<char, 4096> buffer;
  ssize_t count = 0;
  while (text.size() < longest_file && (count = ::read(descriptor, buffer.data(), buffer.size())) > 0)
    text.append(buffer.data(), static_cast<std::size_t>(count));
  ::close(descriptor);
  return count < 0 ? std::string() : text;
}

template <class Number>
std::optional<Number> number(std::string_view text, int base = 10) {
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end == text.data()) return std::nullopt;
  return value;
}

/// Field `index`, counted from 1 as in proc(5), of /proc/TID/stat. The second, the program's name in parentheses, may
/// hold anything; nothing after it can hold a parenthesis.
std::string_view stat_field(std::string_view stat, std::size_t index) {
  const auto name_end = stat.rfind(')');
  if (name_end == std::string_view::npos) return {};
  stat.remove_prefix(name_end + 1);
  for (std::size_t field = 3; field <= index; ++field) {
    const auto begin = stat.find_first_not_of(' ');
    if (begin == std::string_view::npos) return {};
    stat.remove_prefix(begin);
    if (field == index) return stat.substr(0, stat.find_first_of(" \n"));
    stat.remove_prefix(std::min(stat.find(' '), stat.size()));
  }
  return {};
}

/// At the start of a line: a program's name is in the first line, with its line breaks escaped.
std::string_view value_of(std::string_view status, std::string_view label) {
  const auto at = status.find(label);
  return at == std::string_view::npos ? std::string_view() : status.substr(at + label.size());
}

std::optional<std::uint64_t> signal_set(std::string_view status, std::string_view label) {
  return number<std::uint64_t>(value_of(status, label), 16);
}

bool ends_by_pending_signal(std::string_view status) {
  const auto own = signal_set(status, "\nSigPnd:\t");
  const auto shared = signal_set(status, "\nShdPnd:\t");
  const auto blocked = signal_set(status, "\nSigBlk:\t");
  const auto ignored = signal_set(status, "\nSigIgn:\t");
  const auto caught = signal_set(status, "\nSigCgt:\t");
  if (!own || !shared || !blocked || !ignored || !caught) return false;
  const auto pending = *own | *shared;
  return (pending & bit(SIGKILL)) != 0 || (pending & ~(*blocked | *ignored | *caught | harmless)) != 0;
}

/// exit(2) gives up the memory before it closes the files; execve(2) exchanges it and is never without.
bool memory_is_gone(std::string_view status) { return value_of(status, "\nVmSize:").empty(); }

void describe_end(std::string_view stat, CallerState& state) {
  const auto flags = number<std::uint64_t>(stat_field(stat, 9)).value_or(0);
  state.exiting = (flags & pf_exiting) != 0;
  state.signaled = (flags & pf_signaled) != 0;
  state.exit_code = number<int>(stat_field(stat, 52)).value_or(0);
}

}  // namespace

CallerState caller_state(pid_t thread, const std::string& procfs) {
  CallerState state;
  if (thread <= 0) return state;
  const auto directory = procfs + "/" + std::to_string(thread);
  const auto status = content_of(directory + "/status");
  const auto process = number<pid_t>(value_of(status, "\nTgid:\t"));
  if (!process || *process <= 0) return state;
  state.known = true;
  state.process = *process;
  state.kill_pending = ends_by_pending_signal(status);
  if (memory_is_gone(status)) describe_end(content_of(directory + "/stat"), state);
  return state;
}

}  // namespace imapfs::fuse

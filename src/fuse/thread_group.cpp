#include "imapfs/fuse/thread_group.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <string_view>

namespace imapfs::fuse {
namespace {

/// The first kilobyte holds Tgid: what stands before it are short fields and a name of at most 16 characters.
std::string beginning_of(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return {};
  std::array<char, 1024> buffer;
  const auto count = ::read(descriptor, buffer.data(), buffer.size());
  ::close(descriptor);
  return count > 0 ? std::string(buffer.data(), static_cast<std::size_t>(count)) : std::string();
}

}  // namespace

pid_t thread_group_of(pid_t thread, const std::string& procfs) {
  if (thread <= 0) return 0;
  const auto text = beginning_of(procfs + "/" + std::to_string(thread) + "/status");
  // At the start of a line: the name of a program is in the line before, with its line breaks escaped.
  constexpr std::string_view label = "\nTgid:\t";
  const auto at = text.find(label);
  if (at == std::string::npos) return 0;
  pid_t process = 0;
  const char* const digits = text.data() + at + label.size();
  const auto [end, error] = std::from_chars(digits, text.data() + text.size(), process);
  return error == std::errc{} && end != digits && process > 0 ? process : 0;
}

}  // namespace imapfs::fuse

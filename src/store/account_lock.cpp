#include "imapfs/store/account_lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <sstream>
#include <utility>

#include "imapfs/base/mount_table.hpp"
#include "imapfs/base/telemetry.hpp"

namespace imapfs::store {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view mount_type = "fuse.imapfs";
constexpr int milliseconds_between_tries = 20;
/// After an unmount the holder's main thread must wake up before it can write its note.
constexpr std::chrono::milliseconds until_it_says_so{500};
/// The time that a process needs to end, besides the time for its changes.
constexpr std::chrono::seconds to_spare{15};

std::string lock_path(const std::string& directory) { return directory + "/lock"; }

}  // namespace

void write_lock_note(const std::string& directory, const LockNote& note) {
  const int descriptor = ::open(lock_path(directory).c_str(), O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (descriptor < 0) return;
  const auto line = fmt::format("{} {} {} {} {} {}\n", note.ending ? "ending" : "running", note.process,
                                note.patience.count(), note.mount_namespace, note.device,
                                telemetry::printable(note.mountpoint, 4096));
  if (::ftruncate(descriptor, 0) == 0) {
    [[maybe_unused]] const auto written = ::pwrite(descriptor, line.data(), line.size(), 0);
  }
  ::close(descriptor);
}

LockNote read_lock_note(const std::string& directory) {
  const int descriptor = ::open(lock_path(directory).c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (descriptor < 0) return {};
  std::array<char, 8192> buffer;
  const auto count = ::pread(descriptor, buffer.data(), buffer.size(), 0);
  ::close(descriptor);
  const std::string text(buffer.data(), count > 0 ? static_cast<std::size_t>(count) : 0);
  if (!text.ends_with('\n')) return {};
  LockNote note;
  std::string state;
  std::int64_t seconds = 0;
  std::istringstream words(text);
  if (!(words >> state >> note.process >> seconds >> note.mount_namespace >> note.device)) return {};
  note.ending = state == "ending";
  note.patience = std::chrono::seconds(seconds);
  words.ignore(1);
  std::getline(words, note.mountpoint);
  return note;
}

bool is_ending(const LockNote& note) {
  if (note.ending) return true;
  if (note.device == 0 || note.mount_namespace == 0 || note.mount_namespace != mount_namespace()) return false;
  return !MountTable().holds(note.device, mount_type);
}

bool await_lock(const std::string& directory, const LockWait& wait, const std::function<bool()>& lock) {
  if (!wait.begun) return false;
  const auto begun = Clock::now();
  auto last_ending = begun;
  bool told = false;
  while (!wait.stop.stop_requested()) {
    const auto now = Clock::now();
    const auto note = read_lock_note(directory);
    if (is_ending(note)) {
      last_ending = now;
      if (now - begun > note.patience + to_spare) return false;
      if (!std::exchange(told, true)) wait.begun(note);
    } else {
      // The holder is writing its note, or is about to.
      const bool may_be_ending = told || (note.process != 0 && note.mount_namespace != mount_namespace());
      // The holder may have ended since the last try, and another mount may have its device number by now.
      if (!may_be_ending || now - last_ending > until_it_says_so) return lock();
    }
    ::poll(nullptr, 0, milliseconds_between_tries);
    if (lock()) return true;
  }
  return false;
}

}  // namespace imapfs::store

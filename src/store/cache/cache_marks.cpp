#include "store/cache/cache_marks.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "imapfs/base/telemetry.hpp"

namespace imapfs::store {
namespace {

constexpr const char* in_use_file = "in-use";
constexpr const char* closed_file = "closed";
constexpr const char* verify_file = "verify";
/// The kernel writes dirty pages after half a minute; in laptop mode after up to ten minutes.
constexpr std::int64_t longest_write_back = 600'000'000'000;

std::string read_all(int descriptor) {
  std::array<char, 256> buffer{};
  const ssize_t got = ::read(descriptor, buffer.data(), buffer.size());
  return got > 0 ? std::string(buffer.data(), static_cast<std::size_t>(got)) : std::string();
}

std::string read_small_file(int directory, const char* name) {
  OwnedDescriptor file(::openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  return file ? read_all(file.get()) : std::string();
}

Result<void> write_small_file(int directory, const char* name, const std::string& content) {
  OwnedDescriptor file(::openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return fail(system_error(errno, fmt::format("write {}", name)));
  const ssize_t written = ::write(file.get(), content.data(), content.size());
  if (written != static_cast<ssize_t>(content.size()))
    return fail(system_error(written < 0 ? errno : ENOSPC, fmt::format("write {}", name)));
  return {};
}

}  // namespace

CacheMarks::CacheMarks(OwnedDescriptor directory) : directory_(std::move(directory)) {}

void CacheMarks::read() {
  OwnedDescriptor boot(::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
  if (boot) boot_id_ = read_all(boot.get());
  const std::string span = read_small_file(directory_.get(), verify_file);
  const char* end = span.data() + span.size();
  const auto from = std::from_chars(span.data(), end, verify_from_);
  if (from.ptr != end) std::from_chars(from.ptr + 1, end, verify_to_);
  judge_last_stop();
  // A read-only disk does no harm yet: the next body to be written tries again.
  (void)mark_in_use();
}

void CacheMarks::judge_last_stop() {
  struct stat in_use {};
  struct stat closed {};
  const bool was_in_use = ::fstatat(directory_.get(), in_use_file, &in_use, AT_SYMLINK_NOFOLLOW) == 0;
  const bool was_closed = ::fstatat(directory_.get(), closed_file, &closed, AT_SYMLINK_NOFOLLOW) == 0;
  const std::string last_boot = was_in_use ? read_small_file(directory_.get(), in_use_file)
                                           : read_small_file(directory_.get(), closed_file);
  if ((was_in_use || was_closed) && (boot_id_.empty() || last_boot != boot_id_)) {
    const std::int64_t suspect_from = was_in_use ? 0 : nanoseconds(closed.st_mtim) - longest_write_back;
    // What was unverified before stays so: one span covers both.
    verify_from_ = verify_to_ == 0 ? suspect_from : std::min(verify_from_, suspect_from);
    verify_to_ = nanoseconds_now();
    verify_is_stored_ = false;
    if (was_in_use)
      telemetry::info(
          "store: the machine stopped while the cache was in use; bodies are compared with their checksums");
  }
}

Result<void> CacheMarks::mark_in_use() {
  std::lock_guard guard(mutex_);
  if (marked_) return {};
  // In this order: while the old boot id is there, the next start comes to the same result.
  if (!verify_is_stored_) {
    auto stored = write_small_file(directory_.get(), verify_file, fmt::format("{} {}\n", verify_from_, verify_to_));
    if (!stored) return stored;
    verify_is_stored_ = true;
  }
  auto stored = write_small_file(directory_.get(), in_use_file, boot_id_);
  if (!stored) return stored;
  marked_ = true;
  return {};
}

void CacheMarks::mark_closed() {
  std::lock_guard guard(mutex_);
  if (!marked_) return;
  // `in-use` counts as long as it exists, so a crash between the two steps is on the safe side.
  if (write_small_file(directory_.get(), closed_file, boot_id_)) ::unlinkat(directory_.get(), in_use_file, 0);
}

}  // namespace imapfs::store

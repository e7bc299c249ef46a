#include "store/cache/body_files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace imapfs::store {

OwnedDescriptor::~OwnedDescriptor() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

OwnedDescriptor& OwnedDescriptor::operator=(OwnedDescriptor&& other) noexcept {
  if (this != &other) {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = other.release();
  }
  return *this;
}

int OwnedDescriptor::release() { return std::exchange(descriptor_, -1); }

std::uint32_t checksum_of(std::span<const char> bytes) {
  return static_cast<std::uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

Result<std::uint32_t> checksum_of(int descriptor, std::uint64_t length, std::uint64_t offset) {
  std::vector<unsigned char> buffer(static_cast<std::size_t>(std::min<std::uint64_t>(length, 256 * 1024)));
  uLong checksum = crc32(0, nullptr, 0);
  while (length > 0) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), length));
    const ssize_t got = ::pread(descriptor, buffer.data(), wanted, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(system_error(errno, "read body"));
    if (got == 0) return fail(EIO, "body is shorter than its length");
    checksum = crc32(checksum, buffer.data(), static_cast<uInt>(got));
    offset += static_cast<std::uint64_t>(got);
    length -= static_cast<std::uint64_t>(got);
  }
  return static_cast<std::uint32_t>(checksum);
}

Result<void> write_all(int descriptor, off_t offset, std::span<const char> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(descriptor, bytes.data(), bytes.size(), offset);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return fail(system_error(written < 0 ? errno : ENOSPC, "write body"));
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    offset += static_cast<off_t>(written);
  }
  return {};
}

OwnedDescriptor open_for_reading(int folder, const std::string& path) {
  constexpr int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  OwnedDescriptor file(::openat(folder, path.c_str(), flags | O_NOATIME));
  // Only the owner may use O_NOATIME.
  if (!file && errno == EPERM) file = OwnedDescriptor(::openat(folder, path.c_str(), flags));
  return file;
}

void for_each_entry(int directory, const std::function<void(const std::string&)>& visit) {
  // A new descriptor, because fdopendir takes it over and the read position must not be shared.
  const int own = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (own < 0) return;
  DIR* stream = ::fdopendir(own);
  if (stream == nullptr) {
    ::close(own);
    return;
  }
  while (const dirent* entry = ::readdir(stream)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") visit(name);
  }
  ::closedir(stream);
}

std::int64_t nanoseconds(const timespec& time) {
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

std::int64_t nanoseconds_now() {
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME, &time);
  return nanoseconds(time);
}

}  // namespace imapfs::store

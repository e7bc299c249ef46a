#include "vfs/staging/staged_content.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace imapfs::vfs {

namespace {

constexpr std::size_t copy_chunk = 1 << 20;

/// Calls a system call again when a signal has interrupted it.
template <class Call>
auto retried(Call&& call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

}  // namespace

Result<std::shared_ptr<StagedContent>> StagedContent::open(const std::string& path) {
  const int descriptor = retried([&] { return ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW); });
  if (descriptor < 0) return fail(system_error(errno, "open " + path));
  struct stat found {};
  if (::fstat(descriptor, &found) != 0) {
    const int errnum = errno;
    ::close(descriptor);
    return fail(system_error(errnum, "stat " + path));
  }
  return std::shared_ptr<StagedContent>(new StagedContent(descriptor, static_cast<std::uint64_t>(found.st_size), path));
}

StagedContent::~StagedContent() { ::close(descriptor_); }

Result<std::string> StagedContent::read(std::uint64_t offset, std::size_t size) const {
  if (offset >= size_) return std::string();
  std::string data(static_cast<std::size_t>(std::min<std::uint64_t>(size, size_ - offset)), '\0');
  for (std::size_t done = 0; done < data.size();) {
    const auto count = retried([&] {
      return ::pread(descriptor_, data.data() + done, data.size() - done, static_cast<off_t>(offset + done));
    });
    if (count < 0) return fail(system_error(errno, "read " + path_));
    if (count == 0) data.resize(done);
    done += static_cast<std::size_t>(count);
  }
  return data;
}

Result<void> StagedContent::write(std::uint64_t offset, std::string_view data) {
  for (std::size_t done = 0; done < data.size();) {
    const auto count = retried([&] {
      return ::pwrite(descriptor_, data.data() + done, data.size() - done, static_cast<off_t>(offset + done));
    });
    if (count < 0) {
      const int errnum = errno;
      // What was written of it does not count: a tool repeats the whole write or gives up.
      if (done > 0) size_ = std::max(size_, offset + done);
      written_.add(offset, done);
      return fail(system_error(errnum, "write " + path_));
    }
    done += static_cast<std::size_t>(count);
  }
  size_ = std::max<std::uint64_t>(size_, offset + data.size());
  written_.add(offset, data.size());
  return {};
}

Result<void> StagedContent::write_from(int source, std::uint64_t source_offset, std::size_t length,
                                       std::uint64_t offset) {
  std::string piece(std::min(length, copy_chunk), '\0');
  for (std::size_t done = 0; done < length;) {
    const auto count = retried([&] {
      return ::pread(source, piece.data(), std::min(piece.size(), length - done),
                     static_cast<off_t>(source_offset + done));
    });
    if (count < 0) return fail(system_error(errno, "read what is to go to " + path_));
    if (count == 0) return fail(EIO, "less to read than announced for {}", path_);
    IMAPFS_TRY(write(offset + done, std::string_view(piece.data(), static_cast<std::size_t>(count))));
    done += static_cast<std::size_t>(count);
  }
  return {};
}

Result<void> StagedContent::truncate(std::uint64_t size) {
  if (retried([&] { return ::ftruncate(descriptor_, static_cast<off_t>(size)); }) != 0) {
    return fail(system_error(errno, "truncate " + path_));
  }
  size_ = size;
  written_.cut(size);
  return {};
}

Result<void> StagedContent::allocate(std::uint64_t offset, std::uint64_t length) {
  const int errnum = ::posix_fallocate(descriptor_, static_cast<off_t>(offset), static_cast<off_t>(length));
  if (errnum != 0) return fail(system_error(errnum, "allocate " + path_));
  size_ = std::max(size_, offset + length);
  return {};
}

Result<void> StagedContent::copy_from(const StagedContent& other) {
  IMAPFS_TRY(truncate(0));
  for (std::uint64_t offset = 0; offset < other.size();) {
    const auto chunk = IMAPFS_TRY(other.read(offset, copy_chunk));
    if (chunk.empty()) break;
    IMAPFS_TRY(write(offset, chunk));
    offset += chunk.size();
  }
  return {};
}

Result<void> StagedContent::sync() {
  if (retried([&] { return ::fdatasync(descriptor_); }) != 0) return fail(system_error(errno, "sync " + path_));
  return {};
}

}  // namespace imapfs::vfs

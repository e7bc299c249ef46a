#include "store/journal/staging_directory.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <utility>

#include "imapfs/base/telemetry.hpp"

namespace imapfs::store {
namespace {

/// Not an id: entries() skips it.
constexpr const char* spare_name = "spare";

tl::unexpected<Error> failed(int errnum, std::string_view activity, const std::string& path) {
  return fail(system_error(errnum, fmt::format("{} {}", activity, telemetry::printable(path))));
}

/// The id in a file's name: digits without a leading zero, as path_of() writes them.
std::optional<StagedId> id_of(std::string_view name) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size() || name.front() == '0') return std::nullopt;
  // SQLite's integers are signed.
  if (number > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
  return StagedId{number};
}

}  // namespace

Result<std::unique_ptr<StagingDirectory>> StagingDirectory::open(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return failed(errno, "create", path);
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (descriptor < 0) {
    const int errnum = errno;
    if (errnum == ELOOP || errnum == ENOTDIR) return fail(EACCES, "{} is not a directory", telemetry::printable(path));
    return failed(errnum, "open", path);
  }
  std::unique_ptr<StagingDirectory> directory(new StagingDirectory(path, descriptor));
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) return failed(errno, "examine", path);
  if (status.st_uid != ::geteuid()) return fail(EACCES, "{} belongs to another user", telemetry::printable(path));
  if ((status.st_mode & 077) != 0 && ::fchmod(descriptor, 0700) != 0) return failed(errno, "make private", path);
  return directory;
}

StagingDirectory::~StagingDirectory() { ::close(descriptor_); }

std::string StagingDirectory::path_of(StagedId id) const { return fmt::format("{}/{}", path_, id.value); }

Result<void> StagingDirectory::create(StagedId id) {
  const auto name = std::to_string(id.value);
  if (::renameat2(descriptor_, spare_name, descriptor_, name.c_str(), RENAME_NOREPLACE) == 0) return {};
  const int file = ::openat(descriptor_, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (file < 0) return failed(errno, "create", path_of(id));
  ::close(file);
  return {};
}

Result<void> StagingDirectory::take(StagingDirectory& other, StagedId from, StagedId to) {
  const int done = ::renameat(other.descriptor_, std::to_string(from.value).c_str(), descriptor_,
                              std::to_string(to.value).c_str());
  if (done != 0 && errno != ENOENT) return failed(errno, "move", other.path_of(from));
  return {};
}

bool StagingDirectory::set_aside(const std::string& name) const {
  const int file = ::openat(descriptor_, name.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (file < 0) return false;
  struct stat status {};
  const bool empty = ::fstat(file, &status) == 0 && S_ISREG(status.st_mode) && status.st_size == 0 &&
                     status.st_nlink == 1;
  // fcntl(2): a write lease is granted only if nobody else has the file open. A process that still had it open would
  // write into another staged file. Whoever opens it meanwhile waits until it is closed here; the signal of the lease
  // is an ignored one.
  const bool ours = empty && ::fcntl(file, F_SETSIG, SIGURG) == 0 && ::fcntl(file, F_SETLEASE, F_WRLCK) == 0;
  const bool kept = ours && ::renameat2(descriptor_, name.c_str(), descriptor_, spare_name, RENAME_NOREPLACE) == 0;
  ::close(file);
  return kept;
}

Result<void> StagingDirectory::remove(StagedId id) {
  const auto name = std::to_string(id.value);
  if (set_aside(name)) return {};
  if (::unlinkat(descriptor_, name.c_str(), 0) != 0 && errno != ENOENT) return failed(errno, "remove", path_of(id));
  return {};
}

Result<std::vector<StagingDirectory::Entry>> StagingDirectory::entries() const {
  // readdir() moves the offset that duplicates of a descriptor share, so open the directory anew.
  const int own = ::openat(descriptor_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (own < 0) return failed(errno, "open", path_);
  DIR* const stream = ::fdopendir(own);
  if (stream == nullptr) {
    const int errnum = errno;
    ::close(own);
    return failed(errnum, "read", path_);
  }
  std::vector<Entry> found;
  errno = 0;
  while (const dirent* entry = ::readdir(stream)) {
    struct stat status {};
    const auto id = id_of(entry->d_name);
    if (id && ::fstatat(descriptor_, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status.st_mode))
      found.push_back({*id, static_cast<std::uint64_t>(status.st_size), status.st_mtim.tv_sec});
    errno = 0;
  }
  const int errnum = errno;
  ::closedir(stream);
  if (errnum != 0) return failed(errnum, "read", path_);
  std::sort(found.begin(), found.end(), [](const Entry& left, const Entry& right) { return left.id < right.id; });
  return found;
}

Result<void> StagingDirectory::sync() {
  if (::fsync(descriptor_) != 0) return failed(errno, "sync", path_);
  return {};
}

}  // namespace imapfs::store

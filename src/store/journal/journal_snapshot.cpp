#include "store/journal/journal_snapshot.hpp"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "store/database.hpp"

namespace imapfs::store {
namespace {

/// The copy is torn if the other process writes meanwhile, which is rare.
constexpr int most_tries = 5;
constexpr off_t most_bytes = off_t{1} << 30;

struct FileState {
  ino_t inode = 0;
  off_t size = 0;
  timespec changed{};
  bool operator==(const FileState& other) const {
    return inode == other.inode && size == other.size && changed.tv_sec == other.changed.tv_sec &&
           changed.tv_nsec == other.changed.tv_nsec;
  }
};

FileState state_of(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return {};
  return {status.st_ino, status.st_size, status.st_mtim};
}

Result<void> copy_bytes(int from, int to, off_t size) {
  off_t done = 0;
  while (done < size) {
    const auto count = ::sendfile(to, from, &done, static_cast<std::size_t>(size - done));
    if (count < 0 && errno != EINTR) return fail(system_error(errno, "copy a journal"));
    if (count == 0) return {};
  }
  return {};
}

/// Succeeds without a copy if the file does not exist.
Result<void> copy_file(const std::string& from, const std::string& to) {
  const int source = ::open(from.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (source < 0 && errno == ENOENT) return {};
  if (source < 0) return fail(system_error(errno, telemetry::printable(from)));
  const int target = ::open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
  struct stat status {};
  auto done = target < 0 || ::fstat(source, &status) != 0 ? fail(system_error(errno, telemetry::printable(to)))
              : status.st_size > most_bytes               ? fail(EFBIG, "{} is too large", telemetry::printable(from))
                                                          : copy_bytes(source, target, status.st_size);
  ::close(source);
  if (target >= 0) ::close(target);
  return done;
}

}  // namespace

Result<std::unique_ptr<JournalSnapshot>> JournalSnapshot::take(const std::string& original,
                                                               const std::string& directory) {
  std::unique_ptr<JournalSnapshot> snapshot(new JournalSnapshot(directory + "/borrowed.sqlite"));
  IMAPFS_TRY(snapshot->copy(original));
  IMAPFS_TRY(snapshot->open());
  return snapshot;
}

JournalSnapshot::~JournalSnapshot() {
  copy_.reset();
  remove();
}

/// Copies the files of a database at a moment when nobody writes.
Result<void> JournalSnapshot::copy(const std::string& original) {
  for (int attempt = 1; attempt <= most_tries; ++attempt) {
    remove();
    const auto before = std::pair(state_of(original), state_of(original + "-wal"));
    IMAPFS_TRY(copy_file(original, path_));
    IMAPFS_TRY(copy_file(original + "-wal", path_ + "-wal"));
    if (before == std::pair(state_of(original), state_of(original + "-wal"))) return {};
  }
  return fail(EBUSY, "{} is being written all the time", telemetry::printable(original));
}

Result<void> JournalSnapshot::open() {
  return Database::attempt([&] {
    copy_ = std::make_unique<SQLite::Database>(path_, SQLite::OPEN_READWRITE);
    copy_->exec("PRAGMA locking_mode=EXCLUSIVE");
    copy_->exec("PRAGMA trusted_schema=OFF");
    if (copy_->execAndGet("PRAGMA quick_check(1)").getString() != "ok") throw CorruptContent("torn or damaged");
  });
}

void JournalSnapshot::remove() const {
  for (const char* suffix : {"", "-wal", "-shm"}) ::unlink((path_ + suffix).c_str());
}

}  // namespace imapfs::store

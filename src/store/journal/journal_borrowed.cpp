// A second mount of the account shows the names that users gave in the first one: they stand in the journal of a
// process that runs and has it for itself, so a copy of its files is read.
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "store/account_directory.hpp"
#include "store/journal/journal_implementation.hpp"
#include "store/journal/journal_schema.hpp"

namespace imapfs::store {
namespace {

/// The copy is torn if the other process writes meanwhile, which it seldom does.
constexpr int most_tries = 5;
constexpr off_t most_octets = off_t{1} << 30;

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

Result<void> copy_octets(int from, int to, off_t size) {
  off_t done = 0;
  while (done < size) {
    const auto count = ::sendfile(to, from, &done, static_cast<std::size_t>(size - done));
    if (count < 0 && errno != EINTR) return fail(system_error(errno, "copy a journal"));
    if (count == 0) return {};
  }
  return {};
}

/// A file that is not there leaves none.
Result<void> copy_file(const std::string& from, const std::string& to) {
  const int source = ::open(from.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (source < 0 && errno == ENOENT) return {};
  if (source < 0) return fail(system_error(errno, telemetry::printable(from)));
  const int target = ::open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
  struct stat status {};
  auto done = target < 0 || ::fstat(source, &status) != 0 ? fail(system_error(errno, telemetry::printable(to)))
              : status.st_size > most_octets              ? fail(EFBIG, "{} is too large", telemetry::printable(from))
                                                          : copy_octets(source, target, status.st_size);
  ::close(source);
  if (target >= 0) ::close(target);
  return done;
}

/// The files of a database, copied while nobody wrote.
class Snapshot {
 public:
  explicit Snapshot(std::string path) : path_(std::move(path)) { remove(); }
  ~Snapshot() { remove(); }
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

  Result<void> take(const std::string& original) {
    for (int attempt = 1; attempt <= most_tries; ++attempt) {
      remove();
      const auto before = std::pair(state_of(original), state_of(original + "-wal"));
      IMAPFS_TRY(copy_file(original, path_));
      IMAPFS_TRY(copy_file(original + "-wal", path_ + "-wal"));
      if (before == std::pair(state_of(original), state_of(original + "-wal"))) return {};
    }
    return fail(EBUSY, "{} is being written all the time", telemetry::printable(original));
  }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  void remove() const {
    for (const char* suffix : {"", "-wal", "-shm"}) ::unlink((path_ + suffix).c_str());
  }
  const std::string path_;
};

}  // namespace

Result<void> SqliteJournal::borrow_names(const std::string& original) {
  const std::lock_guard guard(mutex_);
  Snapshot snapshot(directory_.path + "/borrowed.sqlite");
  IMAPFS_TRY(snapshot.take(original + "/journal.sqlite"));
  std::unique_ptr<SQLite::Database> copy;
  IMAPFS_TRY(Database::attempt([&] {
    copy = std::make_unique<SQLite::Database>(snapshot.path(), SQLite::OPEN_READWRITE);
    copy->exec("PRAGMA locking_mode=EXCLUSIVE");
    copy->exec("PRAGMA trusted_schema=OFF");
    if (copy->execAndGet("PRAGMA quick_check(1)").getString() != "ok") throw CorruptContent("torn or damaged");
  }));
  return transaction("borrow names", [&] {
    SQLite::Statement query(*copy, std::string(sql::all_local_names));
    auto insert = database_->statement(sql::borrow_name);
    while (query.executeStep()) {
      const std::string mailbox = query.getColumn(0).getString();
      const std::string name = query.getColumn(3).getString();
      insert->bindNoCopy(1, mailbox);
      insert->bind(2, query.getColumn(1).getInt64());
      insert->bind(3, query.getColumn(2).getInt64());
      insert->bindNoCopy(4, name);
      insert->bind(5, query.getColumn(4).getInt64());
      insert.run();
    }
  });
}

}  // namespace imapfs::store

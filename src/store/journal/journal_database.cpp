#include "store/journal/journal_database.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "store/journal/journal_rows.hpp"
#include "store/journal/journal_schema.hpp"

namespace imapfs::store {
namespace {

/// Reads every row once. So damage that SQLite does not notice is found now, when a new journal can still be begun, and
/// not later in the middle of work.
Result<std::unique_ptr<Database>> open_readable(const std::string& path, bool again = false) {
  auto database = IMAPFS_TRY(Database::open(path, journal_schema()));
  auto readable = Database::attempt([&] {
    // Copying the log into the file costs two fsyncs, for which a user's operation waits: do it seldom, every 16 MiB of
    // log.
    database->execute("PRAGMA wal_autocheckpoint=4000");
    database->execute(std::string(sql::make_borrowed_name));
    read_changes(*database);
    read_staged(*database);
  });
  if (readable) return database;
  if (readable.error().errnum != EUCLEAN || again) return fail(std::move(readable).error());
  Database::mark_corrupt(path);
  database.reset();
  return open_readable(path, true);
}

}  // namespace

Result<std::unique_ptr<JournalDatabase>> JournalDatabase::open(const std::string& path) {
  auto database = IMAPFS_TRY_WHILE(fmt::format("open {}", telemetry::printable(path)), open_readable(path));
  return std::unique_ptr<JournalDatabase>(new JournalDatabase(std::move(database)));
}

bool JournalDatabase::was_set_aside(const std::string& directory) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(directory, ignored)) {
    const auto name = entry.path().filename().string();
    if (name.starts_with(fmt::format("{}.corrupt-", journal_file_name)) ||
        name.starts_with(fmt::format("{}.newer-", journal_file_name)))
      return true;
  }
  return false;
}

Result<void> JournalDatabase::attempt(const char* activity, const std::function<void()>& work) {
  auto done = Database::attempt(work);
  if (done) return {};
  ++telemetry::counters().store_errors;
  auto error = std::move(done).error().while_doing(
      fmt::format("{} in {}", activity, telemetry::printable(database_->path())));
  if (error.errnum == EUCLEAN) {
    Database::mark_corrupt(database_->path());
    error.errnum = EIO;
  }
  return fail(std::move(error));
}

Result<void> JournalDatabase::transaction(const char* activity, const std::function<void()>& work) {
  return attempt(activity, [&] { database_->in_transaction(work); });
}

std::uint64_t JournalDatabase::highest_id(const char* table) {
  auto query = database_->statement(sql::highest_id);
  query->bind(1, table);
  return query->executeStep() ? as_unsigned(query->getColumn(0).getInt64()) : 0;
}

// With synchronous=NORMAL SQLite syncs only when it copies the log into the file; what was committed since is in the
// log. The log is synced through a descriptor of our own, without a lock, so that other callers do not wait for the
// disk.
Result<void> JournalDatabase::sync() const {
  const std::string log = database_->path() + "-wal";
  const int descriptor = ::open(log.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (descriptor < 0) return fail(system_error(errno, fmt::format("open {}", telemetry::printable(log))));
  const bool synced = ::fdatasync(descriptor) == 0;
  const int errnum = errno;
  ::close(descriptor);
  if (!synced) return fail(system_error(errnum, fmt::format("sync {}", telemetry::printable(log))));
  return {};
}

}  // namespace imapfs::store

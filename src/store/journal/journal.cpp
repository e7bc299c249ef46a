#include "imapfs/store/journal.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "store/account_directory.hpp"
#include "store/journal/journal_implementation.hpp"
#include "store/journal/journal_rows.hpp"
#include "store/journal/journal_schema.hpp"

namespace imapfs::store {
namespace {

constexpr std::string_view database_name = "journal.sqlite";
/// How many ended changes are remembered for changes that still name them.
constexpr std::size_t most_ended_remembered = 4096;
constexpr std::uint64_t batch_bit = std::uint64_t{1} << 63;
/// 2024-01-01. Seconds since then fit the 32 bits that a node id has for a staged file.
constexpr UnixTime epoch_of_ids = 1'704'067'200;

/// Whether a journal of this directory was set aside once: ids in it are not known.
bool was_set_aside(const std::string& directory) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(directory, ignored)) {
    const auto name = entry.path().filename().string();
    if (name.starts_with(fmt::format("{}.corrupt-", database_name)) ||
        name.starts_with(fmt::format("{}.newer-", database_name)))
      return true;
  }
  return false;
}

}  // namespace

Result<void> SqliteJournal::attempt(const char* activity, const std::function<void()>& work) {
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

std::uint64_t SqliteJournal::highest_id(const char* table) {
  auto query = database_->statement(sql::highest_id);
  query->bind(1, table);
  return query->executeStep() ? static_cast<std::uint64_t>(query->getColumn(0).getInt64()) : 0;
}

Result<void> SqliteJournal::take_up() {
  const auto entries = IMAPFS_TRY(staging_->entries());
  std::vector<StagedId> doomed;
  IMAPFS_TRY(attempt("read", [&] {
    last_change_ = highest_id("change");
    last_staged_ = highest_id("staged");
    auto query = database_->statement(sql::doomed_staged);
    while (query->executeStep()) doomed.push_back(StagedId{static_cast<std::uint64_t>(query->getColumn(0).getInt64())});
  }));
  if (was_set_aside(directory_.path)) {
    // Ids of the journal that was set aside must not come again; it gave out fewer than one a second.
    const auto seconds = static_cast<std::uint64_t>(std::max<UnixTime>(std::time(nullptr) - epoch_of_ids, 0));
    if (last_change_ == 0) last_change_ = seconds;
    if (last_staged_ == 0) last_staged_ = seconds;
  }
  if (!entries.empty()) last_staged_ = std::max(last_staged_, entries.back().id.value);
  remove_octets(doomed);
  return {};
}

/// Gives out ids and puts them in the place of references.
Result<void> SqliteJournal::prepare(std::vector<JournalChange>& changes) {
  for (std::size_t index = 0; index < changes.size(); ++index) {
    auto& change = changes[index];
    change.id = ChangeId{++last_change_};
    if ((change.follows.value & batch_bit) != 0) {
      const auto reference = change.follows.value & ~batch_bit;
      if (reference == 0 || reference > index) return fail(EINVAL, "a change is to follow one that comes after it");
      change.follows = changes[reference - 1].id;
    }
    follow_ended(change);
  }
  return {};
}

/// If `change` follows one that has ended, perhaps while it was on its way here.
void SqliteJournal::follow_ended(JournalChange& change) const {
  const auto ended = ended_.find(change.follows);
  if (ended == ended_.end()) return;
  change.follows = {};
  if (change.source.uid.value == 0 && ended->second) change.source = *ended->second;
}

Result<void> SqliteJournal::add(std::vector<JournalChange>& changes) {
  const std::lock_guard guard(mutex_);
  auto prepared = changes;
  IMAPFS_TRY(prepare(prepared));
  IMAPFS_TRY(transaction("add changes", [&] {
    for (const auto& change : prepared) insert_change(*database_, change);
  }));
  changes = std::move(prepared);
  return {};
}

Result<void> SqliteJournal::mark_sent(const std::vector<ChangeId>& ids, UidValidity destination_validity,
                                      Uid destination_uid_next) {
  const std::lock_guard guard(mutex_);
  return transaction("mark changes as sent", [&] {
    auto mark = database_->statement(sql::mark_sent);
    for (const auto id : ids) {
      mark->bind(1, as_signed(id.value));
      mark->bind(2, destination_validity.value);
      mark->bind(3, destination_uid_next.value);
      mark.run();
    }
  });
}

Result<void> SqliteJournal::describe(const std::vector<JournalChange>& changes) {
  const std::lock_guard guard(mutex_);
  return transaction("describe changes", [&] {
    auto describe = database_->statement(sql::describe);
    for (const auto& change : changes) {
      describe->bind(1, as_signed(change.id.value));
      if (change.internal_date) describe->bind(2, *change.internal_date);
      else describe->bind(2);
      describe->bind(3, as_signed(change.size));
      describe->bindNoCopy(4, change.message_id);
      describe->bindNoCopy(5, change.digest);
      describe.run();
    }
  });
}

Result<void> SqliteJournal::clear_sent(const std::vector<ChangeId>& ids) {
  const std::lock_guard guard(mutex_);
  return transaction("mark changes as not sent", [&] {
    auto clear = database_->statement(sql::clear_sent);
    for (const auto id : ids) {
      clear->bind(1, as_signed(id.value));
      clear.run();
    }
  });
}

void SqliteJournal::end(const Ended::One& one, std::vector<StagedId>& octets) {
  StagedId staged;
  {
    auto remove = database_->statement(sql::end_change);
    remove->bind(1, as_signed(one.id.value));
    if (!remove->executeStep()) return;  // It has ended before.
    staged = StagedId{static_cast<std::uint64_t>(remove->getColumn(0).getInt64())};
    remove->executeStep();
  }
  if (one.succeeded && one.arrived.uid.value != 0) {
    auto give = database_->statement(sql::give_source);
    give->bind(1, as_signed(one.id.value));
    give->bindNoCopy(2, one.arrived.mailbox);
    give->bind(3, one.arrived.uid_validity.value);
    give->bind(4, one.arrived.uid.value);
    give.run();
  }
  auto release = database_->statement(sql::end_waiting);
  release->bind(1, as_signed(one.id.value));
  release.run();
  if (!one.file_name.empty() && one.arrived.uid.value != 0) write_local_name(one.arrived, one.file_name);
  if (one.succeeded && !one.keeps_staged && staged.value != 0) {
    run(sql::doom_staged, staged);
    octets.push_back(staged);
  }
}

// The row of a staged file that is no longer needed is doomed in the same transaction in which its append ends; its
// octets go after the commit, and then the row. Whenever the process dies in between, take_up() goes on with what is
// doomed: octets neither vanish before the append has ended nor come back after it.
Result<void> SqliteJournal::finish(Ended& ended) {
  const std::lock_guard guard(mutex_);
  auto next = ended.next;
  std::vector<StagedId> octets;
  IMAPFS_TRY(prepare(next));
  IMAPFS_TRY(transaction("end changes", [&] {
    octets.clear();
    // Inserted first: those that follow one of these are given their source as all others are.
    for (const auto& change : next) insert_change(*database_, change);
    for (const auto& one : ended.changes) end(one, octets);
  }));
  remember(ended);
  for (auto& change : next) follow_ended(change);
  ended.next = std::move(next);
  remove_octets(octets);
  return {};
}

void SqliteJournal::remember(const Ended& ended) {
  for (const auto& one : ended.changes)
    ended_[one.id] = one.succeeded && one.arrived.uid.value != 0 ? std::optional(one.arrived) : std::nullopt;
  while (ended_.size() > most_ended_remembered) ended_.erase(ended_.begin());
}

Result<std::vector<JournalChange>> SqliteJournal::changes() {
  const std::lock_guard guard(mutex_);
  std::vector<JournalChange> found;
  IMAPFS_TRY(attempt("read changes", [&] { found = read_changes(*database_); }));
  return found;
}

// With synchronous=NORMAL SQLite itself syncs only when it copies the log into the file; what was committed since is in
// the log. Its descriptor is our own: the lock is not held meanwhile, so nobody waits for the disk who does not want
// to.
Result<void> SqliteJournal::sync() {
  const std::string log = database_->path() + "-wal";
  const int descriptor = ::open(log.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (descriptor < 0) return fail(system_error(errno, fmt::format("open {}", telemetry::printable(log))));
  const bool synced = ::fdatasync(descriptor) == 0;
  const int errnum = errno;
  ::close(descriptor);
  if (!synced) return fail(system_error(errnum, fmt::format("sync {}", telemetry::printable(log))));
  return staging_->sync();
}

namespace {

/// Every row is read once: damage that SQLite does not notice is found now, when a new journal can still be begun, and
/// not in the middle of work.
Result<std::unique_ptr<Database>> open_database(const std::string& path, bool again = false) {
  auto database = IMAPFS_TRY(Database::open(path, journal_schema()));
  auto readable = Database::attempt([&] {
    // Copying the log into the file costs two fsyncs, and somebody's operation waits for them: seldom, then. 16 MiB of
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
  return open_database(path, true);
}

/// That there are these files must be as durable as what is in them.
Result<void> sync_directory(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return fail(system_error(errno, fmt::format("open {}", telemetry::printable(path))));
  const int errnum = ::fsync(descriptor) == 0 ? 0 : errno;
  ::close(descriptor);
  if (errnum != 0) return fail(system_error(errnum, fmt::format("sync {}", telemetry::printable(path))));
  return {};
}

Result<std::shared_ptr<SqliteJournal>> open_in(AccountDirectory directory) {
  auto staging = IMAPFS_TRY(StagingDirectory::open(directory.path + "/staging"));
  const std::string path = fmt::format("{}/{}", directory.path, database_name);
  auto database = IMAPFS_TRY_WHILE(fmt::format("open {}", telemetry::printable(path)), open_database(path));
  IMAPFS_TRY(sync_directory(directory.path));
  auto journal = std::make_shared<SqliteJournal>(std::move(directory), std::move(database), std::move(staging));
  IMAPFS_TRY(journal->take_up());
  return journal;
}

}  // namespace

Result<std::shared_ptr<Journal>> Journal::open(const std::string& state_root, const std::string& account) {
  return open_journal(state_root, account, {});
}

Result<std::shared_ptr<Journal>> open_journal(const std::string& state_root, const std::string& account,
                                              const LockWait& wait) {
  auto directory = IMAPFS_TRY(open_account_directory(state_root, account, "state", wait));
  std::vector<AccountDirectory> idle;
  if (!directory.private_copy) idle = lock_idle_siblings(directory, "state");
  auto journal = IMAPFS_TRY(open_in(std::move(directory)));
  if (const auto original = original_of(journal->directory()); !original.empty()) {
    auto borrowed = journal->borrow_names(original);
    if (!borrowed)
      telemetry::warning("store: names given in {} are not shown: {}", telemetry::printable(original),
                         borrowed.error().what);
  }
  for (auto& sibling : idle) {
    const std::string path = sibling.path;
    auto abandoned = open_in(std::move(sibling));
    auto taken = abandoned ? journal->take_over(**abandoned) : Result<void>(fail(std::move(abandoned).error()));
    // It stays where it is, and the next mount tries again.
    if (!taken) telemetry::warning("store: take over {}: {}", telemetry::printable(path), taken.error().what);
  }
  return std::shared_ptr<Journal>(std::move(journal));
}

}  // namespace imapfs::store

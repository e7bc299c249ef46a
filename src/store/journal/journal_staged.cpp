// The journal's staged files: a row and a file each, which must not come apart when the process dies between the two.
#include <algorithm>

#include "imapfs/base/telemetry.hpp"
#include "store/journal/journal_implementation.hpp"
#include "store/journal/journal_rows.hpp"
#include "store/journal/journal_schema.hpp"

namespace imapfs::store {

void SqliteJournal::run(std::string_view sql, StagedId id) {
  auto statement = database_->statement(sql);
  statement->bind(1, as_signed(id.value));
  statement.run();
}

// The row comes first: whoever dies before the file is there leaves a row without octets, which promises nothing and is
// dropped by staged(). The other way round it would be octets without a row, which staged() has to show to the user.
Result<void> SqliteJournal::stage(StagedFile& file) {
  const std::lock_guard guard(mutex_);
  StagedFile added = file;
  added.id = StagedId{++last_staged_};
  IMAPFS_TRY(transaction("stage a file", [&] { insert_staged(*database_, added); }));
  if (auto created = staging_->create(added.id); !created) {
    // If this fails as well (the disk is full), staged() drops the row.
    auto dropped = transaction("drop a staged file", [&] { run(sql::delete_staged, added.id); });
    if (!dropped) telemetry::warning("store: {}", dropped.error().what);
    return created;
  }
  file = std::move(added);
  return {};
}

Result<void> SqliteJournal::update(const StagedFile& file) {
  const std::lock_guard guard(mutex_);
  bool found = false;
  IMAPFS_TRY(transaction("update a staged file", [&] { found = update_staged(*database_, file); }));
  if (!found) return fail(ENOENT, "no staged file {}", file.id.value);
  return {};
}

// Doomed first, as in finish().
Result<void> SqliteJournal::unstage(StagedId id) {
  const std::lock_guard guard(mutex_);
  IMAPFS_TRY(transaction("unstage a file", [&] { run(sql::doom_staged, id); }));
  remove_octets({id});
  return {};
}

/// Of rows that are doomed. What cannot be done now is done by take_up().
void SqliteJournal::remove_octets(const std::vector<StagedId>& ids) {
  std::vector<StagedId> removed;
  for (const auto id : ids) {
    if (auto gone = staging_->remove(id); gone) removed.push_back(id);
    else telemetry::warning("store: {}", gone.error().what);
  }
  if (removed.empty()) return;
  auto dropped = transaction("drop staged files", [&] {
    for (const auto id : removed) run(sql::delete_staged, id);
  });
  if (!dropped) telemetry::warning("store: {}", dropped.error().what);
}

Result<void> SqliteJournal::drop_rows_without_octets(std::vector<StagedFile>& files,
                                                     const std::vector<StagingDirectory::Entry>& entries) {
  std::vector<StagedFile> kept;
  std::vector<StagedId> dropped;
  for (auto& file : files) {
    const auto found = std::lower_bound(entries.begin(), entries.end(), file.id,
                                        [](const auto& entry, StagedId id) { return entry.id < id; });
    if (found != entries.end() && found->id == file.id) {
      kept.push_back(std::move(file));
      continue;
    }
    telemetry::warning("store: the octets of \"{}\" are gone; it cannot be sent to {}", telemetry::printable(file.name),
                       telemetry::printable(file.mailbox));
    dropped.push_back(file.id);
  }
  files = std::move(kept);
  if (dropped.empty()) return {};
  return transaction("drop staged files", [&] {
    for (const auto id : dropped) run(sql::delete_staged, id);
  });
}

Result<void> SqliteJournal::adopt_octets_without_row(std::vector<StagedFile>& files,
                                                     const std::vector<StagingDirectory::Entry>& entries) {
  std::vector<StagedFile> adopted;
  for (const auto& entry : entries) {
    if (std::any_of(files.begin(), files.end(), [&](const auto& file) { return file.id == entry.id; })) continue;
    if (entry.size == 0) {
      // Created, and its row was lost before anything was written: nothing that anybody would miss.
      auto removed = staging_->remove(entry.id);
      if (!removed) telemetry::warning("store: {}", removed.error().what);
      continue;
    }
    StagedFile file;
    file.id = entry.id;
    file.state = StagedFile::State::refused;
    file.name = fmt::format("recovered-{}.eml", entry.id.value);
    file.reason = "what was known of it is lost: the journal was damaged";
    file.changed_at = entry.changed_at;
    adopted.push_back(std::move(file));
  }
  if (adopted.empty()) return {};
  IMAPFS_TRY(transaction("adopt staged files", [&] {
    for (const auto& file : adopted) insert_staged(*database_, file);
  }));
  for (auto& file : adopted) files.push_back(std::move(file));
  std::sort(files.begin(), files.end(), [](const auto& left, const auto& right) { return left.id < right.id; });
  return {};
}

Result<std::vector<StagedFile>> SqliteJournal::staged() {
  const std::lock_guard guard(mutex_);
  std::vector<StagedFile> files;
  std::vector<StagedId> doomed;
  IMAPFS_TRY(attempt("read staged files", [&] {
    files = read_staged(*database_);
    auto query = database_->statement(sql::doomed_staged);
    while (query->executeStep()) doomed.push_back(StagedId{static_cast<std::uint64_t>(query->getColumn(0).getInt64())});
  }));
  auto entries = IMAPFS_TRY(staging_->entries());
  std::erase_if(entries,
                [&](const auto& entry) { return std::find(doomed.begin(), doomed.end(), entry.id) != doomed.end(); });
  IMAPFS_TRY(drop_rows_without_octets(files, entries));
  IMAPFS_TRY(adopt_octets_without_row(files, entries));
  return files;
}

}  // namespace imapfs::store

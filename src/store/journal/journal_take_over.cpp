// What a second mount of the account has left in its own journal, taken over by the next mount that has the account's
// own directory: nobody else would carry it out.
//
// Rows are added in one transaction, which also notes how far it went and what was added to ids. Only then are the
// octets moved, and only then are the rows removed over there. If the process dies in between, the next mount finds the
// note and completes what is missing: nothing is taken twice, and nothing gets lost.
#include <optional>

#include "imapfs/base/telemetry.hpp"
#include "store/journal/journal_implementation.hpp"
#include "store/journal/journal_rows.hpp"
#include "store/journal/journal_schema.hpp"

namespace imapfs::store {
namespace {

void copy_local_names(Database& from, Database& to) {
  auto query = from.statement(sql::all_local_names);
  auto insert = to.statement(sql::add_local_name);
  while (query->executeStep()) {
    const std::string mailbox = query->getColumn(0).getString();
    const std::string name = query->getColumn(3).getString();
    insert->bindNoCopy(1, mailbox);
    insert->bind(2, query->getColumn(1).getInt64());
    insert->bind(3, query->getColumn(2).getInt64());
    insert->bindNoCopy(4, name);
    insert->bind(5, query->getColumn(4).getInt64());
    insert.run();
  }
}

}  // namespace

Result<void> SqliteJournal::take_over(SqliteJournal& abandoned) {
  const std::lock_guard guard(mutex_);
  std::optional<TakenOver> begun;
  IMAPFS_TRY(attempt("read", [&] {
    auto query = database_->statement(sql::read_taken_over);
    query->bindNoCopy(1, abandoned.directory());
    if (!query->executeStep()) return;
    begun = {as_unsigned(query->getColumn(0).getInt64()), as_unsigned(query->getColumn(1).getInt64()),
             as_unsigned(query->getColumn(2).getInt64())};
  }));
  if (begun) IMAPFS_TRY(complete_take_over(abandoned, *begun));
  return complete_take_over(abandoned, IMAPFS_TRY(add_rows_of(abandoned)));
}

Result<SqliteJournal::TakenOver> SqliteJournal::add_rows_of(SqliteJournal& abandoned) {
  auto changes = IMAPFS_TRY(abandoned.changes());
  auto files = IMAPFS_TRY(abandoned.staged());
  const TakenOver taken{abandoned.last_change_, abandoned.last_staged_, last_staged_};
  const auto change_offset = last_change_;
  for (auto& change : changes) {
    change.id.value += change_offset;
    if (change.follows.value != 0) change.follows.value += change_offset;
    if (change.staged.value != 0) change.staged.value += taken.staged_offset;
  }
  for (auto& file : files) file.id.value += taken.staged_offset;
  IMAPFS_TRY(transaction("take over changes", [&] {
    for (const auto& change : changes) insert_change(*database_, change);
    for (const auto& file : files) insert_staged(*database_, file);
    copy_local_names(*abandoned.database_, *database_);
    auto note = database_->statement(sql::set_taken_over);
    note->bindNoCopy(1, abandoned.directory());
    note->bind(2, as_signed(taken.last_change));
    note->bind(3, as_signed(taken.last_staged));
    note->bind(4, as_signed(taken.staged_offset));
    note.run();
  }));
  last_change_ += taken.last_change;
  last_staged_ += taken.last_staged;
  if (!changes.empty() || !files.empty()) {
    telemetry::info("store: {} changes and {} files were left in {} by another mount and are taken over",
                    changes.size(), files.size(), telemetry::printable(abandoned.directory()));
  }
  return taken;
}

Result<void> SqliteJournal::complete_take_over(SqliteJournal& abandoned, const TakenOver& taken) {
  const auto entries = IMAPFS_TRY(abandoned.staging_->entries());
  for (const auto& entry : entries) {
    if (entry.id.value > taken.last_staged) continue;
    IMAPFS_TRY(staging_->take(*abandoned.staging_, entry.id, StagedId{entry.id.value + taken.staged_offset}));
  }
  IMAPFS_TRY(abandoned.transaction("leave changes to another mount", [&] {
    auto& database = *abandoned.database_;
    auto changes = database.statement(sql::delete_changes_up_to);
    changes->bind(1, as_signed(taken.last_change));
    changes.run();
    auto files = database.statement(sql::delete_staged_up_to);
    files->bind(1, as_signed(taken.last_staged));
    files.run();
    database.execute("DELETE FROM local_name");
  }));
  // Without a note: if that journal is made anew one day, its ids begin at 1 again.
  return transaction("end a take-over", [&] {
    auto forget = database_->statement(sql::forget_taken_over);
    forget->bindNoCopy(1, abandoned.directory());
    forget.run();
  });
}

}  // namespace imapfs::store

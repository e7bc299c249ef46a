#include "store/journal/journal_take_over.hpp"

#include "imapfs/base/telemetry.hpp"
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

Result<void> JournalTakeOver::run() {
  if (const auto begun = IMAPFS_TRY(begun_before())) IMAPFS_TRY(complete(*begun));
  return complete(IMAPFS_TRY(add_rows()));
}

Result<std::optional<JournalTakeOver::Progress>> JournalTakeOver::begun_before() {
  std::optional<Progress> begun;
  IMAPFS_TRY(own_.database->attempt("read", [&] {
    auto query = own_.database->statement(sql::read_taken_over);
    query->bindNoCopy(1, abandoned_.directory.path);
    if (!query->executeStep()) return;
    begun = {as_unsigned(query->getColumn(0).getInt64()), as_unsigned(query->getColumn(1).getInt64()),
             as_unsigned(query->getColumn(2).getInt64())};
  }));
  return begun;
}

Result<JournalTakeOver::Progress> JournalTakeOver::add_rows() {
  auto changes = IMAPFS_TRY(abandoned_.changes.all());
  auto files = IMAPFS_TRY(abandoned_.staged.all());
  const Progress taken{abandoned_.changes.last_id(), abandoned_.staged.last_id(), own_.staged.last_id()};
  const auto change_offset = own_.changes.last_id();
  for (auto& change : changes) {
    change.id.value += change_offset;
    if (change.follows.value != 0) change.follows.value += change_offset;
    if (change.staged.value != 0) change.staged.value += taken.staged_offset;
  }
  for (auto& file : files) file.id.value += taken.staged_offset;
  IMAPFS_TRY(own_.database->transaction("take over changes", [&] {
    for (const auto& change : changes) insert_change(own_.database->rows(), change);
    for (const auto& file : files) insert_staged(own_.database->rows(), file);
    copy_local_names(abandoned_.database->rows(), own_.database->rows());
    note(taken);
  }));
  own_.changes.skip_ids(taken.last_change);
  own_.staged.skip_ids(taken.last_staged);
  if (!changes.empty() || !files.empty()) {
    telemetry::info("store: {} changes and {} files were left in {} by another mount and are taken over",
                    changes.size(), files.size(), telemetry::printable(abandoned_.directory.path));
  }
  return taken;
}

void JournalTakeOver::note(const Progress& taken) {
  auto note = own_.database->statement(sql::set_taken_over);
  note->bindNoCopy(1, abandoned_.directory.path);
  note->bind(2, as_signed(taken.last_change));
  note->bind(3, as_signed(taken.last_staged));
  note->bind(4, as_signed(taken.staged_offset));
  note.run();
}

Result<void> JournalTakeOver::complete(const Progress& taken) {
  auto& contents = abandoned_.staged.contents();
  for (const auto& entry : IMAPFS_TRY(contents.entries())) {
    if (entry.id.value > taken.last_staged) continue;
    IMAPFS_TRY(own_.staged.contents().take(contents, entry.id, StagedId{entry.id.value + taken.staged_offset}));
  }
  IMAPFS_TRY(abandoned_.database->transaction("leave changes to another mount", [&] {
    auto& database = abandoned_.database->rows();
    auto changes = database.statement(sql::delete_changes_up_to);
    changes->bind(1, as_signed(taken.last_change));
    changes.run();
    auto files = database.statement(sql::delete_staged_up_to);
    files->bind(1, as_signed(taken.last_staged));
    files.run();
    database.execute("DELETE FROM local_name");
  }));
  // The note must go: if that journal is made anew one day, its ids begin at 1 again.
  return own_.database->transaction("end a take-over", [&] {
    auto forget = own_.database->statement(sql::forget_taken_over);
    forget->bindNoCopy(1, abandoned_.directory.path);
    forget.run();
  });
}

}  // namespace imapfs::store

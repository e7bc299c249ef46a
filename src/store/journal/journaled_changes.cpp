#include "store/journal/journaled_changes.hpp"

#include <utility>

#include "store/journal/journal_rows.hpp"
#include "store/journal/journal_schema.hpp"

namespace imapfs::store {
namespace {

/// The most ended changes to remember for new changes that still name them.
constexpr std::size_t most_ended_remembered = 4096;
constexpr std::uint64_t batch_bit = std::uint64_t{1} << 63;

}  // namespace

Result<void> JournaledChanges::take_up(std::uint64_t least_id) {
  IMAPFS_TRY(database_.attempt("read", [&] { last_id_ = database_.highest_id("change"); }));
  if (last_id_ == 0) last_id_ = least_id;
  return {};
}

/// Assigns ids and replaces references by them.
Result<void> JournaledChanges::prepare(std::vector<JournalChange>& changes) {
  for (std::size_t index = 0; index < changes.size(); ++index) {
    auto& change = changes[index];
    change.id = ChangeId{++last_id_};
    if ((change.follows.value & batch_bit) != 0) {
      const auto reference = change.follows.value & ~batch_bit;
      if (reference == 0 || reference > index) return fail(EINVAL, "a change is to follow one that comes after it");
      change.follows = changes[reference - 1].id;
    }
    follow_ended(change);
  }
  return {};
}

/// Handles a `change` that follows one that has ended, perhaps just before the call.
void JournaledChanges::follow_ended(JournalChange& change) const {
  const auto ended = ended_.find(change.follows);
  if (ended == ended_.end()) return;
  change.follows = {};
  if (change.source.uid.value == 0 && ended->second) change.source = *ended->second;
}

Result<void> JournaledChanges::add(std::vector<JournalChange>& changes) {
  auto prepared = changes;
  IMAPFS_TRY(prepare(prepared));
  IMAPFS_TRY(database_.transaction("add changes", [&] {
    for (const auto& change : prepared) insert_change(database_.rows(), change);
  }));
  changes = std::move(prepared);
  return {};
}

Result<void> JournaledChanges::mark_sent(const std::vector<ChangeId>& ids, UidValidity destination_validity,
                                         Uid destination_uid_next) {
  return database_.transaction("mark changes as sent", [&] {
    auto mark = database_.statement(sql::mark_sent);
    for (const auto id : ids) {
      mark->bind(1, as_signed(id.value));
      mark->bind(2, destination_validity.value);
      mark->bind(3, destination_uid_next.value);
      mark.run();
    }
  });
}

Result<void> JournaledChanges::describe(const std::vector<JournalChange>& changes) {
  return database_.transaction("describe changes", [&] {
    auto describe = database_.statement(sql::describe);
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

Result<void> JournaledChanges::clear_sent(const std::vector<ChangeId>& ids) {
  return database_.transaction("mark changes as not sent", [&] {
    auto clear = database_.statement(sql::clear_sent);
    for (const auto id : ids) {
      clear->bind(1, as_signed(id.value));
      clear.run();
    }
  });
}

/// Nothing if the change had ended before; else the id of its staged file, or 0 if it has none.
std::optional<StagedId> JournaledChanges::remove(ChangeId id) {
  auto remove = database_.statement(sql::end_change);
  remove->bind(1, as_signed(id.value));
  if (!remove->executeStep()) return std::nullopt;
  const StagedId staged{as_unsigned(remove->getColumn(0).getInt64())};
  remove->executeStep();
  return staged;
}

void JournaledChanges::release_followers(const Journal::Ended::One& one) {
  if (one.succeeded && one.arrived.uid.value != 0) {
    auto give = database_.statement(sql::give_source);
    give->bind(1, as_signed(one.id.value));
    give->bindNoCopy(2, one.arrived.mailbox);
    give->bind(3, one.arrived.uid_validity.value);
    give->bind(4, one.arrived.uid.value);
    give.run();
  }
  auto release = database_.statement(sql::end_waiting);
  release->bind(1, as_signed(one.id.value));
  release.run();
}

void JournaledChanges::end(const Journal::Ended::One& one, std::vector<StagedId>& doomed) {
  const auto staged = remove(one.id);
  if (!staged) return;
  release_followers(one);
  if (!one.file_name.empty() && one.arrived.uid.value != 0) names_.write(one.arrived, one.file_name);
  if (!one.succeeded || one.keeps_staged || staged->value == 0) return;
  staged_.doom(*staged);
  doomed.push_back(*staged);
}

// The transaction that ends an append also dooms the row of its staged file. After the commit the contents are removed,
// then the row. If the process dies in between, take_up() continues with doomed rows: contents neither disappear before
// the append has ended nor come back after it.
Result<void> JournaledChanges::finish(Journal::Ended& ended) {
  auto next = ended.next;
  std::vector<StagedId> doomed;
  IMAPFS_TRY(prepare(next));
  IMAPFS_TRY(database_.transaction("end changes", [&] {
    doomed.clear();
    // Inserted first, so that those that follow one of the ended changes get their source like all others.
    for (const auto& change : next) insert_change(database_.rows(), change);
    for (const auto& one : ended.changes) end(one, doomed);
  }));
  remember(ended);
  for (auto& change : next) follow_ended(change);
  ended.next = std::move(next);
  staged_.remove_contents(doomed);
  return {};
}

void JournaledChanges::remember(const Journal::Ended& ended) {
  for (const auto& one : ended.changes)
    ended_[one.id] = one.succeeded && one.arrived.uid.value != 0 ? std::optional(one.arrived) : std::nullopt;
  while (ended_.size() > most_ended_remembered) ended_.erase(ended_.begin());
}

Result<std::vector<JournalChange>> JournaledChanges::all() {
  std::vector<JournalChange> found;
  IMAPFS_TRY(database_.attempt("read changes", [&] { found = read_changes(database_.rows()); }));
  return found;
}

}  // namespace imapfs::store

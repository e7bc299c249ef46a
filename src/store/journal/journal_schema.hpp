#pragma once
// The tables of the journal and the SQL for them. A row's checksum covers all its other columns, because a damaged UID
// here would remove another message. So the columns are listed in one place, and every statement that changes some of
// them is built from it.

#include <array>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "store/database.hpp"

namespace imapfs::store {

/// "IMfj": tells `file` and later versions that the file is ours.
inline constexpr std::int32_t journal_application_id = 0x494d666a;

inline constexpr const char* journal_file_name = "journal.sqlite";

/// staged.state of a row whose contents are about to be removed. It is not in StagedFile::State: no caller sees it.
inline constexpr int staged_state_doomed = 0;

inline Schema journal_schema() {
  return Schema{
      journal_application_id,
      {// AUTOINCREMENT: SQLite remembers the highest id there ever was, even when its row is gone.
       "CREATE TABLE change ("
       " id INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL,"
       " source_mailbox TEXT NOT NULL, source_validity INTEGER NOT NULL, source_uid INTEGER NOT NULL,"
       " follows INTEGER NOT NULL, destination TEXT NOT NULL, file_name TEXT NOT NULL,"
       " flag_action INTEGER NOT NULL, flags TEXT NOT NULL, internal_date INTEGER, size INTEGER NOT NULL,"
       " message_id TEXT NOT NULL, staged INTEGER NOT NULL,"
       " replaces_mailbox TEXT NOT NULL, replaces_validity INTEGER NOT NULL, replaces_uid INTEGER NOT NULL,"
       " removal TEXT NOT NULL, sent INTEGER NOT NULL, destination_validity INTEGER NOT NULL,"
       " destination_uid_next INTEGER NOT NULL, checksum INTEGER NOT NULL);"
       "CREATE INDEX follower ON change (follows) WHERE follows <> 0;"
       "CREATE TABLE staged ("
       " id INTEGER PRIMARY KEY AUTOINCREMENT, state INTEGER NOT NULL, mailbox TEXT NOT NULL, name TEXT NOT NULL,"
       " flags TEXT NOT NULL, internal_date INTEGER,"
       " replaces_mailbox TEXT NOT NULL, replaces_validity INTEGER NOT NULL, replaces_uid INTEGER NOT NULL,"
       " reason TEXT NOT NULL, changed_at INTEGER NOT NULL, checksum INTEGER NOT NULL);"
       "CREATE TABLE local_name ("
       " mailbox TEXT NOT NULL, uid_validity INTEGER NOT NULL, uid INTEGER NOT NULL, name TEXT NOT NULL,"
       " PRIMARY KEY (mailbox, uid_validity, uid)) WITHOUT ROWID;"
       // Progress of the take-over of a sibling directory's journal, and the offset added to its ids.
       "CREATE TABLE taken_over ("
       " directory TEXT PRIMARY KEY, last_change INTEGER NOT NULL, last_staged INTEGER NOT NULL,"
       " staged_offset INTEGER NOT NULL) WITHOUT ROWID;",
       // Of several names the last one given counts. Earlier versions did not store the order: use that of the UIDs.
       "ALTER TABLE local_name ADD COLUMN given INTEGER NOT NULL DEFAULT 0;"
       "CREATE INDEX given_order ON local_name (mailbox, uid_validity, given);",
       // The digest becomes part of the checksum. A row that is damaged already stays damaged.
       "ALTER TABLE change ADD COLUMN digest TEXT NOT NULL DEFAULT '';"
       "UPDATE change SET checksum = CASE WHEN checksum = row_checksum(id, kind, source_mailbox, source_validity,"
       " source_uid, follows, destination, file_name, flag_action, flags, internal_date, size, message_id, staged,"
       " replaces_mailbox, replaces_validity, replaces_uid, removal, sent, destination_validity, destination_uid_next)"
       " THEN row_checksum(id, kind, source_mailbox, source_validity, source_uid, follows, destination, file_name,"
       " flag_action, flags, internal_date, size, message_id, staged, replaces_mailbox, replaces_validity,"
       " replaces_uid, removal, sent, destination_validity, destination_uid_next, digest) ELSE -1 END;"},
      true};
}

namespace sql {

/// All columns but `id`, which comes first, and `checksum`, which comes last; in the order of the parameters ?2 …
inline constexpr std::array<std::string_view, 21> change_columns = {"kind",
                                                                    "source_mailbox",
                                                                    "source_validity",
                                                                    "source_uid",
                                                                    "follows",
                                                                    "destination",
                                                                    "file_name",
                                                                    "flag_action",
                                                                    "flags",
                                                                    "internal_date",
                                                                    "size",
                                                                    "message_id",
                                                                    "staged",
                                                                    "replaces_mailbox",
                                                                    "replaces_validity",
                                                                    "replaces_uid",
                                                                    "removal",
                                                                    "sent",
                                                                    "destination_validity",
                                                                    "destination_uid_next",
                                                                    "digest"};
inline constexpr std::array<std::string_view, 10> staged_columns = {
    "state",        "mailbox", "name",      "flags", "internal_date", "replaces_mailbox", "replaces_validity",
    "replaces_uid", "reason",  "changed_at"};

using Assignments = std::initializer_list<std::pair<std::string_view, std::string_view>>;

/// "row_checksum(id, …)" with the values of `assignments` in the place of columns, because the right-hand sides of
/// UPDATE see the old values.
template <class Columns>
std::string checksum_of(const Columns& columns, Assignments assignments = {}) {
  std::string text = "row_checksum(id";
  for (const auto column : columns) {
    std::string_view value = column;
    for (const auto& [assigned, expression] : assignments)
      if (assigned == column) value = expression;
    text += fmt::format(", {}", value);
  }
  return text + ")";
}

template <class Columns>
std::string update(std::string_view table, const Columns& columns, Assignments assignments, std::string_view where) {
  std::string text = fmt::format("UPDATE {} SET ", table);
  for (const auto& [column, expression] : assignments) text += fmt::format("{} = {}, ", column, expression);
  return fmt::format("{}checksum = {} WHERE {}", text, checksum_of(columns, assignments), where);
}

/// ?1 is the id; ?2 … are the columns.
template <class Columns>
std::string insert(std::string_view table, const Columns& columns) {
  std::string names = "id";
  std::string values = "?1";
  int parameter = 1;
  for (const auto column : columns) {
    names += fmt::format(", {}", column);
    values += fmt::format(", ?{}", ++parameter);
  }
  return fmt::format("INSERT INTO {0} ({1}, checksum) VALUES ({2}, row_checksum({2}))", table, names, values);
}
/// The columns in order, then whether the checksum is right.
template <class Columns>
std::string read(std::string_view table, const Columns& columns) {
  std::string names = "id";
  for (const auto column : columns) names += fmt::format(", {}", column);
  return fmt::format("SELECT {}, checksum = {} FROM {} ORDER BY id", names, checksum_of(columns), table);
}

inline const std::string insert_change = insert("change", change_columns);
inline const std::string read_changes = read("change", change_columns);
inline const std::string mark_sent = update(
    "change", change_columns, {{"sent", "1"}, {"destination_validity", "?2"}, {"destination_uid_next", "?3"}},
    "id = ?1");
inline const std::string describe = update(
    "change", change_columns, {{"internal_date", "?2"}, {"size", "?3"}, {"message_id", "?4"}, {"digest", "?5"}},
    "id = ?1");
inline const std::string clear_sent = update(
    "change", change_columns, {{"sent", "0"}, {"destination_validity", "0"}, {"destination_uid_next", "0"}}, "id = ?1");
/// Sets the source of changes that wait for a message, when it has arrived. "<> 0" lets SQLite use the partial index.
inline const std::string give_source = update(
    "change", change_columns, {{"source_mailbox", "?2"}, {"source_validity", "?3"}, {"source_uid", "?4"}},
    "follows = ?1 AND follows <> 0 AND source_uid = 0");
inline const std::string end_waiting = update("change", change_columns, {{"follows", "0"}},
                                              "follows = ?1 AND follows <> 0");
inline constexpr std::string_view end_change = "DELETE FROM change WHERE id = ?1 RETURNING staged";

inline const std::string insert_staged = insert("staged", staged_columns);
inline const std::string read_staged = read("staged", staged_columns);
inline const std::string update_staged = update("staged", staged_columns,
                                                {{"state", "?2"},
                                                 {"mailbox", "?3"},
                                                 {"name", "?4"},
                                                 {"flags", "?5"},
                                                 {"internal_date", "?6"},
                                                 {"replaces_mailbox", "?7"},
                                                 {"replaces_validity", "?8"},
                                                 {"replaces_uid", "?9"},
                                                 {"reason", "?10"},
                                                 {"changed_at", "?11"}},
                                                "id = ?1 AND state <> 0");
inline const std::string doom_staged = update("staged", staged_columns, {{"state", "0"}}, "id = ?1");
inline constexpr std::string_view delete_staged = "DELETE FROM staged WHERE id = ?1";
inline constexpr std::string_view doomed_staged = "SELECT id FROM staged WHERE state = 0";

inline constexpr std::string_view set_local_name =
    "INSERT OR REPLACE INTO local_name (mailbox, uid_validity, uid, name, given) VALUES (?1, ?2, ?3, ?4,"
    " 1 + (SELECT coalesce(max(given), 0) FROM local_name WHERE mailbox = ?1 AND uid_validity = ?2))";
inline const std::array<std::string, 2> forget_local_names = {
    "DELETE FROM local_name WHERE mailbox = ?1 AND uid_validity = ?2 AND uid BETWEEN ?3 AND ?4",
    "DELETE FROM borrowed_name WHERE mailbox = ?1 AND uid_validity = ?2 AND uid BETWEEN ?3 AND ?4"};
inline const std::array<std::string, 2> forget_names_of_mailbox = {"DELETE FROM local_name WHERE mailbox = ?1",
                                                                   "DELETE FROM borrowed_name WHERE mailbox = ?1"};
/// Borrowed names count as older than all names given here.
inline constexpr std::string_view read_local_names =
    "SELECT uid, name, 0 AS own, given FROM borrowed_name WHERE mailbox = ?1 AND uid_validity = ?2 AND NOT EXISTS"
    " (SELECT 1 FROM local_name AS given_here WHERE given_here.mailbox = ?1 AND given_here.uid_validity = ?2"
    " AND given_here.uid = borrowed_name.uid)"
    " UNION ALL SELECT uid, name, 1, given FROM local_name WHERE mailbox = ?1 AND uid_validity = ?2"
    " ORDER BY own, given, uid";

/// Names from another mount's journal, while this journal is open. In memory (temp_store).
inline constexpr std::string_view make_borrowed_name =
    "CREATE TEMP TABLE borrowed_name (mailbox TEXT NOT NULL, uid_validity INTEGER NOT NULL, uid INTEGER NOT NULL,"
    " name TEXT NOT NULL, given INTEGER NOT NULL, PRIMARY KEY (mailbox, uid_validity, uid)) WITHOUT ROWID";
inline constexpr std::string_view borrow_name =
    "INSERT OR IGNORE INTO borrowed_name (mailbox, uid_validity, uid, name, given) VALUES (?1, ?2, ?3, ?4, ?5)";

inline constexpr std::string_view all_local_names = "SELECT mailbox, uid_validity, uid, name, given FROM local_name";
inline constexpr std::string_view add_local_name =
    "INSERT OR IGNORE INTO local_name (mailbox, uid_validity, uid, name, given) VALUES (?1, ?2, ?3, ?4, ?5)";

inline constexpr std::string_view read_taken_over =
    "SELECT last_change, last_staged, staged_offset FROM taken_over WHERE directory = ?1";
inline constexpr std::string_view set_taken_over =
    "INSERT OR REPLACE INTO taken_over (directory, last_change, last_staged, staged_offset) VALUES (?1, ?2, ?3, ?4)";
inline constexpr std::string_view forget_taken_over = "DELETE FROM taken_over WHERE directory = ?1";
inline constexpr std::string_view delete_changes_up_to = "DELETE FROM change WHERE id <= ?1";
inline constexpr std::string_view delete_staged_up_to = "DELETE FROM staged WHERE id <= ?1";

/// Every mailbox name in the journal.
inline constexpr std::string_view mailboxes =
    "SELECT source_mailbox FROM change UNION SELECT destination FROM change UNION SELECT replaces_mailbox FROM change"
    " UNION SELECT mailbox FROM staged UNION SELECT replaces_mailbox FROM staged UNION SELECT mailbox FROM local_name"
    " UNION SELECT mailbox FROM borrowed_name";
/// ?1 becomes ?2. OR REPLACE drops names of an earlier mailbox called ?2.
inline const std::array<std::string, 7> rename_mailbox = {
    update("change", change_columns, {{"source_mailbox", "?2"}}, "source_mailbox = ?1"),
    update("change", change_columns, {{"destination", "?2"}}, "destination = ?1"),
    update("change", change_columns, {{"replaces_mailbox", "?2"}}, "replaces_mailbox = ?1"),
    update("staged", staged_columns, {{"mailbox", "?2"}}, "mailbox = ?1"),
    update("staged", staged_columns, {{"replaces_mailbox", "?2"}}, "replaces_mailbox = ?1"),
    "UPDATE OR REPLACE local_name SET mailbox = ?2 WHERE mailbox = ?1",
    "UPDATE OR REPLACE borrowed_name SET mailbox = ?2 WHERE mailbox = ?1"};

/// The highest id that any row of the table ever had.
inline constexpr std::string_view highest_id = "SELECT seq FROM sqlite_sequence WHERE name = ?1";

}  // namespace sql

}  // namespace imapfs::store

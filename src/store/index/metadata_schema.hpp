#pragma once
// The tables of the index and the SQL for them, in one place, so that the same columns are under a checksum everywhere.

#include <string>
#include <string_view>

#include "store/database.hpp"

namespace imapfs::store {

/// "IMfs": tells `file` and later versions that the file is ours.
inline constexpr std::int32_t metadata_application_id = 0x494d6673;

inline Schema metadata_schema() {
  return Schema{
      metadata_application_id,
      {// `position` is the place in the server's list; NULL for a mailbox that is known by its rows only.
       // `state_checksum` is NULL until a state is stored. `messages` counts the rows, because SQLite would have to
       // scan for that.
       "CREATE TABLE mailbox ("
       " id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, position INTEGER, wire_name TEXT NOT NULL DEFAULT '',"
       " delimiter INTEGER NOT NULL DEFAULT 0, selectable INTEGER NOT NULL DEFAULT 1,"
       " special_use INTEGER NOT NULL DEFAULT 0, messages INTEGER NOT NULL DEFAULT 0,"
       " uid_validity INTEGER, uid_next INTEGER, highest_modseq INTEGER, complete INTEGER, name_template TEXT,"
       " changed_at INTEGER, changed_at_nanoseconds INTEGER, state_checksum INTEGER);"
       // Clustered by the key that a listing reads in order; a rowid table would read each row through an index.
       "CREATE TABLE message ("
       " mailbox_id INTEGER NOT NULL, uid INTEGER NOT NULL, internal_date INTEGER NOT NULL, size INTEGER NOT NULL,"
       " size_is_exact INTEGER NOT NULL, modseq INTEGER NOT NULL, flags TEXT NOT NULL, file_name TEXT NOT NULL,"
       " sender TEXT NOT NULL, subject TEXT NOT NULL, date TEXT NOT NULL, message_id TEXT NOT NULL,"
       " checksum INTEGER NOT NULL, PRIMARY KEY (mailbox_id, uid)) WITHOUT ROWID;"}};
}

namespace sql {

inline constexpr std::string_view insert_message =
    "INSERT OR IGNORE INTO message (mailbox_id, uid, internal_date, size, size_is_exact, modseq, flags, file_name, "
    "sender, subject,"
    " date, message_id, checksum) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12,"
    " row_checksum(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12))";
inline constexpr std::string_view replace_message =
    "UPDATE message SET internal_date = ?3, size = ?4, size_is_exact = ?5, modseq = ?6, flags = ?7, file_name = ?8, "
    "sender = ?9,"
    " subject = ?10, date = ?11, message_id = ?12, checksum = row_checksum(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, "
    "?11, ?12)"
    " WHERE mailbox_id = ?1 AND uid = ?2";
inline constexpr std::string_view change_flags =
    "UPDATE message SET flags = ?3, modseq = ?4, checksum = row_checksum(mailbox_id, uid, internal_date, size, "
    "size_is_exact, ?4, ?3,"
    " file_name, sender, subject, date, message_id) WHERE mailbox_id = ?1 AND uid = ?2";
inline constexpr std::string_view set_exact_size =
    "UPDATE message SET size = ?3, size_is_exact = 1, checksum = row_checksum(mailbox_id, uid, internal_date, ?3, 1, "
    "modseq, flags,"
    " file_name, sender, subject, date, message_id) WHERE mailbox_id = ?1 AND uid = ?2";
inline constexpr std::string_view delete_range = "DELETE FROM message WHERE mailbox_id = ?1 AND uid BETWEEN ?2 AND ?3";
inline constexpr std::string_view delete_all = "DELETE FROM message WHERE mailbox_id = ?1";
inline constexpr std::string_view read_page =
    "SELECT uid, internal_date, size, size_is_exact, modseq, flags, file_name, checksum = row_checksum(mailbox_id, "
    "uid, internal_date,"
    " size, size_is_exact, modseq, flags, file_name, sender, subject, date, message_id)"
    " FROM message WHERE mailbox_id = ?1 AND uid > ?2 ORDER BY uid LIMIT ?3";
inline constexpr std::string_view read_headers =
    "SELECT sender, subject, date, message_id, checksum = row_checksum(mailbox_id, uid, internal_date,"
    " size, size_is_exact, modseq, flags, file_name, sender, subject, date, message_id)"
    " FROM message WHERE mailbox_id = ?1 AND uid = ?2";

inline constexpr std::string_view find_mailbox = "SELECT id FROM mailbox WHERE name = ?1";
inline constexpr std::string_view insert_mailbox = "INSERT INTO mailbox (name) VALUES (?1)";
inline constexpr std::string_view last_row = "SELECT last_insert_rowid()";
inline constexpr std::string_view delete_mailbox = "DELETE FROM mailbox WHERE id = ?1";
inline constexpr std::string_view count_rows = "UPDATE mailbox SET messages = messages + ?2 WHERE id = ?1";
inline constexpr std::string_view clear_state = "UPDATE mailbox SET messages = 0, state_checksum = NULL WHERE id = ?1";
inline constexpr std::string_view write_state =
    "UPDATE mailbox SET uid_validity = ?2, uid_next = ?3, highest_modseq = ?4, complete = ?5, name_template = ?6, "
    "changed_at = ?7,"
    " changed_at_nanoseconds = ?8, state_checksum = row_checksum(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) WHERE id = ?1";
inline constexpr std::string_view read_state =
    "SELECT uid_validity, uid_next, highest_modseq, complete, name_template, changed_at, changed_at_nanoseconds,"
    " state_checksum = row_checksum(id, uid_validity, uid_next, highest_modseq, complete, name_template, changed_at,"
    " changed_at_nanoseconds) FROM mailbox WHERE name = ?1 AND state_checksum IS NOT NULL";

inline constexpr std::string_view forget_positions = "UPDATE mailbox SET position = NULL";
inline constexpr std::string_view list_mailbox =
    "INSERT INTO mailbox (name, position, wire_name, delimiter, selectable, special_use) VALUES (?1, ?2, ?3, ?4, ?5, "
    "?6)"
    " ON CONFLICT (name) DO UPDATE SET position = excluded.position, wire_name = excluded.wire_name,"
    " delimiter = excluded.delimiter, selectable = excluded.selectable, special_use = excluded.special_use";
/// Mailboxes that have disappeared from the list and hold nothing.
inline constexpr std::string_view drop_unlisted =
    "DELETE FROM mailbox WHERE position IS NULL AND messages = 0 AND state_checksum IS NULL";
inline constexpr std::string_view read_mailboxes =
    "SELECT name, wire_name, delimiter, selectable, special_use FROM mailbox WHERE position IS NOT NULL ORDER BY "
    "position";
inline constexpr std::string_view total_messages = "SELECT coalesce(sum(messages), 0) FROM mailbox";

}  // namespace sql

}  // namespace imapfs::store

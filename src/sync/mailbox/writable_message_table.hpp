#pragma once
// The writer's interface of a MessageTable.
//
// Threads: any, under the table's exclusive lock. Only the mailbox's sync writes; memory safety does not depend on
// having only one writer.

#include <string>
#include <utility>
#include <vector>

#include "imapfs/sync/message_table.hpp"

namespace imapfs::sync {

class WritableMessageTable : public MessageTable {
 public:
  /// `templates` made the rows' file names.
  explicit WritableMessageTable(mime::NameTemplate templates) : MessageTable(std::move(templates)) {}

  // -- rows --
  /// Forgets every row and starts again under `validity`, incomplete. Given names and hidden UIDs belong to a
  /// UIDVALIDITY: they go too, unless `same_messages`.
  void reset(UidValidity validity, bool same_messages = false);
  /// A hint from EXISTS; bounded, so that a wrong number costs nothing.
  void reserve(std::size_t messages);
  /// Inserts or replaces a row. Returns true if the UID was new. Moves the frontier if `advance_frontier` and the UID
  /// is beyond it. A known exact size is kept over an inexact one: a message never changes. Ignores UID 0. Does not
  /// keep \Recent, which belongs to a session, not to the message.
  bool upsert(const MessageMeta& meta, bool advance_frontier);
  /// Returns false if the UID is unknown or the flags are the same. Ignores a mod-sequence of 0 or below the known one;
  /// keeps a higher one even if the flags are the same.
  bool set_flags(Uid uid, const FlagSet& flags, ModSeq modseq);
  /// Returns false if unknown or unchanged.
  bool set_exact_size(Uid uid, std::uint64_t size);
  /// A removed entry, with the name it had.
  struct Removed {
    Uid uid;
    std::string file_name;
    Place place;
  };
  /// Removes those present and everything kept about them; returns them in order.
  std::vector<Removed> remove(const UidSet& uids);
  /// A listing holds every message up to `uid`.
  void advance_frontier(Uid uid);
  void set_complete(bool complete);

  // -- places and names --
  /// Hides or shows UIDs, which need no row: a later row is hidden from the start. Returns those whose place has
  /// changed.
  std::vector<Uid> set_hidden(const UidSet& uids, bool hidden);
  /// As hidden, but the messages are in .deleted already, whatever their flags say; until set_hidden().
  std::vector<Uid> set_flagged_soon(const UidSet& uids);
  /// Gives a name; an empty one restores the template's name. The row may come later.
  void set_local_name(Uid uid, const std::string& name);
  /// Adds names of an earlier time, in the order in which they were given. Names given since then count as later and
  /// stay.
  void add_earlier_names(const std::vector<std::pair<Uid, std::string>>& names);
};

}  // namespace imapfs::sync

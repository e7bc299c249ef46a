#pragma once
// The writer's face of a MessageTable.
//
// Threads: any, under the table's exclusive lock. Only the mailbox's sync writes; one writer at a time is its business,
// not a requirement of memory safety.

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
  /// Forgets every row and starts again under `validity`, incomplete. Local names and what is hidden belong to a
  /// UIDVALIDITY: they go too, unless `same_messages`.
  void reset(UidValidity validity, bool same_messages = false);
  /// A hint from EXISTS; bounded, so that a lying server costs nothing.
  void reserve(std::size_t messages);
  /// Inserts or replaces. Returns true if the UID was new. Moves the frontier when `advance_frontier` and the UID is
  /// beyond it. An exact size that is known already survives an inexact one: a message is immutable. UID 0 is ignored.
  /// \Recent is not kept: it belongs to a session, not to the message.
  bool upsert(const MessageMeta& meta, bool advance_frontier);
  /// Returns false if the UID is unknown or the flags are the same. A mod-sequence of 0 or below the known one is
  /// ignored; a higher one is kept even if the flags are the same.
  bool set_flags(Uid uid, const FlagSet& flags, ModSeq modseq);
  /// Returns false if unknown or unchanged.
  bool set_exact_size(Uid uid, std::uint64_t size);
  /// An entry that was removed, with the name it had there.
  struct Removed {
    Uid uid;
    std::string file_name;
    Place place;
  };
  /// Removes those present with all that was said of them; returns the removed ones in order.
  std::vector<Removed> remove(const UidSet& uids);
  /// A listing holds every message up to `uid`.
  void advance_frontier(Uid uid);
  void set_complete(bool complete);

  // -- places and names --
  /// Hidden UIDs need no row yet: a row that comes later is hidden from the start. Returns those whose place has
  /// changed.
  std::vector<Uid> set_hidden(const UidSet& uids, bool hidden);
  /// As hidden, but they are in .deleted already, whatever their flags say; until set_hidden().
  std::vector<Uid> set_flagged_soon(const UidSet& uids);
  /// Empty: the template's name counts again. The row may come later.
  void set_local_name(Uid uid, const std::string& name);
  /// Names of earlier times, in the order in which they were given: those that were given since then are the later
  /// ones, and stay.
  void add_earlier_names(const std::vector<std::pair<Uid, std::string>>& names);
};

}  // namespace imapfs::sync

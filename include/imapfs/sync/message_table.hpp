#pragma once
// The messages of one mailbox in memory: what readdir, lookup and stat are answered from.
//
// At most about 250 bytes per message including its name. Rows are kept in UID order; names live in an arena; flags are
// interned per mailbox. Readers (any thread, FUSE included) take a shared lock for microseconds; of all callbacks only
// visit_after()'s runs under it. Only the mailbox's sync writes, through the methods at the end; one writer at a time
// is its business, not a requirement of memory safety.
//
// A table is `complete` once it holds the whole mailbox. Before that, rows appear in ascending UID order and
// `frontier()` says up to which UID the table is exact, so that readdir can hand out everything up to it. A late row
// below the frontier is inserted all the same and reported as an addition.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "imapfs/mime/names.hpp"
#include "imapfs/model/types.hpp"

namespace imapfs::sync {

class MessageTable {
 public:
  /// `templates` made the rows' file names.
  explicit MessageTable(mime::NameTemplate templates);
  ~MessageTable();
  MessageTable(const MessageTable&) = delete;
  MessageTable& operator=(const MessageTable&) = delete;

  // A message has a place: listed; deleted (flagged \Deleted, or about to be by a change of our own: it is listed in
  // .deleted); or hidden (on its way out by a change of our own: listed nowhere). In each place a name belongs to one
  // message: to the one that was given it last, else to the one whose template made it. A message without a given name
  // of its own whose template's name was given to another goes by its template's with one or more "+" after the UID
  // (NameTemplate::distinct). A given name counts from the moment it is given, also while the row of its message has
  // not come. No message is found by a name that it does not have.
  enum class Place : std::uint8_t { listed, deleted, hidden };

  /// Wherever it is, hidden ones too.
  [[nodiscard]] std::optional<MessageMeta> find(Uid uid) const;
  /// The same with the template's name, as the store keeps it.
  [[nodiscard]] std::optional<MessageMeta> find_original(Uid uid) const;
  [[nodiscard]] std::optional<Place> place(Uid uid) const;
  /// The message that is listed as `name`.
  [[nodiscard]] std::optional<MessageMeta> find_by_name(std::string_view name) const;
  /// The same among those in .deleted.
  [[nodiscard]] std::optional<MessageMeta> find_deleted_by_name(std::string_view name) const;
  /// On its way out, be it to .deleted.
  [[nodiscard]] bool hidden(Uid uid) const;
  [[nodiscard]] std::optional<std::string> local_name(Uid uid) const;
  /// UIDs that were given `name` as their local name and are not hidden, the latest first; they need no rows.
  [[nodiscard]] std::vector<Uid> uids_named(std::string_view name) const;
  /// What a message without a row is called, if it is listed; `rendered` is its template's name.
  [[nodiscard]] std::string name_if_listed(Uid uid, const std::string& rendered) const;
  struct Named {
    Uid uid;
    std::string file_name;
  };
  /// The listed rows whose names depend on who else is called `name`, with the names they have.
  [[nodiscard]] std::vector<Named> rivals(std::string_view name) const;
  /// Every UID that has a local name.
  [[nodiscard]] UidSet locally_named() const;
  /// UIDs of those in .deleted, in order.
  [[nodiscard]] std::vector<Uid> deleted() const;

  /// A row without copies, valid during the call.
  struct RowView {
    Uid uid;
    UnixTime internal_date;
    std::uint64_t size;
    std::string_view file_name;
    bool deleted;  ///< \Deleted: never in visit_after(), which leaves those out
  };
  struct Page {
    std::size_t rows = 0;  ///< visited
    bool at_end = false;   ///< the table is complete and nothing follows
  };
  /// Visits listed rows with UID > `after` in UID order, up to the frontier, until `row` returns false (that row counts
  /// as not visited) or `limit` rows. `row` runs under the shared lock: copy and return.
  Page visit_after(Uid after, std::size_t limit, const std::function<bool(const RowView&)>& row) const;

  [[nodiscard]] bool complete() const;
  [[nodiscard]] Uid frontier() const;
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] UidSet uids() const;
  [[nodiscard]] UidValidity uid_validity() const;
  /// Bytes held, for status and the memory test.
  [[nodiscard]] std::size_t memory_bytes() const;

  // -- for the mailbox's sync only --
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

 private:
  struct State;
  [[nodiscard]] std::optional<MessageMeta> find_in(Place place, std::string_view name) const;
  const mime::NameTemplate templates_;
  mutable std::shared_mutex mutex_;
  std::unique_ptr<State> state_;  ///< guarded by mutex_
};

}  // namespace imapfs::sync

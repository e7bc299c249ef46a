#pragma once
// The messages of one mailbox in memory: what readdir, lookup and stat are answered from.
//
// At most about 250 bytes per message including its name. Rows are kept in UID order; names live in an arena; flags are
// interned per mailbox. This is the readers' face; sync writes through WritableMessageTable.
//
// Threads: any, FUSE's included. Readers take a shared lock for microseconds; of all callbacks only visit_after()'s
// runs under it.
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
#include <vector>

#include "imapfs/mime/names.hpp"
#include "imapfs/model/types.hpp"

namespace imapfs::sync {

class MessageTable {
 public:
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

 protected:
  struct State;
  /// `templates` made the rows' file names.
  explicit MessageTable(mime::NameTemplate templates);
  ~MessageTable();

  const mime::NameTemplate templates_;
  mutable std::shared_mutex mutex_;
  std::unique_ptr<State> state_;  ///< guarded by mutex_

 private:
  [[nodiscard]] std::optional<MessageMeta> find_in(Place place, std::string_view name) const;
};

}  // namespace imapfs::sync

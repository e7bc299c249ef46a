#pragma once
// The inside of MessageTable: rows, and beside them what is said of few messages only, so that an ordinary row does not grow.
//
// Nothing here locks; MessageTable does.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "imapfs/sync/message_table.hpp"
#include "message_table_storage.hpp"

namespace imapfs::sync {

/// Which UIDs are hidden, which of those are listed in .deleted nevertheless, and which have local names. None of them
/// needs a row.
class Places {
 public:
  struct LocalName {
    std::string name;
    std::uint64_t order = 0;  ///< of being given
  };
  using LocalNames = std::map<Uid, LocalName>;

  [[nodiscard]] bool hidden(Uid uid) const { return !hidden_.empty() && hidden_.contains(uid); }
  [[nodiscard]] bool flagged_soon(Uid uid) const { return !flagged_soon_.empty() && flagged_soon_.contains(uid); }
  [[nodiscard]] const std::set<Uid>& all_hidden() const { return hidden_; }
  /// Returns false if that is no change.
  bool hide(Uid uid) {
    const bool left_deleted = flagged_soon_.erase(uid) > 0;
    return hidden_.insert(uid).second || left_deleted;
  }
  /// As hide(), but it is in .deleted already.
  bool flag_soon(Uid uid) {
    hidden_.insert(uid);
    return flagged_soon_.insert(uid).second;
  }
  /// Takes the hidden ones out of `uids` and returns them.
  std::vector<Uid> show(const UidSet& uids);

  [[nodiscard]] const LocalNames& local_names() const { return local_names_; }
  [[nodiscard]] const LocalName* local_name(Uid uid) const;
  /// Those that were given `name`, the latest first.
  [[nodiscard]] std::vector<Uid> uids_named(std::string_view name) const;
  /// Empty: none.
  void set_local_name(Uid uid, std::string_view name);
  /// Before all others in order; those that have a name keep it.
  void add_earlier_names(const std::vector<std::pair<Uid, std::string>>& names);

  void forget(const UidSet& uids);
  [[nodiscard]] std::size_t memory_bytes() const;

 private:
  using NameIndex = std::map<std::string, std::map<std::uint64_t, Uid>, std::less<>>;

  void drop_from_index(const LocalName& local);

  std::set<Uid> hidden_;
  std::set<Uid> flagged_soon_;  ///< among those
  LocalNames local_names_;
  NameIndex by_name_;
  std::uint64_t last_order_ = 0;
};

struct MessageTable::State {
  explicit State(const mime::NameTemplate& templates_of_table) : templates(templates_of_table) {}

  const mime::NameTemplate& templates;
  RowBlocks rows;
  NameArena names;
  FlagInterner flags;
  Places places;
  UidValidity uid_validity;
  Uid frontier;
  bool complete = false;

  [[nodiscard]] MessageMeta meta(const MessageRow& row, std::string_view name) const;
  [[nodiscard]] Place place_of(const MessageRow& row) const;
  /// The name it goes by where it is.
  [[nodiscard]] std::string_view name_of(const MessageRow& row) const;
  /// The same with its local name at hand.
  [[nodiscard]] std::string_view name_of(const MessageRow& row, const Places::LocalName& local, Place place) const;
  /// Whether the row goes by its local name. `patience`: so many other rows' names may be looked at, since one depends on the other.
  [[nodiscard]] bool has_its_local_name(const MessageRow& row, const Places::LocalName& local, Place place,
                                        int patience) const;
  /// The row in `place` whose template's name this is.
  [[nodiscard]] const MessageRow* find_by_template(Place place, std::string_view name) const;
  [[nodiscard]] std::optional<MessageMeta> find_in(Place place, std::string_view name) const;
  /// Calls `change` for each; those with rows for which it returned true.
  [[nodiscard]] std::vector<Uid> change_places(const UidSet& uids, const std::function<bool(Uid)>& change) const;
  void set_name(MessageRow& row, std::string_view name);
  void replace_flags(MessageRow& row, const FlagSet& wanted);
  void compact_names();
};

}  // namespace imapfs::sync

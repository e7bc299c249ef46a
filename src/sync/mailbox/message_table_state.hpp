#pragma once
// The inside of MessageTable: rows, and beside them what is said of few messages only, so that an ordinary row does not
// grow.
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
#include "sync/mailbox/row_storage.hpp"

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
  /// Those by the order in which they were given it; null for a name that nobody was given.
  [[nodiscard]] const std::map<std::uint64_t, Uid>* named(std::string_view name) const;
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
  /// The name it goes by where it is. `scratch` holds one that is made for the moment.
  [[nodiscard]] std::string_view name_of(const MessageRow& row, std::string& scratch) const;
  /// The same with its local name, if any, and its place at hand.
  [[nodiscard]] std::string_view name_of(const MessageRow& row, const Places::LocalName* local, Place place,
                                         std::string& scratch) const;
  /// Whether the message is in `place`, or may turn out to be: its row has not come yet.
  [[nodiscard]] bool may_be_in(Place place, Uid uid) const;
  /// Whose given name this is in `place`: of those that may be there, the one that was given it last.
  [[nodiscard]] std::optional<Uid> holder(Place place, std::string_view name) const;
  /// Whether somebody was given this name who is in `place`, or hidden: while a change of ours takes him away, or a new
  /// version takes his place, nobody else is renamed.
  [[nodiscard]] bool is_given_away(Place place, std::string_view name) const;
  /// The template's name, or another where that is somebody's given name.
  [[nodiscard]] std::string_view own_name(std::string_view rendered, Uid uid, Place place, std::string& scratch) const;
  [[nodiscard]] const MessageRow* find_in(Place place, std::string_view name) const;
  /// Calls `change` for each; those with rows for which it returned true.
  [[nodiscard]] std::vector<Uid> change_places(const UidSet& uids, const std::function<bool(Uid)>& change) const;
  void set_name(MessageRow& row, std::string_view name);
  void replace_flags(MessageRow& row, const FlagSet& wanted);
  void compact_names();
};

}  // namespace imapfs::sync

#pragma once
// What applies to few messages of a table: which are hidden, and the names that users gave. It is kept beside the rows,
// so that ordinary rows do not grow.
//
// None of it needs a row. Does not lock; MessageTable does.

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "imapfs/model/types.hpp"

namespace imapfs::sync {

/// Which UIDs are hidden, which of them are in .deleted nevertheless, and which have given names.
class Places {
 public:
  struct LocalName {
    std::string name;
    std::uint64_t order = 0;  ///< names given later have higher numbers
  };
  using LocalNames = std::map<Uid, LocalName>;

  [[nodiscard]] bool hidden(Uid uid) const { return !hidden_.empty() && hidden_.contains(uid); }
  [[nodiscard]] bool flagged_soon(Uid uid) const { return !flagged_soon_.empty() && flagged_soon_.contains(uid); }
  [[nodiscard]] const std::set<Uid>& all_hidden() const { return hidden_; }
  /// Returns false if nothing changes.
  bool hide(Uid uid) {
    const bool left_deleted = flagged_soon_.erase(uid) > 0;
    return hidden_.insert(uid).second || left_deleted;
  }
  /// As hide(), but the message is in .deleted already.
  bool flag_soon(Uid uid) {
    hidden_.insert(uid);
    return flagged_soon_.insert(uid).second;
  }
  /// Shows the hidden messages of `uids` and returns them.
  std::vector<Uid> show(const UidSet& uids);

  [[nodiscard]] const LocalNames& local_names() const { return local_names_; }
  [[nodiscard]] const LocalName* local_name(Uid uid) const;
  /// The UIDs that were given `name`, the latest first.
  [[nodiscard]] std::vector<Uid> uids_named(std::string_view name) const;
  /// The UIDs that were given `name`, by the order in which they got it; null if there is none.
  [[nodiscard]] const std::map<std::uint64_t, Uid>* named(std::string_view name) const;
  /// An empty name removes the given name.
  void set_local_name(Uid uid, std::string_view name);
  /// Adds names that are older than all others; UIDs that have a name keep it.
  void add_earlier_names(const std::vector<std::pair<Uid, std::string>>& names);

  void forget(const UidSet& uids);
  [[nodiscard]] std::size_t memory_bytes() const;

 private:
  using NameIndex = std::map<std::string, std::map<std::uint64_t, Uid>, std::less<>>;

  void drop_from_index(const LocalName& local);

  std::set<Uid> hidden_;
  std::set<Uid> flagged_soon_;  ///< a subset of hidden_
  LocalNames local_names_;
  NameIndex by_name_;
  std::uint64_t last_order_ = 0;
};

}  // namespace imapfs::sync

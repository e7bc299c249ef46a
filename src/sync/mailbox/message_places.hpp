#pragma once
// What is said of few messages of a table only, beside their rows, so that an ordinary row does not grow: which are
// hidden, and the names that users gave.
//
// None of them needs a row. Does not lock; MessageTable does.

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "imapfs/model/types.hpp"

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

}  // namespace imapfs::sync

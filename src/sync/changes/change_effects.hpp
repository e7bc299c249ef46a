#pragma once
// What users see of changes before and after the server has carried them out: messages that are hidden, listed again,
// or listed in .deleted.
//
// On the thread "journal", and before it starts. No locks of its own.

#include <map>
#include <string>
#include <vector>

#include "sync/changes/change_table.hpp"
#include "sync/changes/locations.hpp"
#include "sync/changes/own_removals.hpp"

namespace imapfs::sync {

class ChangeEffects {
 public:
  ChangeEffects(const Locations& locations, const SharedChangeTable& table, OwnRemovals& own_removals);

  /// The user sees at once what has been accepted.
  void show(const std::vector<store::JournalChange>& changes) const;
  /// The messages of refused changes are back.
  void take_back(const std::vector<store::JournalChange>& changes) const;
  /// Flags that were set: the table has them already, and where messages are listed follows from them.
  void show_carried_out(const std::vector<store::JournalChange>& done) const;
  /// The messages that these changes are about have come, and are not listed yet: nor are those that go on.
  void hide_arrived(const std::vector<store::JournalChange>& followers) const;
  /// What an upload has replaced, whose name goes on to what has come. Its removal may have ended already.
  void hide_replaced(const store::JournalLocation& message) const;
  /// What an upload would have replaced.
  void show_replaced(const store::JournalLocation& message) const;

 private:
  using ByMailbox = std::map<std::string, UidSet>;
  void hide(const ByMailbox& messages) const;
  void hide_into_deleted(const ByMailbox& messages) const;
  void show_again(const ByMailbox& messages) const;
  void show_restored(const std::string& mailbox, const std::vector<const store::JournalChange*>& changes) const;

  const Locations& locations_;
  const SharedChangeTable& table_;
  OwnRemovals& own_removals_;
};

}  // namespace imapfs::sync

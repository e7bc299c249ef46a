#pragma once
// Messages that this process has flagged \Deleted because its user removed them. A rmdir that follows a removal in the
// same mailbox may take exactly these along: so `rm -r` says it.
//
// Forgotten when the process ends. Bounded: of a mailbox with too many scattered UIDs nothing is said. Any thread; one
// lock, a leaf.

#include <map>
#include <optional>
#include <string>

#include "imapfs/base/concurrency.hpp"
#include "imapfs/base/executor.hpp"
#include "imapfs/store/journal.hpp"

namespace imapfs::sync {

class OwnRemovals {
 public:
  /// So long after the last removal in a mailbox, or below it, rmdir is said to follow it.
  static constexpr auto patience = std::chrono::minutes(1);

  /// The user has removed a message in `mailbox`, or the mailbox itself. What goes on above it goes on.
  void removed(const std::string& mailbox, char delimiter);
  [[nodiscard]] bool removed_lately(const std::string& mailbox) const;

  /// Our STORE has set \Deleted.
  void flagged(const store::JournalLocation& message);
  /// It is to stay.
  void forget(const store::JournalLocation& message);
  /// Those of `mailbox` under this UIDVALIDITY.
  [[nodiscard]] UidSet flagged_in(const std::string& mailbox, UidValidity validity) const;

  void forget_mailbox(const std::string& mailbox);
  void rename_mailbox(const std::string& from, const std::string& to, char delimiter);

 private:
  struct Mailbox {
    std::optional<SteadyClock::time_point> last_removal;
    UidValidity validity;
    UidSet uids;
    bool too_many = false;
  };
  [[nodiscard]] static bool is_recent(const Mailbox& mailbox, SteadyClock::time_point now);

  mutable Guarded<std::map<std::string, Mailbox>> mailboxes_;  ///< by server name
};

}  // namespace imapfs::sync

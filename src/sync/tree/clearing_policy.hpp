#pragma once
// What goes with a mailbox that is removed: messages that its user has removed through this mount, if it has no others.
// They go to the trash, or are expunged if there is none.
//
// Any thread; no lock. The dependencies outlive the object.

#include "sync/changes/changes.hpp"
#include "sync/mailbox/mailboxes.hpp"
#include "sync/mailbox/sync_scheduler.hpp"
#include "sync/server.hpp"
#include "sync/tree/account_rights.hpp"
#include "sync/tree/account_tree.hpp"
#include "sync/tree/tree_sync.hpp"

namespace imapfs::sync {

class ClearingPolicy {
 public:
  struct Dependencies {
    Server& server;
    const Mailboxes& mailboxes;
    SyncScheduler& syncs;
    const AccountTree& tree;
    TreeSync& tree_sync;
    const AccountRights& rights;
    Changes& changes;
  };

  explicit ClearingPolicy(Dependencies dependencies) : dependencies_(dependencies) {}

  /// Removes the messages that may go with the mailbox. Completes without an Error also if there are none; ENOTEMPTY if
  /// the server can neither move nor expunge single messages.
  void clear_out(MailboxId mailbox, Completion<void> done);

 private:
  void check_directory(const MailboxPointer& mailbox, const Completion<void>& done);
  void clear_out_checked(const MailboxPointer& mailbox, Completion<void> done);
  /// The trash, or null if they are to be expunged.
  [[nodiscard]] Result<MailboxPointer> place_for_cleared(const MailboxPointer& mailbox) const;

  const Dependencies dependencies_;
};

}  // namespace imapfs::sync

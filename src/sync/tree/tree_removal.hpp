#pragma once
// rmdir: DELETE of an empty mailbox, or removal of a level that only we keep, and the tree without it.
//
// Changes in the mailbox end first; messages that its user has just removed may go with it (ClearingPolicy). If the
// user has been told of a timeout before the removal's turn comes, it does not begin. Errors: EBUSY, ENOTEMPTY, EACCES,
// and those of the session. Any thread; no lock. The dependencies outlive the object.

#include "imapfs/store/journal.hpp"
#include "sync/changes/change_requests.hpp"
#include "sync/changes/changes.hpp"
#include "sync/mailbox/mailboxes.hpp"
#include "sync/mailbox/rights_questions.hpp"
#include "sync/server.hpp"
#include "sync/tree/account_rights.hpp"
#include "sync/tree/account_tree.hpp"
#include "sync/tree/clearing_policy.hpp"
#include "sync/tree/mailbox_commands.hpp"
#include "sync/tree/tree_change_outcome.hpp"
#include "sync/tree/tree_sync.hpp"

namespace imapfs::sync {

class TreeRemoval {
 public:
  struct Dependencies {
    Server& server;
    const Mailboxes& mailboxes;
    RightsQuestions& rights_questions;
    store::Journal& journal;
    Changes& changes;
    ChangeRequests& change_requests;
    ClearingPolicy& clearing;
    AccountTree& tree;
    TreeSync& tree_sync;
    const AccountRights& rights;
    TreeChangeOutcome& outcome;
  };

  explicit TreeRemoval(Dependencies dependencies) : dependencies_(dependencies) {}

  void remove(MailboxId mailbox, Completion<void> done);

 private:
  [[nodiscard]] bool follows_removal(MailboxId mailbox) const;
  /// Returns the directory if it may be removed.
  [[nodiscard]] Result<MailboxNode> prepare(MailboxId mailbox) const;
  void remove_prepared(const MailboxNode& node, const Completion<void>& done);
  void answered(const MailboxNode& node, const MailboxRemoval& command, const Result<void>& result,
                SteadyClock::time_point began, const Completion<void>& done);
  [[nodiscard]] Error explain_left(const MailboxNode& node, std::uint32_t messages, Error error) const;
  void show(const MailboxNode& node, bool kernel_knows);

  const Dependencies dependencies_;
};

}  // namespace imapfs::sync

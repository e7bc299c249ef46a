#pragma once
// mkdir: CREATE and SUBSCRIBE, and the tree that shows the mailbox.
//
// If the user has been told of a timeout before the creation's turn comes, it does not begin. Errors: those of
// server_name_below(), EEXIST, EACCES, and those of the session. Any thread; no lock. The dependencies outlive the
// object.

#include <string>

#include "sync/mailbox/mailboxes.hpp"
#include "sync/mailbox/rights_questions.hpp"
#include "sync/server.hpp"
#include "sync/tree/account_rights.hpp"
#include "sync/tree/account_tree.hpp"
#include "sync/tree/tree_change_outcome.hpp"
#include "sync/tree/tree_sync.hpp"

namespace imapfs::sync {

class TreeCreation {
 public:
  struct Dependencies {
    Server& server;
    const Mailboxes& mailboxes;
    RightsQuestions& rights_questions;
    AccountTree& tree;
    TreeSync& tree_sync;
    const AccountRights& rights;
    TreeChangeOutcome& outcome;
  };

  explicit TreeCreation(Dependencies dependencies) : dependencies_(dependencies) {}

  /// The tree shows the mailbox before `done` is called.
  void create(MailboxId parent, const std::string& component, Completion<MailboxId> done);

 private:
  /// What to create, by the tree as it was when it was entered.
  struct Target {
    MailboxId parent;
    ServerName name;
    std::string path;
  };
  [[nodiscard]] Result<Target> prepare(MailboxId parent, const std::string& component) const;
  void send(const Target& target, const Completion<MailboxId>& done);
  void show(const Target& target, bool kernel_knows);
  [[nodiscard]] Result<MailboxId> created(const Target& target) const;

  const Dependencies dependencies_;
};

}  // namespace imapfs::sync

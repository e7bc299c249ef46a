#pragma once
// rename(2) of directories: RENAME with everything below, the tree with the new names and the same ids, and everything
// stored under names of the mailboxes.
//
// Changes in the mailboxes end first. If the user has been told of a timeout before the rename's turn comes, it does
// not begin. Errors: EBUSY, EINVAL, ENOTEMPTY, EEXIST, EPERM, EACCES, and those of the session. Any thread; no lock.
// The dependencies outlive the object.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "imapfs/store/journal.hpp"
#include "sync/changes/change_requests.hpp"
#include "sync/changes/changes.hpp"
#include "sync/mailbox/mailboxes.hpp"
#include "sync/mailbox/rights_questions.hpp"
#include "sync/server.hpp"
#include "sync/tree/account_rights.hpp"
#include "sync/tree/account_tree.hpp"
#include "sync/tree/server_names.hpp"
#include "sync/tree/tree_change_outcome.hpp"
#include "sync/tree/tree_sync.hpp"

namespace imapfs::sync {

class TreeRenaming {
 public:
  struct Dependencies {
    Server& server;
    const Mailboxes& mailboxes;
    RightsQuestions& rights_questions;
    store::Journal& journal;
    Changes& changes;
    ChangeRequests& change_requests;
    AccountTree& tree;
    TreeSync& tree_sync;
    const AccountRights& rights;
    TreeChangeOutcome& outcome;
  };

  explicit TreeRenaming(Dependencies dependencies) : dependencies_(dependencies) {}

  void rename(MailboxId mailbox, MailboxId new_parent, const std::string& new_component, Completion<void> done);

 private:
  struct Wanted {
    MailboxId id;
    MailboxId parent;
    std::string component;
  };
  /// A rename by the present tree.
  struct Plan {
    bool nothing_to_do = false;
    MailboxNode node{};
    ServerName from{};
    ServerName to{};
    std::string new_path{};
    std::optional<MailboxNode> target{};  ///< has the new name already, and is removed first
  };

  [[nodiscard]] Result<Plan> prepare(const Wanted& wanted) const;
  [[nodiscard]] Result<std::optional<MailboxNode>> target_of(const Wanted& wanted, const MailboxTree& tree) const;
  /// The mailboxes of the directory and of everything below it.
  [[nodiscard]] std::vector<MailboxId> mailboxes_within(MailboxId directory) const;
  void carry_out(const Plan& plan, const Completion<void>& done);
  /// Whether only we keep the directory and everything below it.
  [[nodiscard]] static bool is_kept_only(const MailboxTree& tree, const MailboxNode& directory);
  void rename_kept(const Plan& plan, const Completion<void>& done);
  void send(const Plan& plan, const Completion<void>& done);
  /// Updates what depends on the names, after RENAME. Blocks on the disk.
  void follow(const Plan& plan, bool kernel_knows);
  void show(const Plan& plan, bool kernel_knows);
  void follow_subscriptions(const Plan& plan);

  const Dependencies dependencies_;
};

}  // namespace imapfs::sync

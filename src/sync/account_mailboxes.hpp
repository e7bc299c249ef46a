#pragma once
// Answers MailboxReader for the whole account: finds the mailbox of an id and asks the part that knows.
//
// Errors: ENOENT for an id without a mailbox, and those of the parts. Any thread; no lock.

#include <memory>
#include <string>

#include "imapfs/sync/mailbox_reader.hpp"
#include "sync/mailbox/details_reader.hpp"
#include "sync/mailbox/mailboxes.hpp"
#include "sync/mailbox/message_finder.hpp"
#include "sync/mailbox/sync_scheduler.hpp"
#include "sync/tree/account_rights.hpp"
#include "sync/tree/account_tree.hpp"
#include "sync/tree/tree_sync.hpp"

namespace imapfs::sync {

class AccountMailboxes final : public MailboxReader {
 public:
  struct Dependencies {
    const Mailboxes& mailboxes;
    const AccountTree& tree;
    TreeSync& tree_sync;
    SyncScheduler& syncs;
    MessageFinder& finder;
    DetailsReader& details;
    const AccountRights& rights;
  };

  explicit AccountMailboxes(Dependencies dependencies) : dependencies_(dependencies) {}

  [[nodiscard]] std::shared_ptr<const MailboxTree> tree() const override;
  void freshen_tree(Completion<void> done) override;
  [[nodiscard]] std::shared_ptr<const MessageTable> table(MailboxId mailbox) const override;
  [[nodiscard]] DirectoryTime directory_time(MailboxId mailbox) const override;
  [[nodiscard]] MailboxRights rights(MailboxId mailbox) const override;
  void freshen(MailboxId mailbox, Completion<void> done) override;
  void await_rows(MailboxId mailbox, Uid after, Completion<void> done) override;
  void find_message(MailboxId mailbox, const std::string& name, Completion<MessageMeta> done) override;
  void find_message(MailboxId mailbox, Uid uid, Completion<MessageMeta> done) override;
  void details(MailboxId mailbox, Uid uid, Completion<MessageDetails> done) override;

 private:
  const Dependencies dependencies_;
};

}  // namespace imapfs::sync

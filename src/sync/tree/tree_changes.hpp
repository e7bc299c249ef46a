#pragma once
// mkdir, rmdir and rename of mailboxes. Any thread; no lock.

#include <string>
#include <utility>

#include "imapfs/sync/mailbox_changer.hpp"
#include "sync/tree/tree_creation.hpp"
#include "sync/tree/tree_removal.hpp"
#include "sync/tree/tree_renaming.hpp"

namespace imapfs::sync {

class TreeChanges final : public MailboxChanger {
 public:
  TreeChanges(TreeCreation& creation, TreeRemoval& removal, TreeRenaming& renaming)
      : creation_(creation), removal_(removal), renaming_(renaming) {}

  void create(MailboxId parent, const std::string& component, Completion<MailboxId> done) override {
    creation_.create(parent, component, std::move(done));
  }
  void remove(MailboxId mailbox, Completion<void> done) override { removal_.remove(mailbox, std::move(done)); }
  void rename(MailboxId mailbox, MailboxId new_parent, const std::string& new_component,
              Completion<void> done) override {
    renaming_.rename(mailbox, new_parent, new_component, std::move(done));
  }

 private:
  TreeCreation& creation_;
  TreeRemoval& removal_;
  TreeRenaming& renaming_;
};

}  // namespace imapfs::sync

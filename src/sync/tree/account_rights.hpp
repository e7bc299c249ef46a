#pragma once
// What the server lets us do with a mailbox, by all its sources: MYRIGHTS and SELECT, LIST, and the server's
// capabilities. Unknown rights count as granted. Any thread; no lock.

#include <string_view>

#include "sync/mailbox/mailboxes.hpp"
#include "sync/server.hpp"
#include "sync/tree/account_tree.hpp"

namespace imapfs::sync {

class AccountRights {
 public:
  AccountRights(const Server& server, const Mailboxes& mailboxes, const AccountTree& tree)
      : server_(server), mailboxes_(mailboxes), tree_(tree) {}

  [[nodiscard]] MailboxRights of(MailboxId mailbox) const;

 private:
  const Server& server_;
  const Mailboxes& mailboxes_;
  const AccountTree& tree_;
};

/// EACCES; `what` names the forbidden action.
[[nodiscard]] Error forbidden(std::string_view what);

}  // namespace imapfs::sync

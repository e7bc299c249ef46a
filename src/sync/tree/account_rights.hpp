#pragma once
// What the server lets us do with a mailbox, from all that has told of it: MYRIGHTS and SELECT, LIST, and the server's
// capabilities. What is not known is allowed. Any thread; no lock.

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

/// EACCES; `what` is what cannot be done.
[[nodiscard]] Error forbidden(std::string_view what);

}  // namespace imapfs::sync

#include "sync/tree/account_rights.hpp"

#include <fmt/format.h>

namespace imapfs::sync {

MailboxRights AccountRights::of(MailboxId id) const {
  MailboxRights rights;
  if (const auto mailbox = mailboxes_.find(id)) rights = mailbox->replica.rights().current();
  const auto tree = tree_.tree();
  const auto* const node = tree->find(id);
  if (node != nullptr && !node->may_have_children) rights.create_children = false;
  // Without UIDPLUS only a plain EXPUNGE could remove messages, and that is never sent.
  rights.expunge = rights.expunge && server_.may_have("UIDPLUS");
  return rights;
}

Error forbidden(std::string_view what) {
  return {EACCES, Scope::mailbox, Retry::never, fmt::format("the server does not let you {}", what)};
}

}  // namespace imapfs::sync

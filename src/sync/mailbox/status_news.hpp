#pragma once
// Takes STATUS of mailboxes, requested or not: records it, and hints at a sync if our copy differs.
//
// Any thread; no lock of its own.

#include "sync/mailbox/mailboxes.hpp"
#include "sync/mailbox/sync_scheduler.hpp"

namespace imapfs::sync {

class StatusNews {
 public:
  StatusNews(const Mailboxes& mailboxes, SyncScheduler& syncs) : mailboxes_(mailboxes), syncs_(syncs) {}

  /// Returns whether it says anything that no earlier STATUS said.
  bool take(const imap::WireName& wire_name, const MailboxStatus& status);
  /// Whether our copy of the mailbox differs from it.
  [[nodiscard]] static bool differs(const MailboxStatus& status, MailboxReplica& replica);

 private:
  const Mailboxes& mailboxes_;
  SyncScheduler& syncs_;
};

}  // namespace imapfs::sync

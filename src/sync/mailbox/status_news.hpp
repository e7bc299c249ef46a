#pragma once
// What STATUS tells of a mailbox, asked for or not: noted, and a hint where our copy is another.
//
// Any thread; no lock of its own.

#include "sync/mailbox/mailboxes.hpp"
#include "sync/mailbox/sync_scheduler.hpp"

namespace imapfs::sync {

class StatusNews {
 public:
  StatusNews(const Mailboxes& mailboxes, SyncScheduler& syncs) : mailboxes_(mailboxes), syncs_(syncs) {}

  /// Whether it says anything that no STATUS has said before.
  bool take(const imap::WireName& wire_name, const MailboxStatus& status);
  /// Whether our copy of the mailbox is another.
  [[nodiscard]] static bool differs(const MailboxStatus& status, MailboxReplica& replica);

 private:
  const Mailboxes& mailboxes_;
  SyncScheduler& syncs_;
};

}  // namespace imapfs::sync

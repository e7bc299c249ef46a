#include "sync/mailbox/status_news.hpp"

namespace imapfs::sync {
namespace {

/// Merges the values of `told` into `known`; returns whether that changes anything.
bool merge_status(MailboxStatus& known, const MailboxStatus& told) {
  bool news = false;
  const auto merge = [&](auto& old_value, const auto& new_value) {
    if (!new_value || old_value == new_value) return;
    old_value = new_value;
    news = true;
  };
  merge(known.messages, told.messages);
  merge(known.unseen, told.unseen);
  merge(known.uid_next, told.uid_next);
  merge(known.uid_validity, told.uid_validity);
  merge(known.highest_modseq, told.highest_modseq);
  merge(known.size, told.size);
  return news;
}

}  // namespace

bool StatusNews::differs(const MailboxStatus& status, MailboxReplica& replica) {
  const auto known = replica.record().known();
  return (status.messages && !replica.count().accounts_for(*status.messages)) ||
         (status.uid_validity && *status.uid_validity != known.uid_validity) ||
         (status.uid_next && *status.uid_next > known.uid_next) ||
         (status.highest_modseq && *status.highest_modseq != known.highest_modseq);
}

bool StatusNews::take(const imap::WireName& wire_name, const MailboxStatus& status) {
  const auto mailbox = mailboxes_.find_wire_name(wire_name);
  if (!mailbox) return false;
  const bool news = merge_status(mailbox->activity.lock()->listed, status);
  if (!mailbox->replica.table()->complete() || mailbox->is_watched()) return news;
  if (differs(status, mailbox->replica)) syncs_.hint(mailbox);
  return news;
}

}  // namespace imapfs::sync

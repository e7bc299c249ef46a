#include "sync/mailbox/pool_session_listener.hpp"

namespace imapfs::sync {

MailboxPointer PoolSessionListener::selected() const {
  return dependencies_.mailboxes.find_wire_name(session_.selected());
}

void PoolSessionListener::on_exists(std::uint32_t messages) {
  const auto mailbox = selected();
  // A watcher gets the same news on a better connection.
  if (!mailbox || mailbox->is_watched() || mailbox->replica.count().accounts_for(messages)) return;
  dependencies_.syncs.hint(mailbox);
}

void PoolSessionListener::on_expunge() {
  const auto mailbox = selected();
  if (mailbox && !mailbox->is_watched()) dependencies_.syncs.hint(mailbox);
}

void PoolSessionListener::on_vanished(const UidSet& uids) {
  const auto mailbox = selected();
  if (!mailbox) return;
  mailbox->replica.take_vanished(uids);
  mailbox->replica.news().publish();
}

void PoolSessionListener::on_fetch(const imap::FetchRow& row) {
  const auto mailbox = selected();
  if (!mailbox) return;
  if (row.uid.value == 0) return dependencies_.syncs.hint(mailbox);
  mailbox->replica.take_flags(row);
  mailbox->replica.news().publish();
}

void PoolSessionListener::on_status(const imap::WireName& mailbox, const MailboxStatus& status) {
  dependencies_.status_news.take(mailbox, status);
}

void PoolSessionListener::on_mailbox_list_changed() { dependencies_.list_listener.on_mailbox_list_changed(); }

}  // namespace imapfs::sync

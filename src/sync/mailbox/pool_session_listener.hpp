#pragma once
// Gets the unsolicited news of one pool session; the session tells which mailbox it has selected.
//
// Called on the thread that uses the session. No lock.

#include "imapfs/imap/session.hpp"
#include "sync/mailbox/mailbox_list_listener.hpp"
#include "sync/mailbox/mailboxes.hpp"
#include "sync/mailbox/status_news.hpp"
#include "sync/mailbox/sync_scheduler.hpp"

namespace imapfs::sync {

class PoolSessionListener final : public imap::UntaggedListener {
 public:
  struct Dependencies {
    const Mailboxes& mailboxes;
    SyncScheduler& syncs;
    StatusNews& status_news;
    MailboxListListener& list_listener;
  };

  /// `session` outlives every call.
  PoolSessionListener(Dependencies dependencies, imap::Session& session)
      : dependencies_(dependencies), session_(session) {}
  void on_exists(std::uint32_t messages) override;
  void on_expunge() override;
  void on_vanished(const UidSet& uids) override;
  void on_fetch(const imap::FetchRow& row) override;
  void on_status(const imap::WireName& mailbox, const MailboxStatus& status) override;
  void on_mailbox_list_changed() override;

 private:
  [[nodiscard]] MailboxPointer selected() const;

  const Dependencies dependencies_;
  imap::Session& session_;
};

}  // namespace imapfs::sync

#pragma once
// Asks for news of mailboxes that are not watched, or whose watch has not proved to work.
//
// poll_due() is called regularly on the thread "sync"; its questions run on the pool. No lock of its own.

#include <cstdint>

#include "sync/mailbox/idle_trust.hpp"
#include "sync/mailbox/mailboxes.hpp"
#include "sync/mailbox/status_news.hpp"
#include "sync/mailbox/sync_scheduler.hpp"
#include "sync/server.hpp"

namespace imapfs::sync {

class Poller {
 public:
  struct Settings {
    SteadyClock::duration refresh;        ///< of used mailboxes that are not watched
    SteadyClock::duration poll_interval;  ///< of mailboxes with an unproved watch
  };
  struct Dependencies {
    Server& server;
    const Mailboxes& mailboxes;
    SyncScheduler& syncs;
    StatusNews& status_news;
    IdleTrust& idle_trust;
  };

  Poller(Settings settings, Dependencies dependencies) : settings_(settings), dependencies_(dependencies) {}

  void poll_due();

 private:
  [[nodiscard]] bool is_due(const MailboxPointer& mailbox) const;
  void poll(const MailboxPointer& mailbox);
  void poll_by_sync(const MailboxPointer& mailbox);
  void poll_by_status(const MailboxPointer& mailbox);
  void take_status(const MailboxPointer& mailbox, const MailboxStatus& status, std::uint64_t told_before);

  const Settings settings_;
  const Dependencies dependencies_;
};

}  // namespace imapfs::sync

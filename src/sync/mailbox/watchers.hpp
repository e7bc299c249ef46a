#pragma once
// Which mailboxes are watched, and the clock for polls. The first watcher watches INBOX. The second, if there is one
// and the server has no NOTIFY, watches the mailbox used last.
//
// Watchers are started and stopped on the thread "sync", regularly and when connections have changed; each has a
// connection of its own. Any thread, except for start() and stop(), which belong to whoever starts and ends the
// account. One lock, held while a stopped watch is dropped.

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "imapfs/base/concurrency.hpp"
#include "sync/helper_thread.hpp"
#include "sync/mailbox/mailbox_watch.hpp"
#include "sync/mailbox/mailboxes.hpp"
#include "sync/mailbox/poller.hpp"

namespace imapfs::sync {

class Watchers final : private WatchConnectionListener {
 public:
  struct Settings {
    bool watch = true;  ///< false: neither watchers nor polls
    SteadyClock::duration refresh;
    std::chrono::seconds poll_interval;
    std::chrono::seconds idle_renewal;
    SteadyClock::duration timeout;
  };
  struct Dependencies {
    const imap::SessionFactory& factory;
    Server& server;
    const Mailboxes& mailboxes;
    RowLoader& rows;
    SyncScheduler& syncs;
    StatusNews& status_news;
    IdleTrust& idle_trust;
    MailboxListListener& list_listener;
    HelperThread& helper;
  };

  Watchers(Settings settings, Dependencies dependencies);
  Watchers(const Watchers&) = delete;
  Watchers& operator=(const Watchers&) = delete;

  /// From now on watches at most this many mailboxes; each costs a connection.
  void start(std::size_t most_watches);
  /// Joins the watchers' threads. The thread "sync" must have ended.
  void stop();
  /// Something has happened that matters for watches and polls.
  void tick_soon();
  /// Resets back-offs.
  void retry_now();
  /// A connection to the server was lost or is silent: the watches check theirs.
  void ask();
  [[nodiscard]] std::vector<MailboxWatch::Snapshot> snapshots() const;

 private:
  using WatchPointer = std::shared_ptr<MailboxWatch>;

  void on_watch_connected() override;
  void on_watch_lost(bool silently) override;
  void on_watch_answers() override;

  void schedule_tick();
  void tick();
  void keep_watching();
  void watch_first(std::vector<WatchPointer>& watches);
  void watch_second(std::vector<WatchPointer>& watches);
  [[nodiscard]] MailboxPointer last_used() const;
  [[nodiscard]] WatchPointer make_watch(const std::string& name, const MailboxPointer& mailbox);
  [[nodiscard]] std::vector<WatchPointer> all() const;

  const Settings settings_;
  const Dependencies dependencies_;
  Poller poller_;
  std::atomic<std::size_t> most_watches_{0};  ///< set by start(); the pool may request a tick earlier
  std::atomic<bool> tick_queued_{false};
  SteadyClock::time_point retargeted_;          ///< thread "sync" only
  Guarded<std::vector<WatchPointer>> watches_;  ///< changed on "sync" and by stop()
};

}  // namespace imapfs::sync

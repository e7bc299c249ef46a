#pragma once
// A watched mailbox, kept in step on a watcher's own session.
//
// The on_… methods note what the server reports during IDLE; it is handled at the end of each burst, on the same
// session. All callbacks run on the watcher's thread; start(), stop(), snapshot() and the rest on any. One lock, for
// the snapshot, a leaf. The dependencies outlive stop().

#include <atomic>
#include <cstdint>
#include <string>

#include "imapfs/base/concurrency.hpp"
#include "imapfs/imap/watcher.hpp"
#include "sync/mailbox/idle_trust.hpp"
#include "sync/mailbox/mailbox.hpp"
#include "sync/mailbox/mailbox_list_listener.hpp"
#include "sync/mailbox/row_loader.hpp"
#include "sync/mailbox/status_news.hpp"
#include "sync/mailbox/sync_scheduler.hpp"
#include "sync/server.hpp"

namespace imapfs::sync {

/// Is told about a watch's connection. Any thread; returns at once.
class WatchConnectionListener {
 public:
  virtual ~WatchConnectionListener() = default;
  virtual void on_watch_connected() = 0;
  /// The connection was lost, silently or not; other connections may be lost too.
  virtual void on_watch_lost(bool silently) = 0;
  /// The connection was asked and has answered.
  virtual void on_watch_answers() = 0;
};

class MailboxWatch final : public imap::WatchListener {
 public:
  struct Dependencies {
    Server& server;
    RowLoader& rows;
    SyncScheduler& syncs;
    StatusNews& status_news;
    IdleTrust& idle_trust;
    MailboxListListener& list_listener;
    WatchConnectionListener& connection_listener;
  };
  /// For /.imapfs/status.
  struct Snapshot {
    std::string name;
    std::string path;  ///< of the mailbox
    std::string description;
    bool watching = false;
    std::string reason;
  };

  MailboxWatch(Dependencies dependencies, MailboxPointer mailbox, imap::Watcher::Settings settings,
               const imap::SessionFactory& factory);
  ~MailboxWatch() override;

  Result<void> on_watch_started(imap::Session& session, const CallContext& context) override;
  Result<void> on_news(imap::Session& session, const CallContext& context) override;
  void on_watching(bool watching, const std::string& reason) override;
  void on_connection_lost(bool silently) override;
  void on_connection_answers() override;
  bool brought_news(bool told) override;
  void on_exists(std::uint32_t messages) override;
  void on_expunge() override;
  void on_vanished(const UidSet& uids) override;
  void on_fetch(const imap::FetchRow& row) override;
  void on_highest_modseq(ModSeq modseq) override;
  void on_status(const imap::WireName& mailbox, const MailboxStatus& status) override;
  void on_mailbox_list_changed() override;

  [[nodiscard]] imap::Watcher& watcher() { return watcher_; }
  /// Joins the watcher's thread. Call it before the last reference goes: its holder may be a reader of snapshots, which
  /// must not block.
  void stop();
  [[nodiscard]] const MailboxPointer& mailbox() const { return mailbox_; }
  /// Whether the mailbox could not be watched although the connection worked.
  [[nodiscard]] bool ended() const { return ended_; }
  [[nodiscard]] Snapshot snapshot() const;

 private:
  /// What the server has reported since the last round.
  struct News {
    bool messages_came = false;
    bool changes_came = false;
    bool compare_all = false;
    SteadyClock::time_point since;  ///< when the first line arrived
    [[nodiscard]] bool any() const { return messages_came || changes_came || compare_all; }
    void note(bool& what);
  };

  Result<void> catch_up(imap::Session& session, const CallContext& context);
  Result<void> take_news(imap::Session& session, const CallContext& context);

  const Dependencies dependencies_;
  const MailboxPointer mailbox_;
  News news_;                         ///< watcher's thread only, like the next five
  ModSeq highest_modseq_;             ///< as the server has told this session
  bool may_have_missed_ = false;      ///< the connection was silent before it was lost
  std::uint64_t known_revision_ = 0;  ///< of the replica, at the end of the last round
  bool others_changed_ = false;       ///< NOTIFY has reported news of another mailbox
  std::atomic<bool> ended_{false};
  Guarded<Snapshot> snapshot_;
  imap::Watcher watcher_;  ///< last: its thread uses the other members
};

}  // namespace imapfs::sync

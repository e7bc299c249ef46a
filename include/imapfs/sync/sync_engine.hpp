#pragma once
// The account, kept in step with the server: owns the mailboxes' tables, the pool, the watchers, the store's worker and
// the body fetcher, and implements Account on them.
//
// Threads: calls from vfs return at once; network work runs on pool and watch threads, SQLite on the thread "store".
// Start after the fork.

#include <chrono>
#include <memory>
#include <string>

#include "imapfs/imap/backoff.hpp"
#include "imapfs/imap/session.hpp"
#include "imapfs/imap/session_pool.hpp"
#include "imapfs/store/message_cache.hpp"
#include "imapfs/store/metadata_store.hpp"
#include "imapfs/sync/account.hpp"

namespace imapfs::sync {

/// on-delete=. automatic: flag, but trash where flagging does not delete (Gmail's labels).
enum class RemovalPolicy : std::uint8_t { automatic, flag, trash, expunge };

struct EngineSettings {
  std::string account;       ///< "user@host"
  mime::NameTemplate names;  ///< parsed by app
  std::chrono::seconds refresh{60};
  std::size_t connections = 4;  ///< in all; 1: no watcher, poll through the pool
  bool watch = true;            ///< IDLE / NOTIFY / poll at all
  std::chrono::seconds idle_renewal{540};
  std::chrono::seconds poll_interval{60};
  SteadyClock::duration timeout = std::chrono::seconds(30);
  /// imap::ConnectGate::Settings::grace: so long who waits is not told that there is no connection.
  SteadyClock::duration reconnect_grace = imap::ConnectGate::Settings{}.grace;
  RemovalPolicy removal = RemovalPolicy::automatic;
  bool write_behind = true;  ///< false (-o sync): a change is accepted when the server has carried it out
  std::uint64_t whole_fetch_limit = 1 << 20;  ///< larger messages are fetched in ranges
};

class SyncEngine : public Account {
 public:
  /// `first_session` may be null (offline mount from the cache). `journal` may be null: then every change answers
  /// EROFS. `listener` outlives the engine.
  static std::unique_ptr<SyncEngine> create(EngineSettings settings, imap::SessionFactory factory,
                                            std::unique_ptr<store::MetadataStore> metadata,
                                            std::shared_ptr<store::MessageCache> bodies,
                                            std::shared_ptr<store::Journal> journal, Scheduler& scheduler,
                                            ChangeListener& listener);

  /// Reads namespaces and the mailbox list (through `first_session`, which then joins the pool; null: from the store)
  /// and starts watching. Blocks; call before the mount is announced. Fails if there is neither a session nor a stored
  /// list.
  virtual Result<void> start(std::unique_ptr<imap::Session> first_session, const CallContext& context) = 0;
  /// Ends watchers, pool and store worker; what waits fails with ECANCELED.
  virtual void stop() = 0;
  /// SIGUSR1 and "network is back": forget back-offs.
  virtual void retry_now() = 0;
};

}  // namespace imapfs::sync

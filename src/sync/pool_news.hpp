#pragma once
// Passes the pool's reports on: each session's news to a listener of its own, and the state of the connection to the
// tree, the watchers, the changes, and the outside.
//
// Called on pool threads. One lock, a leaf. The dependencies, and this object, outlive the pool's close().

#include <map>
#include <memory>
#include <string>

#include "imapfs/base/concurrency.hpp"
#include "imapfs/imap/session_pool.hpp"
#include "sync/changes/changes.hpp"
#include "sync/mailbox/pool_session_listener.hpp"
#include "sync/mailbox/watchers.hpp"
#include "sync/server.hpp"
#include "sync/tree/tree_sync.hpp"

namespace imapfs::sync {

class PoolNews final : public imap::PoolListener {
 public:
  struct Dependencies {
    Server& server;
    TreeSync& tree_sync;
    Watchers& watchers;
    ChangeListener& listener;
    Changes* changes;  ///< null: read-only
  };

  PoolNews(Dependencies dependencies, PoolSessionListener::Dependencies of_sessions)
      : dependencies_(dependencies), of_sessions_(of_sessions) {}

  imap::UntaggedListener* on_session_opened(imap::Session& session) override;
  void on_online(bool online, const std::string& reason) override;
  void on_connection_doubted() override;

 private:
  const Dependencies dependencies_;
  const PoolSessionListener::Dependencies of_sessions_;
  /// By address: a new session at the address of an old one takes its place.
  Guarded<std::map<const imap::Session*, std::unique_ptr<PoolSessionListener>>> listeners_;
};

}  // namespace imapfs::sync

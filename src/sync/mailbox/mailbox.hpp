#pragma once
// A mailbox of the account: our copy of it, and how it is used.
//
// Shared by everyone who works on it. After a removal or a rename it may live on without a place in the account. Any
// thread. Locks: the replica's, and one for Activity, a leaf.

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "imapfs/base/concurrency.hpp"
#include "imapfs/base/pace.hpp"
#include "sync/mailbox/mailbox_replica.hpp"
#include "sync/mailbox/sync_plan.hpp"

namespace imapfs::sync {

struct Mailbox {
  Mailbox(MailboxReplica::Identity identity, MailboxReplica::Dependencies dependencies,
          std::optional<store::MailboxState> stored)
      : replica(std::move(identity), std::move(dependencies), std::move(stored)) {}

  struct Activity {
    SteadyClock::time_point accessed;      ///< when vfs last used it; epoch: never
    SteadyClock::time_point checked;       ///< when it was last in step with the server; epoch: never
    std::uint64_t news = 0;                ///< number of hints that the server has something new
    std::uint64_t covered = 0;             ///< number of hints before the last good sync began
    SteadyClock::time_point polled;        ///< when STATUS last brought nothing new
    std::string watched_by;                ///< name of the watch; empty: not watched
    bool heard = false;                    ///< the watch has reported something on its own: IDLE works here
    std::uint64_t told = 0;                ///< how often it has
    std::uint64_t revision = 0;            ///< of the replica, at the end of the last sync
    bool hinted = false;                   ///< the last sync began because of a hint
    SteadyClock::time_point began;         ///< when the last sync began
    SteadyClock::time_point not_before;    ///< hints wait until then, because the last ones brought nothing
    bool hint_waits = false;               ///< a timer for a waiting hint is set
    std::optional<Pace> pace;              ///< of syncs that hints cause
    SyncMethod method = SyncMethod::none;  ///< of the last good sync
    UnixTime synced_at = 0;
    std::string last_error;
    MailboxStatus listed;  ///< from LIST, STATUS or NOTIFY
  };

  /// Whether a watch that has proved to work watches it.
  [[nodiscard]] bool is_watched() const {
    return activity.with_lock([](const Activity& state) { return !state.watched_by.empty() && state.heard; });
  }

  MailboxReplica replica;
  mutable Guarded<Activity> activity;
  SingleFlight<std::string, Completion<MessageMeta>> lookups;
  std::atomic<int> names_asked_in_vain{0};  ///< lookups at the server that found no message, since the start
};
using MailboxPointer = std::shared_ptr<Mailbox>;

}  // namespace imapfs::sync

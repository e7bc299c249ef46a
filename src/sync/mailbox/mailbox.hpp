#pragma once
// A mailbox of the account: our copy of it, and what is known of its use.
//
// Shared by whoever works on it; it may outlive its place in the account, after a removal or a rename. Any thread.
// Locks: the replica's, and one for Activity, a leaf.

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
    SteadyClock::time_point accessed;      ///< by vfs; epoch: never
    SteadyClock::time_point checked;       ///< in step with the server then; epoch: never
    std::uint64_t news = 0;                ///< grows with every hint that the server has something new
    std::uint64_t covered = 0;             ///< the hints that the last good sync began after
    SteadyClock::time_point polled;        ///< STATUS told nothing new then
    std::string watched_by;                ///< empty: nobody
    bool heard = false;                    ///< the watch has told of something by itself: IDLE is no idle promise here
    std::uint64_t told = 0;                ///< how often
    std::uint64_t revision = 0;            ///< of the replica, when the last sync ended
    bool hinted = false;                   ///< it began for a hint
    SteadyClock::time_point began;         ///< the last sync
    SteadyClock::time_point not_before;    ///< hints that come earlier wait: the last ones brought nothing
    bool hint_waits = false;               ///< a timer is set
    std::optional<Pace> pace;              ///< of syncs that follow hints
    SyncMethod method = SyncMethod::none;  ///< of the last good sync
    UnixTime synced_at = 0;
    std::string last_error;
    MailboxStatus listed;  ///< by LIST, STATUS or NOTIFY
  };

  /// By a watch that has shown that it tells.
  [[nodiscard]] bool is_watched() const {
    return activity.with_lock([](const Activity& state) { return !state.watched_by.empty() && state.heard; });
  }

  MailboxReplica replica;
  mutable Guarded<Activity> activity;
  SingleFlight<std::string, Completion<MessageMeta>> lookups;
  std::atomic<int> names_asked_in_vain{0};  ///< of the server, one by one, since the start
};
using MailboxPointer = std::shared_ptr<Mailbox>;

}  // namespace imapfs::sync

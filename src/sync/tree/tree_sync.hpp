#pragma once
// When the list of mailboxes is asked for, and who holds the tree.
//
// Whoever lists or changes the tree holds it alone, in turns: a LIST during our own change would show half of the
// change as news and give a renamed directory a new id. Changes of others meanwhile are asked for afterwards.
//
// A list is asked for when somebody looks and the last one is older than `refresh`, and when the server hints at a
// change (hints cost a growing pause, since some servers hint with every command). After a change with unknown outcome,
// listing is tried every second until there is a connection. An implausible list is not believed, and the present tree
// stays.
//
// Completions are called exactly once, without a lock. Any thread, except for the start. Locks: the gate's, and one for
// the state; both are leaves.

#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "imapfs/base/concurrency.hpp"
#include "imapfs/base/pace.hpp"
#include "sync/helper_thread.hpp"
#include "sync/mailbox/mailbox_list_listener.hpp"
#include "sync/mailbox/sync_gate.hpp"
#include "sync/server.hpp"
#include "sync/store_writer.hpp"
#include "sync/tree/account_tree.hpp"
#include "sync/tree/listing.hpp"

namespace imapfs::sync {

class TreeSync final : public MailboxListListener {
 public:
  struct Settings {
    SteadyClock::duration refresh;
    SteadyClock::duration timeout;
  };
  struct Dependencies {
    Server& server;
    AccountTree& tree;
    StoreWriter& store;
    HelperThread& helper;
  };

  TreeSync(Settings settings, Dependencies dependencies) : settings_(settings), dependencies_(dependencies) {}
  TreeSync(const TreeSync&) = delete;
  TreeSync& operator=(const TreeSync&) = delete;

  /// At the start: builds the tree from the server's list, or from the stored one if that is not believed. Blocks.
  Result<void> start(imap::Session& session, const CallContext& context);
  /// As start(), without a connection. Fails if no list is stored. Blocks.
  Result<void> start_offline();

  /// Completes when the tree is no older than `refresh`, cannot be updated, or takes too long to update.
  void freshen(Completion<void> done);
  void on_mailbox_missing() override { relist(); }
  void on_mailbox_list_changed() override;
  /// There is a connection again.
  void list_if_outdated();

  // -- for those who change the tree --
  /// Calls `change` when it holds the tree; it holds it until it calls the Completion that it gets. If `in_time` has
  /// expired by then, `change` is not called, because its user has been told of a timeout.
  template <class T>
  void change(const CallContext& in_time, Completion<T> done, std::function<void(Completion<T>)> change);
  /// Asks for the list, and shows it before `done` is called.
  void look(Completion<void> done);
  /// Asks for the list; for the holder of the tree, who passes it to take() or ignores it.
  void list(imap::Priority priority, Completion<Listing> done);
  void take(const Listing& listing);
  /// The outcome of a change is unknown: calls `resolve` with the next list, before that is shown.
  void resolve_later(std::function<void(const Listing&)> resolve);
  /// Servers leave different things behind after a change: lists once more.
  void ask_again() { gate_.ask_again(); }

 private:
  struct State {
    /// Changes with unknown outcome, for the next listing.
    std::vector<std::function<void(const Listing&)>> unresolved;
    bool outdated = false;        ///< must be listed as soon as there is a connection
    bool listing_is_due = false;  ///< its timer is set
    SteadyClock::time_point checked;
    std::optional<Pace> pace;  ///< of listings that hints cause
    SteadyClock::time_point hinted;
    SteadyClock::time_point not_before;
    bool hint_waits = false;  ///< its timer is set
  };

  void enter(Job job);
  void leave();
  /// Whether a failed change shows that the server knows more than the tree.
  static bool contradicts_tree(const Error& error);
  void relist();
  /// The gate was just entered.
  void start_listing();
  void keep(const Error& error);
  void list_again_soon();

  const Settings settings_;
  const Dependencies dependencies_;
  SyncGate gate_;
  Guarded<State> state_;
};

template <class T>
void TreeSync::change(const CallContext& in_time, Completion<T> done, std::function<void(Completion<T>)> change) {
  Completion<T> leaving = [this, done = std::move(done)](Result<T> result) {
    if (!result && contradicts_tree(result.error())) ask_again();
    leave();
    done(std::move(result));
  };
  enter([in_time, leaving = std::move(leaving), change = std::move(change)] {
    if (auto waits = in_time.check(); !waits) return leaving(fail(std::move(waits).error()));
    change(leaving);
  });
}

}  // namespace imapfs::sync

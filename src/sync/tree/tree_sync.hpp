#pragma once
// When the list of mailboxes is asked for, and who has the tree to himself.
//
// Whoever lists or changes the tree does so alone, by turns: a LIST that ran beside a change of ours would show one
// half of it as news, and give a renamed directory a new id. What others did meanwhile is asked for afterwards.
//
// A list is asked for when somebody looks and the last one is older than `refresh`, and when the server hints at a
// change (hints that bring nothing cost a pause that grows: some servers hint with every command). After a change whose
// outcome nobody knows it is tried every second until there is a connection. A list that cannot be meant is not
// believed: what was listed before stays.
//
// Completions are called exactly once, with no lock held. Any thread, but for the start. Locks: the gate's, and one for
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

  /// At the start, by the server's list, or by the stored one where that is not to be believed. Blocks.
  Result<void> start(imap::Session& session, const CallContext& context);
  /// The same without a connection. Fails if no list is stored. Blocks.
  Result<void> start_offline();

  /// Completes when the tree is as of `refresh` ago at most, or cannot be, or takes long.
  void freshen(Completion<void> done);
  void on_mailbox_missing() override { relist(); }
  void on_mailbox_list_changed() override;
  /// There is a connection again.
  void list_if_outdated();

  // -- for those who change the tree --
  /// Calls `change` when it has the tree to itself, which it has until it calls what it is given; not at all if
  /// `in_time` has expired by then, since its user has been told of a timeout.
  template <class T>
  void change(const CallContext& in_time, Completion<T> done, std::function<void(Completion<T>)> change);
  /// Asks for the list, and shows it before `done`.
  void look(Completion<void> done);
  /// For whoever has the tree: asks for the list, which is to be handed to take(), or kept for itself.
  void list(imap::Priority priority, Completion<Listing> done);
  void take(const Listing& listing);
  /// The outcome of a change is not known: `resolve` is called with the next list, before that is shown.
  void resolve_later(std::function<void(const Listing&)> resolve);
  /// Servers differ in what they leave behind a change: another list follows it.
  void ask_again() { gate_.ask_again(); }

 private:
  struct State {
    /// Changes whose outcome nobody knows, for the next listing.
    std::vector<std::function<void(const Listing&)>> unresolved;
    bool outdated = false;        ///< to be listed as soon as there is a connection
    bool listing_is_due = false;  ///< a timer is set
    SteadyClock::time_point checked;
    std::optional<Pace> pace;  ///< of listings that follow hints
    SteadyClock::time_point hinted;
    SteadyClock::time_point not_before;
    bool hint_waits = false;  ///< a timer is set
  };

  void enter(Job job);
  void leave();
  /// After a failed change the server may know more than we do.
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

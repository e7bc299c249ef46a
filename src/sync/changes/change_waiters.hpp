#pragma once
// Who waits for changes to end, and what they are told: the change's own user, those whose next step must come after
// it, and those who drain a mailbox. The latter hear of errors that nobody else was told of.
//
// drain(), after() and await() may be called from any thread and return at once; their completions are called on the
// thread "journal", or from within the call if there is nothing to wait for. finish() and on_offline() are for that
// thread. Each completion is called once, with no lock held; close() ends those that are left with ECANCELED.

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "sync/changes/change_table.hpp"
#include "sync/changes/dispatch_timer.hpp"
#include "sync/changes/locations.hpp"

namespace imapfs::sync {

/// Somebody who waits until certain changes have ended.
struct DrainWaiter {
  MailboxId mailbox;                      ///< 0: all
  std::atomic<std::size_t> remaining{1};  ///< changes, and one for drain() itself
  Completion<void> done;                  ///< empty once called
};

/// An error that nobody waited for.
struct UnreportedError {
  MailboxId source;
  MailboxId destination;
  Error error;
};

class ChangeWaiters {
 public:
  struct Dependencies {
    ChangeThread& thread;
    SharedChangeTable& table;
    DispatchTimer& timer;
    const Locations& locations;
    std::function<bool()> online;
  };
  explicit ChangeWaiters(Dependencies dependencies);

  /// As MessageChanger::drain().
  void drain(MailboxId mailbox, Completion<void> done);
  /// `then`: what was accepted for this message so far has ended.
  void after(const MessageLocation& message, Completion<void> then);
  /// As MessageChanger::await_change().
  void await(ChangeId change, Completion<Arrival> finished);
  /// Somebody wants changes to be carried out at once.
  [[nodiscard]] bool anybody_drains() const;

  /// The change has ended: tells everybody.
  void finish(PendingChange& pending, const Result<Arrival>& result);
  /// For the next who drains one of its mailboxes. Bounded.
  void note_unreported(UnreportedError error);
  /// There is no connection: whoever need not wait for the server's word does not.
  void on_offline();
  /// After the thread has ended: takes all changes out of the table.
  void close();

 private:
  struct State {
    std::set<std::shared_ptr<DrainWaiter>> draining;
    std::vector<UnreportedError> unreported;
  };
  [[nodiscard]] static std::optional<Error> take_unreported(State& state, MailboxId mailbox);
  [[nodiscard]] std::vector<Completion<void>> take_draining();
  /// One of what it has waited for has ended.
  void release(const std::shared_ptr<DrainWaiter>& waiter);

  const Dependencies dependencies_;
  mutable Guarded<State> state_;
};

}  // namespace imapfs::sync

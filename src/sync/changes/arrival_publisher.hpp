#pragma once
// Shows what changes have brought: brings the destination in step with the server first, then lists what has come under
// its name, as our own, and tells who waits.
//
// On the thread "journal". Locks: that of the change table, a leaf.

#include <functional>
#include <memory>
#include <vector>

#include "sync/changes/arrival_guard.hpp"
#include "sync/changes/change_effects.hpp"
#include "sync/changes/change_waiters.hpp"

namespace imapfs::sync {

/// A change that has brought its message; in ChangeTable::arriving until that is shown.
struct Arrived {
  std::shared_ptr<PendingChange> pending;
  store::JournalLocation place;
  bool keeps_staged = false;  ///< its staged file holds something else by now
};

class ArrivalPublisher {
 public:
  struct Dependencies {
    ChangeThread& thread;
    SharedChangeTable& table;
    const Locations& locations;
    const ChangeEffects& effects;
    ChangeWaiters& waiters;
    /// A sync that begins from now on has ended.
    std::function<void(const MailboxPointer&, Completion<void>)> bring_in_step;
  };
  explicit ArrivalPublisher(Dependencies dependencies);

  /// `guard` keeps rows of the destination back until then; it may be null.
  void publish(std::vector<Arrived> arrived, const std::shared_ptr<ArrivalGuard>& guard);

 private:
  void sync_destination(const MailboxPointer& destination, std::vector<Arrived> arrived,
                        const std::shared_ptr<ArrivalGuard>& guard);
  void publish_arrivals(const MailboxPointer& destination, const std::vector<Arrived>& arrived);
  void list_arrivals(const MailboxPointer& destination, const std::vector<Arrived>& arrived);

  const Dependencies dependencies_;
};

}  // namespace imapfs::sync

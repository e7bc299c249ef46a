#pragma once
// How changes end: recorded in the journal first, then shown, then whoever waits is told.
//
// Until the journal's disk has taken the record, the changes are still under way. A change that was refused takes those
// along that build on it; what took the place of another message is followed by the removal of that one, accepted in
// the same transaction.
//
// On the thread "journal", which alone touches its state; close() after that has ended.

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "sync/changes/arrival_publisher.hpp"
#include "sync/changes/change_effects.hpp"
#include "sync/changes/change_result.hpp"
#include "sync/changes/own_arrivals.hpp"
#include "sync/changes/refusals.hpp"
#include "sync/changes/removal_policy.hpp"

namespace imapfs::sync {

class ChangeRecorder {
 public:
  struct Dependencies {
    store::Journal& journal;
    ChangeThread& thread;
    DispatchTimer& timer;
    DispatchTimer::Later later;
    SharedChangeTable& table;
    OwnArrivals& own_arrivals;
    const Locations& locations;
    const RemovalPlanner& removals;
    const ChangeEffects& effects;
    ChangeWaiters& waiters;
    ArrivalPublisher& publisher;
    Refusals& refusals;
    /// Changes have ended: others may have waited for that.
    Job on_ended;
  };
  explicit ChangeRecorder(Dependencies dependencies);

  /// `guard` keeps what they have brought from being seen before it is shown; it may be null.
  void record(ChangeResults results, const std::shared_ptr<ArrivalGuard>& guard);
  void close();

 private:
  struct Unrecorded {
    ChangeResults results;
    std::shared_ptr<ArrivalGuard> guard;
  };
  /// Changes that were taken out of the queue.
  struct Ended {
    std::vector<Arrived> arrived;
    std::vector<PendingChange> done;
    std::vector<std::pair<PendingChange, Error>> refused;
    std::vector<store::JournalChange> followers;  ///< of what has come
  };
  void record_again();
  void add_dependents(ChangeResults& results);
  [[nodiscard]] store::Journal::Ended record_of(const ChangeResults& results, std::vector<PendingChange>& removals);
  void apply(const ChangeResults& results, std::vector<PendingChange> removals,
             const std::shared_ptr<ArrivalGuard>& guard);
  [[nodiscard]] Ended take_out(const ChangeResults& results, std::vector<PendingChange> removals);
  static void take_out_one(ChangeTable& table, const ChangeResult& result, PendingChange pending, Ended& ended);
  void show(const Ended& ended);
  void answer(Ended& ended);

  const Dependencies dependencies_;
  std::vector<Unrecorded> unrecorded_;  ///< the journal's disk did not take it
};

}  // namespace imapfs::sync

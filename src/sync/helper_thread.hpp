#pragma once
// The thread "sync", for work that must not keep its caller waiting, and timers that end with it.
//
// Jobs run in the order posted; the queue is bounded. A timer's job runs on the thread "sched", must only post, and
// does not run any more once close_timers() has returned: the scheduler may outlive whatever the job is about. Any
// thread. Locks: one, held while a timer's job runs, so that close_timers() waits for it.

#include "imapfs/base/serial_queue.hpp"
#include "imapfs/base/timers.hpp"

namespace imapfs::sync {

class HelperThread {
 public:
  /// `scheduler` outlives the object.
  explicit HelperThread(Scheduler& scheduler);
  ~HelperThread();
  HelperThread(const HelperThread&) = delete;
  HelperThread& operator=(const HelperThread&) = delete;

  /// False when there is no room, or after close().
  [[nodiscard]] bool try_post(Job job);
  /// Runs `job`, which must only post, on the thread "sched".
  void after(SteadyClock::duration delay, Job job);
  /// Posts `job`; tries again each second while there is no room.
  void post_after(SteadyClock::duration delay, Job job);
  /// Calls `done` when the returned Completion is called, or with success when that takes longer than `longest`.
  [[nodiscard]] Completion<void> with_patience(SteadyClock::duration longest, Completion<void> done);

  /// No timer's job runs any more. Not to be called from one.
  void close_timers();
  /// Runs what is queued, then joins. Idempotent.
  void close();

 private:
  Scheduler& scheduler_;
  Timers timers_{scheduler_};
  SerialQueue queue_{"sync", 64};
};

}  // namespace imapfs::sync

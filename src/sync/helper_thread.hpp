#pragma once
// The thread "sync", for work that must not keep its caller waiting, and timers that end with it.
//
// Jobs run in the order posted; the queue is bounded. Timer jobs run on the thread "sched" and must only post. None of
// them runs after close_timers() has returned: the scheduler may live longer than what the job uses. Any thread. Locks:
// one, held while a timer job runs, so that close_timers() waits for it.

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

  /// False if the queue is full, or after close().
  [[nodiscard]] bool try_post(Job job);
  /// Runs `job` later on the thread "sched"; it must only post.
  void after(SteadyClock::duration delay, Job job);
  /// Posts `job` later; tries again each second while the queue is full.
  void post_after(SteadyClock::duration delay, Job job);
  /// Returns a Completion that passes its result to `done`. If that takes longer than `longest`, `done` gets success
  /// instead, on the thread "sched"; close_timers() does not prevent that.
  [[nodiscard]] Completion<void> with_patience(SteadyClock::duration longest, Completion<void> done);

  /// Afterwards no timer job runs. Do not call it from one.
  void close_timers();
  /// Runs the queued jobs, then joins. Idempotent.
  void close();

 private:
  Scheduler& scheduler_;
  Timers timers_{scheduler_};
  SerialQueue queue_{"sync", 64};
};

}  // namespace imapfs::sync

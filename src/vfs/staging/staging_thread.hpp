#pragma once
// The thread "staging": one job after the other, so that what belongs to staged files needs no lock. Jobs for a later
// time are posted by the application's scheduler.
//
// Jobs posted from within a job run right after it. Others wait for room, which the disk makes; those for a later time
// are tried again soon instead, because nobody may hold up the scheduler. After close() jobs are dropped.
//
// Held by a shared_ptr: completions that the account calls after the owner has gone find that out by a weak reference,
// and their jobs are dropped. Errors: none. Threads: any.

#include <memory>
#include <utility>

#include "imapfs/base/serial_queue.hpp"
#include "imapfs/base/timers.hpp"

namespace imapfs::vfs {

class StagingThread : public std::enable_shared_from_this<StagingThread> {
 public:
  /// The scheduler outlives this.
  explicit StagingThread(Scheduler& scheduler) : timers_(scheduler) {}
  ~StagingThread() { close(); }
  StagingThread(const StagingThread&) = delete;
  StagingThread& operator=(const StagingThread&) = delete;

  void post(Job job);
  /// Posts `job` after `delay`, unless the thread is closed by then.
  void later(SteadyClock::duration delay, Job job);
  /// No later job is posted any more; runs what is queued, then joins. Not to be called from a job.
  void close();

  /// A completion that posts `function` with its result, unless the thread is gone.
  template <class T, class Function>
  [[nodiscard]] Completion<T> completion(Function function) {
    return [weak = weak_from_this(), function = std::move(function)](Result<T> result) {
      if (const auto thread = weak.lock()) {
        thread->post([function, result = std::move(result)]() mutable { function(std::move(result)); });
      }
    };
  }
  /// A job that posts `job`, unless the thread is gone.
  [[nodiscard]] Job posting(Job job);

 private:
  Timers timers_;
  SerialQueue queue_{"staging", 1024, SerialQueue::FollowUps::first};
};

}  // namespace imapfs::vfs

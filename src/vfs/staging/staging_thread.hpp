#pragma once
// The thread "staging": one job after the other, so that what belongs to staged files needs no lock. It also keeps the
// thread "staging-timer", which posts jobs at a later time and starts with the first of them.
//
// Jobs posted from within a job run right after it. Others wait for room, which the disk makes. After close() jobs are
// dropped.
//
// Held by a shared_ptr: completions that the account calls after the owner has gone find that out by a weak reference,
// and their jobs are dropped. Errors: none. Threads: any.

#include <memory>
#include <mutex>
#include <utility>

#include "imapfs/base/serial_queue.hpp"

namespace imapfs::vfs {

class StagingThread : public std::enable_shared_from_this<StagingThread> {
 public:
  StagingThread() = default;
  ~StagingThread() { close(); }
  StagingThread(const StagingThread&) = delete;
  StagingThread& operator=(const StagingThread&) = delete;

  void post(Job job);
  /// Posts `job` after `delay`, unless the thread is closed by then.
  void later(SteadyClock::duration delay, Job job);
  /// No later job starts any more; runs what is queued, then joins.
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
  std::mutex timer_mutex_;
  bool closed_ = false;               ///< guarded by timer_mutex_
  std::unique_ptr<Scheduler> timer_;  ///< guarded by timer_mutex_
  SerialQueue queue_{"staging", 1024, SerialQueue::FollowUps::first};
};

}  // namespace imapfs::vfs

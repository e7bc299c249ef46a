#pragma once
// Runs jobs in the order in which they were posted, one at a time, on the threads that post them.
//
// post() only queues, so it may be called with a lock held. drain() runs the queued jobs, unless another thread (or a
// caller further up this thread's stack) is doing so; that one then runs these jobs too. So a job may still be pending
// when drain() returns: put what must follow it into another job. The queue's length has no limit, but each poster
// drains it.

#include <deque>
#include <mutex>
#include <utility>

#include "imapfs/base/executor.hpp"

namespace imapfs::sync {

class Strand {
 public:
  void post(Job job) {
    const std::lock_guard guard(mutex_);
    jobs_.push_back(std::move(job));
  }

  void drain() {
    std::unique_lock lock(mutex_);
    if (running_) return;
    running_ = true;
    while (!jobs_.empty()) {
      Job job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job();
      job = nullptr;  // captures are destroyed without the lock
      lock.lock();
    }
    running_ = false;
  }

 private:
  std::mutex mutex_;
  std::deque<Job> jobs_;
  bool running_ = false;
};

}  // namespace imapfs::sync

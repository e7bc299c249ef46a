#pragma once
// Jobs in the order they were posted, one at a time, on the threads that post them.
//
// post() may be called with a lock held: it only queues. drain() runs what is queued unless another thread (or a caller
// further up this thread's stack) is doing so already, which then runs these jobs too. So a job may still be pending
// when drain() returns; whoever must know that it ran puts what follows into a job. The queue is as long as the posters
// let it become: each drains what it posts.

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

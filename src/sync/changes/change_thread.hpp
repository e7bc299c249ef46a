#pragma once
// The thread "journal", on which every decision about changes is made. It works in rounds: first what was requested is
// accepted, then the jobs that have been posted run in their order. So a job finds accepted what its user requested
// before he posted it, and whoever is told of an end finds accepted what that end has led to. What only this thread
// touches needs no lock.
//
// post(), wake() and stop() may be called from any thread and return at once; close() joins.

#include <atomic>
#include <vector>

#include "imapfs/base/concurrency.hpp"
#include "imapfs/base/serial_queue.hpp"

namespace imapfs::sync {

class ChangeThread {
 public:
  /// `accept_requests` begins each round.
  explicit ChangeThread(Job accept_requests);
  ChangeThread(const ChangeThread&) = delete;
  ChangeThread& operator=(const ChangeThread&) = delete;

  /// Never waits, and never refuses: what a job stands for was accepted before.
  void post(Job job);
  /// There are requests.
  void wake();
  /// Nothing is begun any more.
  void stop() { stopping_ = true; }
  [[nodiscard]] bool stopping() const { return stopping_; }
  /// Runs what was posted, then joins; what is posted later is dropped. Idempotent.
  void close();

 private:
  void run_rounds();

  const Job accept_requests_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> run_queued_{false};
  Guarded<std::vector<Job>> jobs_;
  SerialQueue queue_;
};

}  // namespace imapfs::sync

#pragma once
// The thread "staging": one job after the other, so that what belongs to staged files needs no lock.
//
// Jobs posted from within a job run right after it, on the same thread, and never wait for room in the queue (the
// thread would wait for itself). Others wait for room, which the disk makes. After close() jobs are dropped.

#include <vector>

#include "imapfs/base/executor.hpp"

namespace imapfs::vfs {

class StagingThread {
 public:
  StagingThread();
  ~StagingThread() { close(); }
  StagingThread(const StagingThread&) = delete;
  StagingThread& operator=(const StagingThread&) = delete;

  void post(Job job);
  /// Runs what is queued, then joins.
  void close() { worker_.close(); }
  /// Waits until everything posted before has run. Not from the thread itself.
  void drain() { worker_.drain(); }

 private:
  static constexpr std::size_t capacity = 1024;
  void run(const Job& job);

  std::vector<Job> follow_ups_;  ///< touched by the thread alone
  Worker worker_;
};

}  // namespace imapfs::vfs

#pragma once
// Who serves what: holds the jobs that wait, gives each to a connection as soon as one may serve it, and ends those
// that expire, are cancelled or have nobody left to wait for.
//
// The pool's mutex, which it shares with the table, guards it; each function says whether it is called with it held.
// The thread "imap-queue" starts with the first job and ends jobs that expire or are cancelled while they wait.

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "imap/pool/connectivity.hpp"
#include "imap/pool/job_queue.hpp"

namespace imapfs::imap {

class Dispatcher {
 public:
  /// What a connection's thread does next: a job, or finding out whether its session still answers. Neither: it ends.
  struct Task {
    QueuedJobPointer job;
    bool ask = false;
  };

  Dispatcher(std::mutex& mutex, ConnectionTable& table, Connectivity& connectivity, std::size_t queue_limit);

  // Without the mutex.
  void submit(PoolJob job);
  /// Waits for it, on the thread of `place`.
  Task next_task(ConnectionState& place);
  /// After the table was closed and the waiting jobs were taken.
  void join();

  // With the mutex.
  /// Gives waiting jobs to free places. What cannot be served for want of a connection is taken out into `refused`.
  void dispatch(std::vector<RefusedJob>& refused);
  /// Its connection was lost: it is the next of its kind. False if the pool closes.
  bool put_back(QueuedJobPointer queued);
  /// Something has changed that waiting jobs depend on: imap-queue looks at them.
  void look_again() { changed_.notify_one(); }
  [[nodiscard]] std::size_t waiting() const { return queue_.size(); }
  std::deque<QueuedJobPointer> take_waiting() { return queue_.take_all(); }

 private:
  [[nodiscard]] JobQueue::Verdict judge(const QueuedJobPointer& queued, SteadyClock::time_point now,
                                        std::vector<RefusedJob>& refused);
  ConnectionState* find_place(const QueuedJob& queued, SteadyClock::time_point now);
  Result<void> accept(const QueuedJobPointer& queued);
  void run_queue_watch();
  std::vector<RefusedJob> take_ended(SteadyClock::time_point now);
  [[nodiscard]] Deadline next_turn(SteadyClock::time_point now) const;

  std::mutex& mutex_;
  ConnectionTable& table_;
  Connectivity& connectivity_;
  const std::size_t queue_limit_;
  JobQueue queue_;
  std::condition_variable changed_;
  std::jthread queue_watch_;
};

}  // namespace imapfs::imap

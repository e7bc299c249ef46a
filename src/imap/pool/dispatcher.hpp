#pragma once
// Holds the waiting jobs, gives each to a connection as soon as one may serve it, and ends jobs that expire, are
// cancelled or can get no connection.
//
// It shares the pool's mutex with the table; each function says whether it is called with the mutex held. The thread
// "imap-queue" starts with the first job and ends jobs that expire or are cancelled while they wait.

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
  /// What a connection's thread does next: run a job, or ask whether its session still answers. If neither, the thread
  /// ends.
  struct Task {
    QueuedJobPointer job;
    bool ask = false;
  };

  Dispatcher(std::mutex& mutex, ConnectionTable& table, Connectivity& connectivity, std::size_t queue_limit);

  // Without the mutex.
  void submit(PoolJob job);
  /// Waits for a task, on the thread of `place`.
  Task next_task(ConnectionState& place);
  /// Called after the table was closed and the waiting jobs were taken.
  void join();

  // With the mutex.
  /// Gives waiting jobs to free places. Moves jobs that can get no connection to `refused`.
  void dispatch(std::vector<RefusedJob>& refused);
  /// Queues a job again, before others of its kind, after its connection was lost. False if the pool closes.
  bool put_back(QueuedJobPointer queued);
  /// Something has changed for waiting jobs: imap-queue looks at them again.
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

#pragma once
// One named thread that runs jobs one after the other, so that what only these jobs touch needs no lock.
//
// The queue is bounded for all threads but its own: a job that posts another one never waits for room, because the
// thread would wait for itself. What a job throws ends there (exception_barrier.hpp). Any thread may call everything
// here, except where it is said otherwise. The destructor runs what is queued, then joins.

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

#include "imapfs/base/executor.hpp"

namespace imapfs {

class SerialQueue {
 public:
  /// When a job runs that was posted by a job of the same queue: after all that are queued already, or before them, as
  /// soon as the running one has ended.
  enum class FollowUps : std::uint8_t { last, first };

  SerialQueue(std::string name, std::size_t capacity, FollowUps follow_ups = FollowUps::last);
  ~SerialQueue() { close(); }
  SerialQueue(const SerialQueue&) = delete;
  SerialQueue& operator=(const SerialQueue&) = delete;

  /// Queues `job`; waits for room when the queue is full. False, and the job is dropped, after close(); jobs that still
  /// run may post others until the last has ended.
  bool post(Job job);
  /// As post(), but false at once when the queue is full, for the queue's own thread too.
  [[nodiscard]] bool try_post(Job job);
  /// Whether the caller is a job of this queue.
  [[nodiscard]] bool runs_here() const { return std::this_thread::get_id() == id_; }
  /// Waits until everything posted before this call has run. Not from a job of the queue.
  void drain();
  /// Runs what is queued, then joins. Idempotent. Not from a job of the queue.
  void close();

 private:
  void run(const std::string& name);
  void run_next(const std::string& name, std::unique_lock<std::mutex>& lock);
  bool post_own(Job job);

  const std::size_t capacity_;
  const FollowUps follow_ups_;
  std::mutex mutex_;  ///< a leaf
  std::condition_variable ready_;
  std::condition_variable room_;
  std::deque<Job> jobs_;
  std::deque<Job> first_;  ///< posted by the running job, if those come first
  bool closed_ = false;
  std::thread::id id_;  ///< set before the thread does anything
  std::thread thread_;
};

}  // namespace imapfs

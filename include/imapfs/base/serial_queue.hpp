#pragma once
// A named thread that runs jobs one after the other. Data that only these jobs touch needs no lock.
//
// The queue is bounded for all other threads. A job that posts another one never waits for room, because its thread
// would wait for itself. An exception of a job ends there (exception_barrier.hpp). Any thread may call everything here,
// except where a comment says otherwise. The destructor runs the queued jobs, then joins.

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
  /// When to run a job that was posted by a job of the same queue: after all queued jobs, or before them.
  enum class FollowUps : std::uint8_t { last, first };

  SerialQueue(std::string name, std::size_t capacity, FollowUps follow_ups = FollowUps::last);
  ~SerialQueue() { close(); }
  SerialQueue(const SerialQueue&) = delete;
  SerialQueue& operator=(const SerialQueue&) = delete;

  /// Queues `job`; waits for room when the queue is full. After close(): drops the job and returns false, but jobs that
  /// still run may post others.
  bool post(Job job);
  /// As post(), but returns false at once when the queue is full, also for a job of this queue.
  [[nodiscard]] bool try_post(Job job);
  [[nodiscard]] bool runs_here() const { return std::this_thread::get_id() == id_; }
  /// Waits until everything posted before this call has run. Not from a job of the queue.
  void drain();
  /// Runs the queued jobs, then joins. Idempotent. Not from a job of the queue.
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
  std::deque<Job> first_;  ///< posted by the running job, with FollowUps::first
  bool closed_ = false;
  std::thread::id id_;  ///< set before the thread runs anything
  std::thread thread_;
};

}  // namespace imapfs

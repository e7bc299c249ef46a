#include "imapfs/base/serial_queue.hpp"

#include <future>
#include <utility>

#include "imapfs/base/exception_barrier.hpp"

namespace imapfs {

SerialQueue::SerialQueue(std::string name, std::size_t capacity, FollowUps follow_ups)
    : capacity_(capacity), follow_ups_(follow_ups) {
  const std::lock_guard guard(mutex_);  // the thread waits for this lock, so it finds its id set
  thread_ = std::thread([this, name = std::move(name)] {
    name_this_thread(name);
    run(name);
  });
  id_ = thread_.get_id();
}

bool SerialQueue::post(Job job) {
  if (runs_here()) return post_own(std::move(job));
  {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [&] { return closed_ || jobs_.size() < capacity_; });
    if (closed_) return false;
    jobs_.push_back(std::move(job));
  }
  ready_.notify_one();
  return true;
}

bool SerialQueue::post_own(Job job) {
  const std::lock_guard guard(mutex_);
  (follow_ups_ == FollowUps::first ? first_ : jobs_).push_back(std::move(job));
  return true;
}

bool SerialQueue::try_post(Job job) {
  {
    const std::lock_guard guard(mutex_);
    if (closed_ || jobs_.size() >= capacity_) return false;
    jobs_.push_back(std::move(job));
  }
  ready_.notify_one();
  return true;
}

void SerialQueue::drain() {
  std::promise<void> reached;
  auto future = reached.get_future();
  if (post([&reached] { reached.set_value(); })) future.wait();
}

void SerialQueue::close() {
  {
    const std::lock_guard guard(mutex_);
    closed_ = true;
  }
  ready_.notify_all();
  room_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void SerialQueue::run(const std::string& name) {
  std::unique_lock lock(mutex_);
  while (true) {
    ready_.wait(lock, [&] { return closed_ || !jobs_.empty() || !first_.empty(); });
    if (jobs_.empty() && first_.empty()) return;
    run_next(name, lock);
  }
}

void SerialQueue::run_next(const std::string& name, std::unique_lock<std::mutex>& lock) {
  auto& queue = first_.empty() ? jobs_ : first_;
  Job job = std::move(queue.front());
  queue.pop_front();
  lock.unlock();
  room_.notify_one();
  (void)run_contained(name, job);
  job = nullptr;  // destroy captures outside the lock
  lock.lock();
}

}  // namespace imapfs

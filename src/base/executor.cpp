#include "imapfs/base/executor.hpp"

#include <pthread.h>

#include <algorithm>
#include <climits>

#include "imapfs/base/exception_barrier.hpp"

namespace imapfs {

int CallContext::poll_timeout() const {
  if (deadline == Deadline::max()) return -1;
  const auto left = deadline - SteadyClock::now();
  if (left <= SteadyClock::duration::zero()) return 0;
  // Round up: a wake-up a fraction of a millisecond early would spin with a timeout of 0.
  const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(left).count();
  return static_cast<int>(std::min<std::int64_t>(milliseconds, INT_MAX));
}

Result<void> CallContext::check() const {
  if (cancelled()) return fail(EINTR, "cancelled");
  if (expired()) return fail(ETIMEDOUT, Scope::request, Retry::later, "deadline passed");
  return {};
}

void name_this_thread(const std::string& name) { pthread_setname_np(pthread_self(), name.substr(0, 15).c_str()); }

Scheduler::Scheduler(std::string name)
    : thread_([this, name = std::move(name)](const std::stop_token& stop) {
        name_this_thread(name);
        run(stop);
      }) {}

Scheduler::~Scheduler() { close(); }

Scheduler::Id Scheduler::at(Deadline when, Job job) {
  Id id;
  {
    std::lock_guard guard(mutex_);
    id = next_id_++;
    due_.emplace(std::make_pair(when, id), std::move(job));
    by_id_.emplace(id, when);
  }
  changed_.notify_all();
  return id;
}

bool Scheduler::cancel(Id id) {
  std::lock_guard guard(mutex_);
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return false;
  due_.erase({found->second, id});
  by_id_.erase(found);
  return true;
}

void Scheduler::close() {
  thread_.request_stop();
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Scheduler::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    if (due_.empty()) {
      changed_.wait(lock, stop, [&] { return !due_.empty(); });
      continue;
    }
    const auto first = due_.begin();
    const auto when = first->first.first;
    if (SteadyClock::now() < when) {
      const auto first_id = first->first.second;
      changed_.wait_until(lock, stop, when, [&] { return due_.empty() || due_.begin()->first.second != first_id; });
      continue;
    }
    Job job = std::move(first->second);
    by_id_.erase(first->first.second);
    due_.erase(first);
    lock.unlock();
    (void)run_contained("a timer", job);
    job = nullptr;  // destroy captures outside the lock
    lock.lock();
  }
}

}  // namespace imapfs

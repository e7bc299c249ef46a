#include "vfs/staging/staging_thread.hpp"

#include "imapfs/base/exception_barrier.hpp"

namespace imapfs::vfs {

namespace {

/// The staging thread that runs on this thread; a process may have several.
thread_local const StagingThread* running = nullptr;

}  // namespace

StagingThread::StagingThread() : worker_("staging", capacity) {}

void StagingThread::post(Job job) {
  if (running == this) return follow_ups_.push_back(std::move(job));
  worker_.post([this, job = std::move(job)] { run(job); });
}

void StagingThread::later(SteadyClock::duration delay, Job job) {
  const std::lock_guard guard(timer_mutex_);
  if (closed_) return;
  if (!timer_) timer_ = std::make_unique<Scheduler>("staging-timer");
  timer_->after(delay, [this, job = std::move(job)] { post(job); });
}

void StagingThread::close() {
  std::unique_ptr<Scheduler> timer;
  {
    const std::lock_guard guard(timer_mutex_);
    closed_ = true;
    timer = std::move(timer_);
  }
  timer.reset();
  worker_.close();
}

Job StagingThread::posting(Job job) {
  return [weak = weak_from_this(), job = std::move(job)] {
    if (const auto thread = weak.lock()) thread->post(job);
  };
}

void StagingThread::run(const Job& job) {
  running = this;
  (void)run_contained("staging", job);
  while (!follow_ups_.empty()) {
    for (const auto& next : std::exchange(follow_ups_, {})) (void)run_contained("staging", next);
  }
  running = nullptr;
}

}  // namespace imapfs::vfs

#include "vfs/staging/staging_thread.hpp"

namespace imapfs::vfs {

void StagingThread::post(Job job) { queue_.post(std::move(job)); }

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
  queue_.close();
}

Job StagingThread::posting(Job job) {
  return [weak = weak_from_this(), job = std::move(job)] {
    if (const auto thread = weak.lock()) thread->post(job);
  };
}

}  // namespace imapfs::vfs

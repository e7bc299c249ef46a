#include "vfs/staging/staging_thread.hpp"

namespace imapfs::vfs {
namespace {

/// Between two attempts to post a job while there is no room.
constexpr std::chrono::milliseconds pause{100};

}  // namespace

void StagingThread::post(Job job) { queue_.post(std::move(job)); }

void StagingThread::later(SteadyClock::duration delay, Job job) {
  timers_.after(delay, [this, job = std::move(job)] {
    if (!queue_.try_post(job)) later(pause, job);
  });
}

void StagingThread::close() {
  timers_.close();
  queue_.close();
}

Job StagingThread::posting(Job job) {
  return [weak = weak_from_this(), job = std::move(job)] {
    if (const auto thread = weak.lock()) thread->post(job);
  };
}

}  // namespace imapfs::vfs

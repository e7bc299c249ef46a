#include "vfs/staging/staging_thread.hpp"

#include <utility>

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

void StagingThread::run(const Job& job) {
  running = this;
  (void)run_contained("staging", job);
  while (!follow_ups_.empty()) {
    for (const auto& next : std::exchange(follow_ups_, {})) (void)run_contained("staging", next);
  }
  running = nullptr;
}

}  // namespace imapfs::vfs

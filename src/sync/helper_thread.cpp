#include "sync/helper_thread.hpp"

#include <atomic>
#include <chrono>
#include <memory>
#include <utility>

namespace imapfs::sync {
namespace {

constexpr auto room_retry = std::chrono::seconds(1);

}  // namespace

HelperThread::HelperThread(Scheduler& scheduler) : scheduler_(scheduler) {}

HelperThread::~HelperThread() {
  close_timers();
  close();
}

bool HelperThread::try_post(Job job) { return queue_.try_post(std::move(job)); }

void HelperThread::after(SteadyClock::duration delay, Job job) { timers_.after(delay, std::move(job)); }

void HelperThread::post_after(SteadyClock::duration delay, Job job) {
  after(delay, [this, job = std::move(job)] {
    if (!try_post(job)) post_after(room_retry, job);
  });
}

Completion<void> HelperThread::with_patience(SteadyClock::duration longest, Completion<void> done) {
  auto called = std::make_shared<std::atomic<bool>>(false);
  const auto timer = scheduler_.after(longest, [called, done] {
    if (!called->exchange(true)) done({});
  });
  return [called, done = std::move(done), timer, &scheduler = scheduler_](const Result<void>& result) {
    if (called->exchange(true)) return;
    scheduler.cancel(timer);
    done(result);
  };
}

void HelperThread::close_timers() { timers_.close(); }

void HelperThread::close() { queue_.close(); }

}  // namespace imapfs::sync

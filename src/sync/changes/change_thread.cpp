#include "sync/changes/change_thread.hpp"

#include <utility>

#include "imapfs/base/exception_barrier.hpp"

namespace imapfs::sync {
namespace {

/// One run is queued at most while another one runs.
constexpr std::size_t most_runs_waiting = 2;

}  // namespace

ChangeThread::ChangeThread(Job accept_requests)
    : accept_requests_(std::move(accept_requests)), queue_("journal", most_runs_waiting) {}

void ChangeThread::post(Job job) {
  jobs_.lock()->push_back(std::move(job));
  wake();
}

void ChangeThread::wake() {
  if (!run_queued_.exchange(true)) (void)queue_.try_post([this] { run_rounds(); });
}

void ChangeThread::run_rounds() {
  run_queued_ = false;
  while (true) {
    std::vector<Job> jobs;
    jobs_.lock()->swap(jobs);
    (void)run_contained("journal", accept_requests_);
    if (jobs.empty()) return;
    for (const auto& job : jobs) (void)run_contained("journal", job);
  }
}

void ChangeThread::close() {
  stop();
  queue_.close();
  std::vector<Job> dropped;
  jobs_.lock()->swap(dropped);
}

}  // namespace imapfs::sync

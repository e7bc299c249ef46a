#include "imap/pool/job_queue.hpp"

#include <algorithm>
#include <utility>

namespace imapfs::imap {

void JobQueue::offer(const std::function<Verdict(const QueuedJobPointer&)>& judge) {
  for (auto* jobs : {&interactive_, &background_}) {
    for (auto place = jobs->begin(); place != jobs->end();) {
      const auto queued = *place;
      const auto verdict = queued->stop.stop_requested() ? Verdict::leave : judge(queued);
      if (verdict == Verdict::stop) break;
      if (verdict == Verdict::take) place = jobs->erase(place);
      else ++place;
    }
  }
}

std::vector<RefusedJob> JobQueue::take_ended(SteadyClock::time_point now, const Error* unreachable) {
  const Error too_late{ETIMEDOUT, Scope::request, Retry::later, "no connection became free in time"};
  std::vector<RefusedJob> ended;
  for (auto* jobs : {&interactive_, &background_}) {
    std::erase_if(*jobs, [&](const QueuedJobPointer& queued) {
      const bool cancelled = queued->stop.stop_requested();
      if (!cancelled && now < queued->job.context.deadline) return false;
      if (cancelled) ended.push_back({queued, Error{EINTR, Scope::request, Retry::never, "cancelled"}});
      else ended.push_back({queued, unreachable != nullptr ? *unreachable : too_late});
      return true;
    });
  }
  return ended;
}

std::deque<QueuedJobPointer> JobQueue::take_all() {
  auto all = std::exchange(interactive_, {});
  all.insert(all.end(), background_.begin(), background_.end());
  background_.clear();
  return all;
}

Deadline JobQueue::next_turn(SteadyClock::time_point now, const ConnectGate* gate) const {
  auto next = Deadline::max();
  const auto consider = [&](Deadline when) {
    if (when > now) next = std::min(next, when);
  };
  for (const auto* jobs : {&interactive_, &background_}) {
    for (const auto& queued : *jobs) {
      // A deadline that has passed since `now` must be noticed at once.
      next = std::min(next, queued->job.context.deadline);
      consider(queued->not_before);
      // Somebody may begin to wait for this job at any time.
      if (gate != nullptr) consider(gate->next_try(queued->eager() || queued->job.awaited != nullptr));
    }
  }
  return next;
}

}  // namespace imapfs::imap

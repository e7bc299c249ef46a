#include "imap/pool/dispatcher.hpp"

#include <algorithm>
#include <memory>
#include <utility>

namespace imapfs::imap {

Dispatcher::Dispatcher(std::mutex& mutex, ConnectionTable& table, Connectivity& connectivity, std::size_t queue_limit)
    : mutex_(mutex), table_(table), connectivity_(connectivity), queue_limit_(queue_limit) {}

void Dispatcher::submit(PoolJob job) {
  const auto queued = std::make_shared<QueuedJob>(std::move(job));
  // Runs on the thread that requests the stop. That thread may hold locks of its own, so this only sets a mark.
  queued->on_stop.emplace(queued->job.context.stop, [this, stop = queued->stop]() mutable {
    stop.request_stop();
    const std::lock_guard lock(mutex_);
    look_again();
  });
  std::vector<RefusedJob> refused;
  {
    const std::lock_guard lock(mutex_);
    if (auto accepted = accept(queued); !accepted) refused.push_back({queued, std::move(accepted).error()});
    else dispatch(refused);
    look_again();
  }
  complete(std::move(refused));
}

Result<void> Dispatcher::accept(const QueuedJobPointer& queued) {
  if (table_.closed()) return fail(ECANCELED, "the connections are being closed");
  IMAPFS_TRY(queued->context().check());
  if (queue_.size() >= queue_limit_) return fail(EAGAIN, Scope::request, Retry::later, "too many requests are waiting");
  if (!queue_watch_.joinable()) queue_watch_ = std::jthread([this] { run_queue_watch(); });
  queue_.push_back(queued);
  return {};
}

void Dispatcher::dispatch(std::vector<RefusedJob>& refused) {
  if (table_.closed()) return;
  const auto now = SteadyClock::now();
  queue_.offer([&](const QueuedJobPointer& queued) { return judge(queued, now, refused); });
}

JobQueue::Verdict Dispatcher::judge(const QueuedJobPointer& queued, SteadyClock::time_point now,
                                    std::vector<RefusedJob>& refused) {
  if (!queued->interactive() && !table_.background_allowed()) return JobQueue::Verdict::stop;
  const bool hopeless = connectivity_.hopeless(now);
  const bool may_be_served = queued->not_before <= now && !(queued->tried && hopeless);
  if (auto* place = may_be_served ? find_place(*queued, now) : nullptr) {
    table_.assign(*place, queued);
    return JobQueue::Verdict::take;
  }
  if (!hopeless) return JobQueue::Verdict::leave;
  refused.push_back({queued, connectivity_.last_failure()});
  return JobQueue::Verdict::take;
}

ConnectionState* Dispatcher::find_place(const QueuedJob& queued, SteadyClock::time_point now) {
  // While attempts fail, prefer a live session; the gate decides about a new connection.
  if (connectivity_.closed_gate() != nullptr)
    if (auto* live = table_.choose(queued.job, false)) return live;
  auto* place = table_.choose(queued.job, true);
  if (place == nullptr || place->connected) return place;
  return connectivity_.try_attempt(queued.eager(), now) ? place : nullptr;
}

bool Dispatcher::put_back(QueuedJobPointer queued) {
  if (table_.closed()) return false;
  queue_.push_front(std::move(queued));
  look_again();
  return true;
}

Dispatcher::Task Dispatcher::next_task(ConnectionState& place) {
  std::unique_lock lock(mutex_);
  std::vector<RefusedJob> refused;
  place.busy = place.finishing = false;
  if (!place.assigned) dispatch(refused);
  if (!refused.empty()) {
    lock.unlock();
    complete(std::move(refused));
    lock.lock();
  }
  place.work.wait(lock, [&] { return table_.closed() || place.assigned || place.to_be_asked; });
  place.busy = true;
  // If the connection is in doubt, an assigned job checks it.
  const bool ask = std::exchange(place.to_be_asked, false);
  if (ask && !place.assigned && !table_.closed()) return {nullptr, true};
  place.running = std::exchange(place.assigned, nullptr);
  return {place.running};
}

void Dispatcher::join() {
  if (queue_watch_.joinable()) queue_watch_.join();
}

void Dispatcher::run_queue_watch() {
  name_this_thread("imap-queue");
  std::unique_lock lock(mutex_);
  while (!table_.closed()) {
    const auto now = SteadyClock::now();
    auto ended = take_ended(now);
    dispatch(ended);
    if (!ended.empty()) {
      lock.unlock();
      connectivity_.report();
      complete(std::move(ended));
      ended.clear();
      lock.lock();
      continue;
    }
    const auto next = next_turn(now);
    // wait_until() converts to another clock, where the maximum would overflow.
    if (next == Deadline::max()) changed_.wait(lock);
    else changed_.wait_until(lock, next);
  }
}

std::vector<RefusedJob> Dispatcher::take_ended(SteadyClock::time_point now) {
  const bool unreachable = connectivity_.closed_gate() != nullptr && !table_.any_connected();
  return queue_.take_ended(now, unreachable ? &connectivity_.last_failure() : nullptr);
}

Deadline Dispatcher::next_turn(SteadyClock::time_point now) const {
  const auto next = queue_.next_turn(now, connectivity_.closed_gate());
  return queue_.empty() ? next : std::min(next, connectivity_.next_turn(now));
}

}  // namespace imapfs::imap

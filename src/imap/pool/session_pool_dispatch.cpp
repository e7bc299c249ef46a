// Who serves what: the choice of a slot for each waiting job, the end of jobs that waited too long, and the reports of
// connectivity.

#include <algorithm>
#include <tuple>

#include "imap/pool/session_pool_implementation.hpp"
#include "imapfs/base/exception_barrier.hpp"
#include "imapfs/base/telemetry.hpp"

namespace imapfs::imap {
namespace {

/// So long an attempt may go on and those who come still wait for its outcome, though others have failed for longer
/// than anybody waits.
constexpr auto promising = std::chrono::seconds(5);

}  // namespace

void SessionPool::Implementation::dispatch(std::vector<Refused>& refused) {
  if (closed_) return;
  dispatch_queue(interactive_, refused);
  dispatch_queue(background_, refused);
}

void SessionPool::Implementation::dispatch_queue(std::deque<EntryPointer>& queue, std::vector<Refused>& refused) {
  const auto now = SteadyClock::now();
  for (auto place = queue.begin(); place != queue.end();) {
    const auto entry = *place;
    // imap-queue completes it; no session is to be spent on it.
    if (entry->stop.stop_requested()) {
      ++place;
      continue;
    }
    if (!entry->interactive() && !background_allowed()) return;
    const bool may_be_served = entry->not_before <= now && !(entry->tried && hopeless(now));
    Slot* slot = may_be_served ? find_slot(*entry, now) : nullptr;
    if (slot != nullptr) {
      place = queue.erase(place);
      assign(*slot, entry);
    } else if (hopeless(now)) {
      place = queue.erase(place);
      refused.push_back({entry, gate_.last_error()});
    } else {
      ++place;
    }
  }
}

SessionPool::Implementation::Slot* SessionPool::Implementation::find_slot(const Entry& entry,
                                                                          SteadyClock::time_point now) {
  // After a failure live sessions come before a new connection, and the gate decides about that.
  if (gate_.failing())
    if (Slot* live = choose_slot(entry.job, false)) return live;
  Slot* slot = choose_slot(entry.job, true);
  if (slot == nullptr || slot->connected) return slot;
  return gate_.try_enter(entry.eager(), now) ? slot : nullptr;
}

SessionPool::Implementation::Slot* SessionPool::Implementation::choose_slot(const PoolJob& job, bool may_connect) {
  const bool waits = job.goes_on && soon_free(job.mailbox);
  const auto rank = [&](const Slot& slot) {
    // A slot whose thread is only calling a completion is as good as free: what that one submits finds its session.
    if (slot.assigned || slot.to_be_asked || (slot.busy && !slot.finishing)) return 4;
    if (slot.connected && !job.mailbox.empty() && slot.selected == job.mailbox) return 0;
    if (slot.connected && slot.selected.empty()) return 1;
    if (waits) return 4;
    // A job that needs no mailbox takes any session rather than a connection of its own.
    if (!slot.connected) return !may_connect ? 4 : job.mailbox.empty() ? 3 : 2;
    return job.mailbox.empty() ? 2 : 3;
  };
  Slot* best = nullptr;
  auto best_key = std::make_tuple(4, SteadyClock::time_point::min());
  for (const auto& slot : slots_) {
    const auto key = std::make_tuple(rank(*slot), slot->last_used);
    if (key < best_key) {
      best = slot.get();
      best_key = key;
    }
  }
  return best;
}

bool SessionPool::Implementation::soon_free(const WireName& mailbox) const {
  return std::any_of(slots_.begin(), slots_.end(), [&](const auto& slot) {
    return slot->connected && slot->selected == mailbox && !slot->assigned && slot->running &&
           !slot->running->job.goes_on;
  });
}

bool SessionPool::Implementation::background_allowed() const {
  const auto running = std::count_if(slots_.begin(), slots_.end(), [](const auto& slot) {
    const auto& entry = slot->assigned ? slot->assigned : slot->running;
    return entry && !entry->interactive();
  });
  return static_cast<std::size_t>(running) < std::max<std::size_t>(slots_.size() - 1, 1);
}

std::size_t SessionPool::Implementation::live_slots() const {
  return static_cast<std::size_t>(
      std::count_if(slots_.begin(), slots_.end(), [](const auto& slot) { return slot->connected; }));
}

bool SessionPool::Implementation::hopeless(SteadyClock::time_point now) const {
  return gate_.gives_up(now) && live_slots() == 0 && !connects_lately(now);
}

bool SessionPool::Implementation::connects_lately(SteadyClock::time_point now) const {
  return std::any_of(slots_.begin(), slots_.end(), [now](const auto& slot) {
    const auto& entry = slot->assigned ? slot->assigned : slot->running;
    const bool about_to = entry && entry->may_connect;
    return about_to || (slot->connecting_since && now < *slot->connecting_since + promising);
  });
}

void SessionPool::Implementation::assign(Slot& slot, EntryPointer entry) {
  entry->may_connect = !slot.connected;
  slot.assigned = std::move(entry);
  wake(slot);
}

void SessionPool::Implementation::wake(Slot& slot) {
  if (!slot.thread.joinable()) slot.thread = std::jthread([this, &slot] { run_slot(slot); });
  slot.work.notify_one();
}

void SessionPool::Implementation::complete(const EntryPointer& entry, Result<void> result) {
  entry->on_stop.reset();
  if (!result && entry->job.context.cancelled()) result = fail(EINTR, "{}: cancelled", entry->job.what);
  else if (!result && entry->stop.stop_requested())
    result = fail(ECANCELED, "{}: the connections are being closed", entry->job.what);
  if (!entry->job.done) return;
  const auto done = std::exchange(entry->job.done, nullptr);
  (void)run_contained(entry->job.what, [&] { done(std::move(result)); });
}

void SessionPool::Implementation::complete(std::vector<Refused> refused) {
  for (auto& [entry, error] : refused) {
    auto what = entry->job.what;
    complete(entry, fail(what.empty() ? std::move(error) : std::move(error).while_doing(what)));
  }
}

void SessionPool::Implementation::run_queue_watch() {
  name_this_thread("imap-queue");
  Lock lock(mutex_);
  while (!closed_) {
    something_stopped_ = false;
    const auto now = SteadyClock::now();
    auto ended = take_ended(now);
    dispatch(ended);
    if (!ended.empty()) {
      lock.unlock();
      report_connectivity();
      complete(std::move(ended));
      ended.clear();
      lock.lock();
      continue;
    }
    const auto next = next_turn(now);
    // wait_until() converts to another clock, in which the maximum would overflow.
    if (next == Deadline::max()) queue_changed_.wait(lock);
    else queue_changed_.wait_until(lock, next);
  }
}

Deadline SessionPool::Implementation::next_turn(SteadyClock::time_point now) const {
  auto next = Deadline::max();
  const auto consider = [&](Deadline when) {
    if (when > now) next = std::min(next, when);
  };
  for (const auto* queue : {&interactive_, &background_}) {
    for (const auto& entry : *queue) {
      // What has ended since `now` is to be found at once.
      next = std::min(next, entry->job.context.deadline);
      consider(entry->not_before);
      // Somebody may begin to wait at any time.
      if (gate_.failing()) consider(gate_.next_try(entry->eager() || entry->job.awaited != nullptr));
    }
  }
  if (!gate_.failing() || (interactive_.empty() && background_.empty())) return next;
  consider(gate_.given_up_at());
  for (const auto& slot : slots_)
    if (slot->connecting_since) consider(*slot->connecting_since + promising);
  return next;
}

std::vector<SessionPool::Implementation::Refused> SessionPool::Implementation::take_ended(SteadyClock::time_point now) {
  std::vector<Refused> ended;
  for (auto* queue : {&interactive_, &background_}) {
    std::erase_if(*queue, [&](const EntryPointer& entry) {
      if (entry->stop.stop_requested()) {
        ended.push_back({entry, Error{EINTR, Scope::request, Retry::never, "cancelled"}});
      } else if (now >= entry->job.context.deadline && gate_.failing() && live_slots() == 0) {
        ended.push_back({entry, gate_.last_error()});
      } else if (now >= entry->job.context.deadline) {
        ended.push_back({entry, Error{ETIMEDOUT, Scope::request, Retry::later, "no connection became free in time"}});
      } else {
        return false;
      }
      return true;
    });
  }
  return ended;
}

void SessionPool::Implementation::report_connectivity() {
  Lock lock(mutex_);
  const bool connected = live_slots() > 0;
  if (!connected && !gate_.gives_up(SteadyClock::now())) return;  // nothing is known yet
  if (online_ == connected) return;
  online_ = connected;
  if (listener_ == nullptr) return;
  reports_.emplace_back(connected, connected ? "connected" : gate_.last_error().what);
  // One thread at a time reports, so that two changes in a row arrive in order.
  if (std::exchange(reporting_, true)) return;
  while (!reports_.empty()) {
    const auto [state, why] = std::move(reports_.front());
    reports_.pop_front();
    lock.unlock();
    listener_->on_online(state, why);
    lock.lock();
  }
  reporting_ = false;
}

}  // namespace imapfs::imap

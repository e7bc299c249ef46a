#include "imap/pool/connection_table.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace imapfs::imap {
namespace {

/// New jobs wait for the outcome of an attempt that is younger than this, even if attempts have failed for longer than
/// a job normally waits.
constexpr auto promising = std::chrono::seconds(5);

const QueuedJobPointer& current_job(const ConnectionState& place) {
  return place.assigned ? place.assigned : place.running;
}

}  // namespace

ConnectionTable::ConnectionTable(std::size_t places) {
  for (std::size_t i = 0; i < std::max<std::size_t>(places, 1); ++i) {
    places_.push_back(std::make_unique<ConnectionState>());
    places_.back()->name = fmt::format("imap-{}", i + 1);
  }
}

ConnectionState* ConnectionTable::choose(const PoolJob& job, bool may_connect) {
  const bool waits = job.goes_on && soon_free(job.mailbox);
  const auto rank = [&](const ConnectionState& place) {
    // A place whose thread only runs a completion counts as free, so that a job submitted there gets its session.
    if (place.assigned || place.to_be_asked || (place.busy && !place.finishing)) return 4;
    if (place.connected && !job.mailbox.empty() && place.selected == job.mailbox) return 0;
    if (place.connected && place.selected.empty()) return 1;
    if (waits) return 4;
    // A job without a mailbox takes any session before it opens a connection.
    if (!place.connected) return !may_connect ? 4 : job.mailbox.empty() ? 3 : 2;
    return job.mailbox.empty() ? 2 : 3;
  };
  ConnectionState* best = nullptr;
  auto best_key = std::make_tuple(4, SteadyClock::time_point::min());
  for (const auto& place : places_) {
    const auto key = std::make_tuple(rank(*place), place->last_used);
    if (key < best_key) {
      best = place.get();
      best_key = key;
    }
  }
  return best;
}

void ConnectionTable::assign(ConnectionState& place, QueuedJobPointer queued) {
  queued->may_connect = !place.connected;
  place.assigned = std::move(queued);
  wake(place);
}

std::optional<std::size_t> ConnectionTable::unconnected() const {
  for (std::size_t i = 0; i < places_.size(); ++i)
    if (!places_[i]->busy && !places_[i]->connected) return i;
  return std::nullopt;
}

void ConnectionTable::wake(ConnectionState& place) {
  if (!place.thread.joinable()) place.thread = std::jthread(place.run);
  place.work.notify_one();
}

bool ConnectionTable::soon_free(const WireName& mailbox) const {
  return std::any_of(places_.begin(), places_.end(), [&](const auto& place) {
    return place->connected && place->selected == mailbox && !place->assigned && place->running &&
           !place->running->job.goes_on;
  });
}

bool ConnectionTable::background_allowed() const {
  const auto in_background = std::count_if(places_.begin(), places_.end(), [](const auto& place) {
    const auto& queued = current_job(*place);
    return queued && !queued->interactive();
  });
  return static_cast<std::size_t>(in_background) < std::max<std::size_t>(places_.size() - 1, 1);
}

bool ConnectionTable::any_connected() const {
  return std::any_of(places_.begin(), places_.end(), [](const auto& place) { return place->connected; });
}

bool ConnectionTable::connects_lately(SteadyClock::time_point now) const {
  return std::any_of(places_.begin(), places_.end(), [now](const auto& place) {
    const auto& queued = current_job(*place);
    const bool about_to = queued && queued->may_connect;
    return about_to || (place->connecting_since && now < *place->connecting_since + promising);
  });
}

Deadline ConnectionTable::next_attempt_to_age(SteadyClock::time_point now) const {
  auto next = Deadline::max();
  for (const auto& place : places_) {
    if (!place->connecting_since) continue;
    const auto aged = *place->connecting_since + promising;
    if (aged > now) next = std::min(next, aged);
  }
  return next;
}

void ConnectionTable::suspect_all() {
  for (const auto& place : places_) {
    place->suspect = true;
    // A place that only runs a completion rests soon, and is asked then.
    if (closed_ || !place->connected || (place->busy && !place->finishing) || place->assigned) continue;
    place->to_be_asked = true;
    wake(*place);
  }
}

void ConnectionTable::tell_to_leave(const ConnectionState& teller, const WireName& mailbox) {
  for (const auto& place : places_) {
    if (place->connected) place->saw_names_go = true;
    if (place.get() == &teller || !place->connected) continue;
    auto& names = place->to_leave;
    if (std::find(names.begin(), names.end(), mailbox) == names.end()) names.push_back(mailbox);
    if (place->selected.starts_with(mailbox)) place->selected.clear();
  }
}

void ConnectionTable::close() {
  closed_ = true;
  for (const auto& place : places_) place->work.notify_one();
}

std::vector<QueuedJobPointer> ConnectionTable::take_assigned() {
  std::vector<QueuedJobPointer> taken;
  for (const auto& place : places_)
    if (place->assigned) taken.push_back(std::exchange(place->assigned, nullptr));
  return taken;
}

std::vector<QueuedJobPointer> ConnectionTable::running() const {
  std::vector<QueuedJobPointer> found;
  for (const auto& place : places_)
    if (place->running) found.push_back(place->running);
  return found;
}

}  // namespace imapfs::imap

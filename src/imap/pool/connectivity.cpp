#include "imap/pool/connectivity.hpp"

#include <algorithm>

namespace imapfs::imap {
namespace {

/// A connection attempt first gets this share of the time: if its handshake is lost on the way, there is time for
/// another.
constexpr int share_of_connect_timeout = 3;
constexpr SteadyClock::duration least_attempt_patience = std::chrono::seconds(5);

}  // namespace

Connectivity::Connectivity(std::mutex& mutex, const ConnectionTable& table, const SessionPool::Settings& settings,
                           PoolListener* listener)
    : mutex_(mutex), table_(table), listener_(listener), connect_timeout_(settings.connect_timeout),
      gate_(settings.reconnect), attempt_patience_(shortest_patience()) {}

SteadyClock::duration Connectivity::shortest_patience() const {
  return std::min(connect_timeout_, std::max(connect_timeout_ / share_of_connect_timeout, least_attempt_patience));
}

bool Connectivity::hopeless(SteadyClock::time_point now) const {
  return gate_.gives_up(now) && !table_.any_connected() && !table_.connects_lately(now);
}

Deadline Connectivity::next_turn(SteadyClock::time_point now) const {
  if (!gate_.failing()) return Deadline::max();
  const auto aged = table_.next_attempt_to_age(now);
  return gate_.given_up_at() > now ? std::min(gate_.given_up_at(), aged) : aged;
}

void Connectivity::attempt_failed(const Error& error, bool counts, SteadyClock::time_point started,
                                  SteadyClock::time_point now) {
  if (error.errnum == ETIMEDOUT && now - started >= attempt_patience_)
    attempt_patience_ = std::min(2 * attempt_patience_, connect_timeout_);
  if (!counts) return;
  gate_.failed(error, started, now);
  last_error_ = error.what;
}

void Connectivity::attempt_succeeded(SteadyClock::time_point started, SteadyClock::time_point now) {
  gate_.succeeded();
  attempt_patience_ = std::clamp(share_of_connect_timeout * (now - started), shortest_patience(), connect_timeout_);
}

void Connectivity::session_lost(const Error& reason, bool by_itself, SteadyClock::time_point now) {
  if (by_itself) last_error_ = reason.what;
  // "Suggested Backoff Time": the server wants to be left alone by every job.
  if (suggested_backoff_ms(reason.what)) gate_.asked_to_wait(reason, now);
}

void Connectivity::report() {
  std::unique_lock lock(mutex_);
  const bool connected = table_.any_connected();
  if (!connected && !gate_.gives_up(SteadyClock::now())) return;  // nothing is known yet
  if (online_ == connected) return;
  online_ = connected;
  if (listener_ == nullptr) return;
  reports_.emplace_back(connected, connected ? "connected" : gate_.last_error().what);
  // One thread at a time reports, so that two changes arrive in order.
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

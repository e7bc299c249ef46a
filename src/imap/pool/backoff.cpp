#include "imapfs/imap/backoff.hpp"

#include <algorithm>
#include <memory>
#include <random>
#include <utility>

#include "imapfs/imap/server_traits.hpp"

namespace imapfs::imap {
namespace {

std::function<double()> own_generator() {
  return [engine = std::minstd_rand(std::random_device{}())]() mutable {
    return std::uniform_real_distribution<double>(0.0, 1.0)(engine);
  };
}

SteadyClock::duration scaled(SteadyClock::duration duration, double factor) {
  return std::chrono::duration_cast<SteadyClock::duration>(duration * factor);
}

}  // namespace

Backoff::Backoff(Settings settings, std::function<double()> random)
    : settings_(settings), random_(random ? std::move(random) : own_generator()) {}

SteadyClock::duration Backoff::next(const Error& error) {
  const double random = random_();
  auto delay = settings_.first;
  for (std::uint32_t i = 0; i < failures_ && delay < settings_.cap; ++i) delay *= 2;
  ++failures_;
  delay = std::min(scaled(std::min(delay, settings_.cap), 0.75 + 0.5 * random), settings_.cap);
  if (error.scope == Scope::account) delay = std::max(delay, scaled(settings_.account, 1.0 + 0.25 * random));
  if (const auto hint = suggested_backoff_ms(error.what)) {
    const auto asked = std::min<SteadyClock::duration>(std::chrono::milliseconds(*hint), settings_.longest_hint);
    delay = std::max(delay, scaled(asked, 1.0 + 0.25 * random));
  }
  return delay;
}

bool ConnectGate::try_enter(bool eager, Deadline now) {
  if (failing()) {
    const bool due = now >= next_attempt_;
    if (!due && now < next_try(eager)) return false;
    // One probe per delay: requests that come while it is under way must not queue up behind it.
    if (due) next_attempt_ = now + delay_;
  }
  last_attempt_ = now;
  return true;
}

Deadline ConnectGate::given_up_at() const {
  if (unwanted_) return Deadline::min();
  return failing_since_ ? *failing_since_ + settings_.grace : Deadline::max();
}

Deadline ConnectGate::next_try(bool eager) const {
  if (!eager || unwanted_ || busy_) return next_attempt_;
  const auto rested = last_attempt_ ? std::max(*last_attempt_, last_failure_) + settings_.eager_after : Deadline::min();
  return std::min(next_attempt_, rested);
}

void ConnectGate::failed(const Error& error, Deadline started, Deadline now) {
  const bool counted = failing() && started < last_failure_;
  last_error_ = error;
  last_failure_ = now;
  if (!failing_since_) failing_since_ = started;
  unwanted_ = error.scope == Scope::account || suggested_backoff_ms(error.what).has_value();
  busy_ = error.errnum == EAGAIN;
  if (counted && !unwanted_) return;
  delay_ = backoff_.next(error);
  next_attempt_ = now + delay_;
}

void ConnectGate::succeeded() {
  last_error_.reset();
  failing_since_.reset();
  backoff_.reset();
  unwanted_ = busy_ = false;
}

void ConnectGate::forget() {
  backoff_.reset();
  delay_ = settings_.backoff.first;
  next_attempt_ = Deadline{};
  last_attempt_.reset();
  failing_since_.reset();
  unwanted_ = busy_ = false;
}

}  // namespace imapfs::imap

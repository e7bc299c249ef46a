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
    const bool rested = !last_attempt_ || now - std::max(*last_attempt_, last_failure_) >= settings_.eager_after;
    const bool eager_due = eager && !waits_for_everyone_ && rested;
    if (!due && !eager_due) return false;
    // One probe per delay: those that come while it is under way are not to pile up behind it.
    if (due) next_attempt_ = now + delay_;
  }
  last_attempt_ = now;
  return true;
}

void ConnectGate::failed(const Error& error, Deadline started, Deadline now) {
  const bool counted = failing() && started < last_failure_;
  last_error_ = error;
  last_failure_ = now;
  waits_for_everyone_ = error.scope == Scope::account || suggested_backoff_ms(error.what).has_value();
  if (counted && !waits_for_everyone_) return;
  delay_ = backoff_.next(error);
  next_attempt_ = now + delay_;
}

void ConnectGate::succeeded() {
  last_error_.reset();
  backoff_.reset();
  waits_for_everyone_ = false;
}

void ConnectGate::forget() {
  backoff_.reset();
  delay_ = settings_.backoff.first;
  next_attempt_ = Deadline{};
  last_attempt_.reset();
  waits_for_everyone_ = false;
}

}  // namespace imapfs::imap

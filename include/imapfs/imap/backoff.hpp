#pragma once
// When to try to connect again: delays that double with jitter and honour what the server asked for, and the gate that
// decides whether a job may attempt a connection now. Time is passed in, so nothing here waits. Plain objects without
// locks: their owners guard them.

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

#include "imapfs/base/executor.hpp"
#include "imapfs/base/result.hpp"

namespace imapfs::imap {

/// Delays after failures in a row.
class Backoff {
 public:
  struct Settings {
    SteadyClock::duration first = std::chrono::seconds(1);
    SteadyClock::duration cap = std::chrono::seconds(60);
    /// After an Error of scope account: a refused login that is repeated can lock the account.
    SteadyClock::duration account = std::chrono::minutes(5);
    /// The longest wait a server can talk us into; throttling of 300 s is common (Exchange).
    SteadyClock::duration longest_hint = std::chrono::minutes(15);
  };

  /// `random` gives numbers in [0, 1); empty: a generator of its own, differently seeded in every object.
  explicit Backoff(Settings settings, std::function<double()> random = {});

  /// The delay after one more failure: within a quarter of first, twice that … cap; never less than the server asked
  /// for in the error's text.
  SteadyClock::duration next(const Error& error);
  /// It worked: the next failure starts again at `first`.
  void reset() { failures_ = 0; }
  [[nodiscard]] std::uint32_t failures() const { return failures_; }

 private:
  Settings settings_;
  std::function<double()> random_;
  std::uint32_t failures_ = 0;
};

/// Decides whether a connection may be attempted, and for how long it is worth waiting for one. Open until an attempt
/// fails; then one attempt per delay is let through, and besides one for a person who waits every `eager_after`, except
/// after an Error of scope account and where the server says that it is busy.
class ConnectGate {
 public:
  struct Settings {
    Backoff::Settings backoff;
    SteadyClock::duration eager_after = std::chrono::seconds(1);
    /// So long attempts may fail before those who wait are told. A server that restarts, or a network that changes, is
    /// back before; and it is half of what programs wait for by default.
    SteadyClock::duration grace = std::chrono::seconds(15);
  };

  explicit ConnectGate(Settings settings) : settings_(settings), backoff_(settings.backoff) {}

  [[nodiscard]] bool failing() const { return last_error_.has_value(); }
  /// Attempts have failed for the whole grace, or the server does not want any: nobody is to be kept waiting.
  [[nodiscard]] bool gives_up(Deadline now) const { return failing() && now >= given_up_at(); }
  /// Since when, or from when on, gives_up() holds if nothing succeeds; only while failing().
  [[nodiscard]] Deadline given_up_at() const;
  /// When try_enter() will let the next attempt through; only while failing().
  [[nodiscard]] Deadline next_try(bool eager) const;
  /// Whether an attempt may start now; if so it counts as made. `eager`: a person waits.
  bool try_enter(bool eager, Deadline now);
  /// An attempt that began at `started` failed. Attempts that ran side by side count as one failure.
  void failed(const Error& error, Deadline started, Deadline now);
  /// The server asked us to stay away although a connection existed (throttling): as after a failed attempt.
  void asked_to_wait(const Error& error, Deadline now) { failed(error, now, now); }
  void succeeded();
  /// The network came back: the next attempt is free, and worth waiting for.
  void forget();
  /// The failure that keeps the gate closed; only while failing().
  [[nodiscard]] const Error& last_error() const { return *last_error_; }

 private:
  Settings settings_;
  Backoff backoff_;
  std::optional<Error> last_error_;
  SteadyClock::duration delay_{};
  Deadline next_attempt_{};
  std::optional<Deadline> last_attempt_;
  std::optional<Deadline> failing_since_;  ///< when the first of the attempts in a row that failed began
  Deadline last_failure_ = Deadline::min();
  bool unwanted_ = false;  ///< account or server's wish: there is no point in waiting
  bool busy_ = false;      ///< the server's answer: eager attempts wait as all others do
};

}  // namespace imapfs::imap

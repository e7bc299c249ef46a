#pragma once
// When to try to connect again: delays that double with jitter and honour what the server asked for, and the gate that decides whether
// a job may attempt a connection now. Time is passed in, so nothing here waits. Plain objects without locks: their owners guard them.

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

/// Decides whether a connection may be attempted. Open until an attempt fails; then one attempt per delay is let through, and besides one for a
/// person who waits every `eager_after`, except after an Error of scope account.
class ConnectGate {
 public:
  struct Settings {
    Backoff::Settings backoff;
    SteadyClock::duration eager_after = std::chrono::seconds(1);
  };

  explicit ConnectGate(Settings settings) : settings_(settings), backoff_(settings.backoff) {}

  [[nodiscard]] bool failing() const { return last_error_.has_value(); }
  /// Whether an attempt may start now; if so it counts as made. `eager`: a person waits.
  bool try_enter(bool eager, Deadline now);
  /// An attempt that began at `started` failed. Attempts that ran side by side count as one failure.
  void failed(const Error& error, Deadline started, Deadline now);
  /// The server asked us to stay away although a connection existed (throttling): as after a failed attempt.
  void asked_to_wait(const Error& error, Deadline now) { failed(error, now, now); }
  void succeeded();
  /// The network came back: the next attempt is free.
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
  Deadline last_failure_ = Deadline::min();
  bool waits_for_everyone_ = false;  ///< account or server's wish: eager attempts wait too
};

}  // namespace imapfs::imap

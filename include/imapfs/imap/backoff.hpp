#pragma once
// When to try to connect again: delays that double with jitter and respect what the server asks for, and the gate that
// decides whether a job may attempt a connection now. Time is passed in, so nothing here waits. Plain objects without
// locks: their owners guard them.

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

#include "imapfs/base/executor.hpp"
#include "imapfs/base/result.hpp"

namespace imapfs::imap {

/// The delays between failures in a row.
class Backoff {
 public:
  struct Settings {
    SteadyClock::duration first = std::chrono::seconds(1);
    SteadyClock::duration cap = std::chrono::seconds(60);
    /// At least this long after an Error of scope account: repeating a refused login can lock the account.
    SteadyClock::duration account = std::chrono::minutes(5);
    /// The longest wait that a server can ask for; throttling for 300 s is common (Exchange).
    SteadyClock::duration longest_hint = std::chrono::minutes(15);
  };

  /// `random` returns numbers in [0, 1). Empty: each object gets a generator with its own seed.
  explicit Backoff(Settings settings, std::function<double()> random = {});

  /// The delay after one more failure: first, twice that … up to cap, each varied by up to a quarter. Never shorter
  /// than what the server asked for in the error's text.
  SteadyClock::duration next(const Error& error);
  /// An attempt succeeded: the next failure starts again at `first`.
  void reset() { failures_ = 0; }
  [[nodiscard]] std::uint32_t failures() const { return failures_; }

 private:
  Settings settings_;
  std::function<double()> random_;
  std::uint32_t failures_ = 0;
};

/// Decides whether a connection may be attempted, and for how long it is worth waiting for one. The gate is open until
/// an attempt fails. Then one attempt per delay may start, and also one every `eager_after` while a person waits. The
/// latter does not apply after an Error of scope account, or while the server asks to wait or says that it is busy.
class ConnectGate {
 public:
  struct Settings {
    Backoff::Settings backoff;
    SteadyClock::duration eager_after = std::chrono::seconds(1);
    /// Attempts may fail for this long before waiting jobs are told. A server that restarts, or a network that changes,
    /// is back sooner; and it is half of what programs wait for by default.
    SteadyClock::duration grace = std::chrono::seconds(15);
  };

  explicit ConnectGate(Settings settings) : settings_(settings), backoff_(settings.backoff) {}

  [[nodiscard]] bool failing() const { return last_error_.has_value(); }
  /// Attempts have failed for the whole grace, or the server wants none: nobody should wait any longer.
  [[nodiscard]] bool gives_up(Deadline now) const { return failing() && now >= given_up_at(); }
  /// The time from which gives_up() holds if no attempt succeeds; only while failing().
  [[nodiscard]] Deadline given_up_at() const;
  /// When try_enter() will allow the next attempt; only while failing().
  [[nodiscard]] Deadline next_try(bool eager) const;
  /// Whether an attempt may start now; if so, it counts as started. `eager`: a person waits.
  bool try_enter(bool eager, Deadline now);
  /// An attempt that began at `started` failed. Attempts that ran side by side count as one failure.
  void failed(const Error& error, Deadline started, Deadline now);
  /// The server asked us on an open connection to stay away (throttling). Works as a failed attempt.
  void asked_to_wait(const Error& error, Deadline now) { failed(error, now, now); }
  void succeeded();
  /// The network came back: the next attempt may start at once, and waiting for it makes sense.
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
  std::optional<Deadline> failing_since_;  ///< when the first attempt of the present series of failures began
  Deadline last_failure_ = Deadline::min();
  bool unwanted_ = false;  ///< an Error of scope account, or the server asked to wait: waiting is pointless
  bool busy_ = false;      ///< the server says that it is busy: eager attempts wait as long as others
};

}  // namespace imapfs::imap

#pragma once
// Whether the server can be reached: when the next connection may be attempted, how long an attempt may take, when
// waiting jobs are told that there is no connection, and what the listener is told.
//
// The pool's mutex guards it and is held in calls of every function but report().

#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "imap/pool/connection_table.hpp"

namespace imapfs::imap {

class Connectivity {
 public:
  Connectivity(std::mutex& mutex, const ConnectionTable& table, const SessionPool::Settings& settings,
               PoolListener* listener);

  /// The gate for the next attempt while attempts fail; else null.
  [[nodiscard]] const ConnectGate* closed_gate() const { return gate_.failing() ? &gate_ : nullptr; }
  /// Why the gate is closed; only while it is.
  [[nodiscard]] const Error& last_failure() const { return gate_.last_error(); }
  /// Whether an attempt may start now; if so, it counts as started. `eager`: a person waits.
  bool try_attempt(bool eager, SteadyClock::time_point now) { return gate_.try_enter(eager, now); }
  [[nodiscard]] SteadyClock::duration attempt_patience() const { return attempt_patience_; }
  /// There is no connection, and attempts have failed for so long that nobody should wait any longer.
  [[nodiscard]] bool hopeless(SteadyClock::time_point now) const;
  /// When that may next become true, after `now`.
  [[nodiscard]] Deadline next_turn(SteadyClock::time_point now) const;

  /// `counts`: the failure says something about the server.
  void attempt_failed(const Error& error, bool counts, SteadyClock::time_point started, SteadyClock::time_point now);
  void attempt_succeeded(SteadyClock::time_point started, SteadyClock::time_point now);
  /// The pool was given an open session.
  void adopted() { gate_.succeeded(); }
  /// A session was lost. `by_itself`: not because its job was cancelled.
  void session_lost(const Error& reason, bool by_itself, SteadyClock::time_point now);
  /// The network came back: the next attempt may start at once.
  void forget_failures() { gate_.forget(); }

  [[nodiscard]] bool online() const { return online_.value_or(false); }
  [[nodiscard]] const std::string& last_error() const { return last_error_; }

  /// Tells the listener of changes of connectivity, in order. Called without the mutex.
  void report();

 private:
  [[nodiscard]] SteadyClock::duration shortest_patience() const;

  std::mutex& mutex_;
  const ConnectionTable& table_;
  PoolListener* const listener_;
  const SteadyClock::duration connect_timeout_;
  ConnectGate gate_;
  SteadyClock::duration attempt_patience_;
  std::optional<bool> online_;  ///< empty until known
  std::string last_error_;
  std::deque<std::pair<bool, std::string>> reports_;  ///< for the listener, in order
  bool reporting_ = false;
};

}  // namespace imapfs::imap

#pragma once
// Decides whether a silent connection is dead or its server only slow.
//
// Nothing reports that a NAT has forgotten a connection or that a network is gone; until an answer is overdue, a dead
// connection looks like a resting one. So the other connections are asked, and their answers decide. A plain object:
// the pool's mutex guards it. Time is passed in.

#include "imapfs/imap/session_pool.hpp"

namespace imapfs::imap {

class Liveness {
 public:
  explicit Liveness(const SessionPool::Settings& settings);

  /// A connection that was asked has answered.
  void answered(SteadyClock::time_point now) { last_answer_ = now; }
  /// A connection that was asked has not answered.
  void lost_silently(SteadyClock::time_point now) { last_silent_loss_ = now; }
  /// A command was silent for this long and then answered: the server is slow.
  void server_took(SteadyClock::duration silence);

  /// Whether to give up a connection whose command has been silent for this long. `repeatable`: its job can run again
  /// on another connection and has not been given up for silence before.
  [[nodiscard]] bool is_dead(SteadyClock::duration silent, bool repeatable, SteadyClock::time_point now) const;
  /// Whether to ask the other connections now; if so, that counts as done.
  bool begin_doubt(SteadyClock::time_point now);

 private:
  const SessionPool::Settings& settings_;
  SteadyClock::duration patience_;  ///< with silence, without other evidence; grows with a slow server
  SteadyClock::time_point last_silent_loss_{};
  SteadyClock::time_point last_answer_{};
  SteadyClock::time_point last_doubt_{};
};

}  // namespace imapfs::imap

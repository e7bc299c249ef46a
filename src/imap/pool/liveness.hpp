#pragma once
// Whether a connection that is silent is dead, or its server only slow.
//
// Nobody is told when a NAT forgets a connection or a network is gone; until an answer is overdue, a dead connection
// looks like one that rests. So the others are asked, and their answers judge. A plain object: the pool's mutex guards
// it. Time is passed in.

#include "imapfs/imap/session_pool.hpp"

namespace imapfs::imap {

class Liveness {
 public:
  explicit Liveness(const SessionPool::Settings& settings);

  /// A connection that was asked has answered.
  void answered(SteadyClock::time_point now) { last_answer_ = now; }
  /// One that was asked has not.
  void lost_silently(SteadyClock::time_point now) { last_silent_loss_ = now; }
  /// A command was silent for so long and then answered: this server takes its time.
  void server_took(SteadyClock::duration silence);

  /// Whether to give up a connection whose command has been silent for so long. `repeatable`: its job can run again on
  /// another, and has not been given up for silence before.
  [[nodiscard]] bool is_dead(SteadyClock::duration silent, bool repeatable, SteadyClock::time_point now) const;
  /// Whether to ask the others now; if so it counts as done.
  bool begin_doubt(SteadyClock::time_point now);

 private:
  const SessionPool::Settings& settings_;
  SteadyClock::duration patience_;  ///< with silence while nobody knows better; grows with a server that takes its time
  SteadyClock::time_point last_silent_loss_{};
  SteadyClock::time_point last_answer_{};
  SteadyClock::time_point last_doubt_{};
};

}  // namespace imapfs::imap

#pragma once
// What each connection of the pool is doing; jobs are distributed by it.
//
// Plain objects: the pool's mutex guards them. Sessions are not here; each belongs to its connection's thread.

#include <condition_variable>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "imap/pool/queued_job.hpp"

namespace imapfs::imap {

/// A place for one session. Its thread starts when first needed.
struct ConnectionState {
  std::string name;              ///< "imap-1"
  std::function<void()> run;     ///< the thread's body
  std::condition_variable work;  ///< signals that there is something to do, or that the pool closes
  QueuedJobPointer assigned;     ///< chosen for this place, not yet taken by its thread
  QueuedJobPointer running;
  bool busy = false;
  bool finishing = false;  ///< busy only with a completion: counts as free
  std::optional<SteadyClock::time_point> connecting_since;
  bool connected = false;    ///< there is a session
  bool suspect = false;      ///< another connection was lost since: check before reuse
  bool to_be_asked = false;  ///< its thread must find out whether the session still answers
  std::string description;
  WireName selected;
  std::vector<WireName> to_leave;  ///< from PoolJob::unmakes of other places
  bool saw_names_go = false;       ///< some place ran a job with PoolJob::unmakes since this session was opened
  SteadyClock::time_point last_used{};
  std::jthread thread;
};

class ConnectionTable {
 public:
  explicit ConnectionTable(std::size_t places);
  [[nodiscard]] const std::vector<std::unique_ptr<ConnectionState>>& places() const { return places_; }

  /// The best place for `job` now, or null. Without `may_connect`, only a place with a session.
  ConnectionState* choose(const PoolJob& job, bool may_connect);
  void assign(ConnectionState& place, QueuedJobPointer queued);
  /// The index of a place that has no session and is not busy.
  [[nodiscard]] std::optional<std::size_t> unconnected() const;

  /// Whether a background job may start: if there are two places or more, one is kept free of them.
  [[nodiscard]] bool background_allowed() const;
  [[nodiscard]] bool any_connected() const;
  /// Whether an attempt is young enough for new jobs to wait for its outcome.
  [[nodiscard]] bool connects_lately(SteadyClock::time_point now) const;
  /// When the next attempt stops being that young, after `now`.
  [[nodiscard]] Deadline next_attempt_to_age(SteadyClock::time_point now) const;

  /// Has all resting sessions asked whether they still answer; the others are checked before their next use.
  void suspect_all();
  /// `teller` has removed or renamed `mailbox`: the other sessions leave it before they do anything else.
  void tell_to_leave(const ConnectionState& teller, const WireName& mailbox);

  /// From now on no thread starts; waiting threads are woken.
  void close();
  [[nodiscard]] bool closed() const { return closed_; }
  /// Takes the jobs that were assigned and have not begun.
  std::vector<QueuedJobPointer> take_assigned();
  [[nodiscard]] std::vector<QueuedJobPointer> running() const;

 private:
  static void wake(ConnectionState& place);
  /// Whether a connection with `mailbox` selected runs a job that is not of the kind that goes on.
  [[nodiscard]] bool soon_free(const WireName& mailbox) const;

  std::vector<std::unique_ptr<ConnectionState>> places_;
  bool closed_ = false;
};

}  // namespace imapfs::imap

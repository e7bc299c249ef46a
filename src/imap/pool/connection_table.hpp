#pragma once
// What each of the pool's connections is doing, as whoever distributes jobs sees it.
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

/// A place for one session, with a thread that is started when it is first needed.
struct ConnectionState {
  std::string name;              ///< "imap-1"
  std::function<void()> run;     ///< the thread's body
  std::condition_variable work;  ///< there is something to do, or the pool closes
  QueuedJobPointer assigned;     ///< chosen for this place, not yet taken by its thread
  QueuedJobPointer running;
  bool busy = false;
  bool finishing = false;  ///< busy only with a completion: as good as free
  std::optional<SteadyClock::time_point> connecting_since;
  bool connected = false;    ///< there is a session
  bool suspect = false;      ///< another connection was lost since: check before reuse
  bool to_be_asked = false;  ///< its thread is to find out whether it still answers
  std::string description;
  WireName selected;
  std::vector<WireName> to_leave;  ///< PoolJob::unmakes of others
  bool saw_names_go = false;       ///< PoolJob::unmakes, of any place, since its session was opened
  SteadyClock::time_point last_used{};
  std::jthread thread;
};

class ConnectionTable {
 public:
  explicit ConnectionTable(std::size_t places);
  [[nodiscard]] const std::vector<std::unique_ptr<ConnectionState>>& places() const { return places_; }

  /// The place that serves `job` best now, or nothing. Without `may_connect` only one that is connected.
  ConnectionState* choose(const PoolJob& job, bool may_connect);
  void assign(ConnectionState& place, QueuedJobPointer queued);
  /// The index of a place without a session whose thread has nothing to do.
  [[nodiscard]] std::optional<std::size_t> unconnected() const;

  /// One place is kept free of jobs in the background where there are two or more.
  [[nodiscard]] bool background_allowed() const;
  [[nodiscard]] bool any_connected() const;
  /// An attempt is so young that those who come still wait for its outcome.
  [[nodiscard]] bool connects_lately(SteadyClock::time_point now) const;
  /// When an attempt stops being that young, after `now`.
  [[nodiscard]] Deadline next_attempt_to_age(SteadyClock::time_point now) const;

  /// Has all that rest asked whether they still answer; the others are checked before they are used again.
  void suspect_all();
  /// `teller` has taken `mailbox` away: the others leave it before they do anything else.
  void tell_to_leave(const ConnectionState& teller, const WireName& mailbox);

  /// No thread is started any more, and those that wait are woken.
  void close();
  [[nodiscard]] bool closed() const { return closed_; }
  /// What is given to a place and not begun yet.
  std::vector<QueuedJobPointer> take_assigned();
  [[nodiscard]] std::vector<QueuedJobPointer> running() const;

 private:
  static void wake(ConnectionState& place);
  /// A connection that has `mailbox` selected does something that ends by itself.
  [[nodiscard]] bool soon_free(const WireName& mailbox) const;

  std::vector<std::unique_ptr<ConnectionState>> places_;
  bool closed_ = false;
};

}  // namespace imapfs::imap

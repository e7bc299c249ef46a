#pragma once
// A job in the pool: waiting in the queue, assigned to a connection, running there, and back in the queue after a lost
// connection.
//
// Whoever takes a job out of the queue or off a connection either completes it or puts it back, so that PoolJob::done
// is called once. Jobs are shared pointers. They are destroyed and stopped without the pool's mutex, because the stop
// callback takes it. Comments at the fields say who may access them.

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <vector>

#include "imapfs/imap/session_pool.hpp"

namespace imapfs::imap {

struct QueuedJob {
  explicit QueuedJob(PoolJob accepted) : job(std::move(accepted)) {}
  [[nodiscard]] CallContext context() const { return {stop.get_token(), job.context.deadline}; }
  [[nodiscard]] bool interactive() const { return job.priority == Priority::interactive; }
  /// Whether it deserves a connection attempt while the gate allows only few.
  [[nodiscard]] bool eager() const { return interactive() || job.changes || (job.awaited && *job.awaited); }

  PoolJob job;
  std::stop_source stop;  ///< requested by the job's own stop token, or when the pool closes
  std::optional<std::stop_callback<std::function<void()>>> on_stop;

  // Accessed only by whoever has taken the job.
  int losses = 0;  ///< connections that were lost under it
  SteadyClock::time_point first_loss{};
  SteadyClock::time_point not_before{};

  // Guarded by the pool's mutex.
  bool tried = false;        ///< one of its connections was given up for silence
  bool was_silent = false;   ///< one of its connections was given up for silence
  bool may_connect = false;  ///< the gate allowed an attempt when it was assigned to a place without a session
};

using QueuedJobPointer = std::shared_ptr<QueuedJob>;

/// A job that was taken out of the queue, and the Error it ends with.
struct RefusedJob {
  QueuedJobPointer queued;
  Error error;
};

/// Calls `done`; an exception of it ends here. A cancelled job ends with EINTR, or with ECANCELED when the pool closes.
/// Without the pool's mutex.
void complete(const QueuedJobPointer& queued, Result<void> result);
void complete(std::vector<RefusedJob> refused);

}  // namespace imapfs::imap

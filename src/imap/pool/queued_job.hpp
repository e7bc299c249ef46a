#pragma once
// A job on its way through the pool: waiting in the queue, given to a connection, running there, and back in the queue
// when its connection was lost.
//
// Whoever takes a job out of the queue or off a connection completes it or puts it back, which makes PoolJob::done
// happen once. Jobs are shared pointers, destroyed and stopped without the pool's mutex held: the stop callback takes
// it. Fields say who may touch them.

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
  /// Worth a connection attempt when the gate lets only few through.
  [[nodiscard]] bool eager() const { return interactive() || job.changes || (job.awaited && *job.awaited); }

  PoolJob job;
  std::stop_source stop;  ///< requested by the job's own stop token, or when the pool closes
  std::optional<std::stop_callback<std::function<void()>>> on_stop;

  // Only whoever has taken the job touches these.
  int losses = 0;  ///< connections that were lost under it
  SteadyClock::time_point first_loss{};
  SteadyClock::time_point not_before{};

  // Guarded by the pool's mutex.
  bool tried = false;        ///< a connection attempt of its own has failed
  bool was_silent = false;   ///< one of its connections was given up for silence
  bool may_connect = false;  ///< the gate let it through when it was given a place without a session
};

using QueuedJobPointer = std::shared_ptr<QueuedJob>;

/// A job that was taken out of the queue because nothing can serve it.
struct RefusedJob {
  QueuedJobPointer queued;
  Error error;
};

/// Calls `done`; what it throws ends here. A job that was cancelled ends with EINTR, and with ECANCELED where the pool
/// closes. Without the pool's mutex.
void complete(const QueuedJobPointer& queued, Result<void> result);
void complete(std::vector<RefusedJob> refused);

}  // namespace imapfs::imap

#include "imap/pool/job_runner.hpp"

#include <algorithm>
#include <utility>

#include "imapfs/base/exception_barrier.hpp"
#include "imapfs/base/telemetry.hpp"

namespace imapfs::imap {
namespace {

/// For a job without a deadline.
constexpr int reruns_at_most = 3;
/// The pause is this share of the time since the job's first lost connection. A short disturbance costs nearly nothing,
/// and a server that crashes because of the job is not contacted again and again.
constexpr int share_of_trouble = 8;
constexpr SteadyClock::duration shortest_pause = std::chrono::milliseconds(20);
constexpr SteadyClock::duration longest_pause = std::chrono::seconds(15);

SteadyClock::duration pause_after(SteadyClock::duration trouble) {
  return std::clamp(trouble / share_of_trouble, shortest_pause, longest_pause);
}

}  // namespace

JobRunner::JobRunner(ConnectionState& place, Dispatcher& dispatcher, const PoolConnection::Dependencies& dependencies,
                     std::stop_token closing)
    : place_(place), dispatcher_(dispatcher), mutex_(dependencies.mutex), closing_(std::move(closing)),
      connection_(place, dependencies) {
  place.run = [this] { run(); };
}

void JobRunner::run() {
  name_this_thread(place_.name);
  for (;;) {
    auto task = dispatcher_.next_task(place_);
    if (task.ask) (void)connection_.answers(CallContext{closing_});
    else if (task.job) serve(task.job);
    else break;
    // The task's job is destroyed here, without the mutex.
  }
  connection_.log_out();
}

void JobRunner::serve(const QueuedJobPointer& queued) {
  Result<void> result;
  bool had_session = false;
  const auto contained = run_contained(queued->job.what, [&] {
    result = connection_.prepare(*queued);
    had_session = result.has_value();
    if (!had_session) return;
    if (connection_.fresh()) let_others_connect();
    result = connection_.run(*queued);
  });
  if (!contained) {
    had_session = true;
    result = connection_.give_up(contained.error());
  }
  bool again = false;
  std::vector<RefusedJob> refused;
  {
    const std::lock_guard lock(mutex_);
    place_.running.reset();
    place_.last_used = SteadyClock::now();
    again = !result && run_again(queued, had_session, result.error());
    place_.finishing = true;
    dispatcher_.dispatch(refused);
  }
  if (again)
    telemetry::info("{}: {}: no connection ({}), trying again", place_.name, telemetry::printable(queued->job.what),
                    telemetry::printable(result.error().what));
  complete(std::move(refused));
  if (!again) complete(queued, std::move(result));
}

void JobRunner::let_others_connect() {
  const std::lock_guard lock(mutex_);
  dispatcher_.look_again();
}

bool JobRunner::run_again(const QueuedJobPointer& queued, bool had_session, const Error& error) {
  if (!queued->context().check()) return false;
  if (had_session) {
    const bool lost = error.scope == Scope::session && error.retry == Retry::now;
    const bool bounded = queued->job.context.deadline != Deadline::max();
    if (!lost || (!bounded && queued->losses >= reruns_at_most)) return false;
    const auto now = SteadyClock::now();
    if (++queued->losses == 1) queued->first_loss = now;
    queued->was_silent = queued->was_silent || error.errnum == ETIMEDOUT;
    if (queued->losses > 1) queued->not_before = now + pause_after(now - queued->first_loss);
  }
  // For a job that got no connection, dispatch() decides whether it waits for one.
  return dispatcher_.put_back(queued);
}

}  // namespace imapfs::imap

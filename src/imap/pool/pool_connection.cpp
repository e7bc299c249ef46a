#include "imap/pool/pool_connection.hpp"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "imapfs/base/telemetry.hpp"

namespace imapfs::imap {

void PoolConnection::adopt(std::unique_ptr<Session> session) {
  watch_silence(*session);
  take(std::move(session));
  state_.last_used = SteadyClock::now();
}

void PoolConnection::take(std::unique_ptr<Session> session) {
  session_ = std::move(session);
  state_.connected = true;
  state_.description = session_->description();
  state_.selected = session_->selected();
}

Result<void> PoolConnection::prepare(QueuedJob& queued) {
  IMAPFS_TRY(queued.context().check());
  if (session_ && still_alive(queued) && leave_unmade(queued.context())) return {};
  // The check may have used up the job's time.
  IMAPFS_TRY(queued.context().check());
  return connect(queued);
}

bool PoolConnection::still_alive(const QueuedJob& queued) {
  {
    const auto& settings = dependencies_.settings;
    const Lock lock(dependencies_.mutex);
    const auto trusted_for = queued.job.changes ? settings.change_check_after : settings.idle_check_after;
    const bool rested = SteadyClock::now() - state_.last_used >= trusted_for;
    if (!state_.suspect && !rested) return true;
  }
  return answers(queued.context());
}

bool PoolConnection::answers(CallContext context) {
  if (!session_) return false;
  const auto patience = SteadyClock::now() + dependencies_.settings.answer_patience;
  context.deadline = std::min(context.deadline, patience);
  const auto answer = session_->noop(context);
  note_state();
  const bool alive = answer || !answer.error().lost_connection();
  {
    const Lock lock(dependencies_.mutex);
    const auto now = SteadyClock::now();
    if (alive) {
      state_.suspect = false;
      dependencies_.liveness.answered(now);
    } else if (answer.error().errnum == ETIMEDOUT && now >= patience) {
      dependencies_.liveness.lost_silently(now);
    }
  }
  if (!alive) discard(answer.error());
  return alive;
}

bool PoolConnection::leave_unmade(const CallContext& context) {
  std::vector<WireName> names;
  {
    const Lock lock(dependencies_.mutex);
    names.swap(state_.to_leave);
  }
  for (const auto& name : names) {
    const auto left = session_->leave(name, context);
    {
      const Lock lock(dependencies_.mutex);
      state_.selected = session_->selected();
    }
    if (left || !left.error().lost_connection()) continue;
    discard(left.error());
    return false;
  }
  return true;
}

Result<void> PoolConnection::run(const QueuedJob& queued) {
  longest_silence_ = {};
  auto result = queued.job.run(*session_, queued.context());
  note_state();
  if (!result && blames_session(result.error())) {
    result.error().scope = Scope::session;
    result.error().retry = Retry::now;
  }
  if (!queued.job.unmakes.empty()) {
    const Lock lock(dependencies_.mutex);
    for (const auto& mailbox : queued.job.unmakes) dependencies_.table.tell_to_leave(state_, mailbox);
  }
  if (!result && result.error().lost_connection()) {
    discard(result.error());
    return result;
  }
  fresh_ = false;
  // The connection answered, so its silence meant nothing.
  const Lock lock(dependencies_.mutex);
  dependencies_.liveness.server_took(longest_silence_);
  return result;
}

/// Dovecot keeps the index of a closed mailbox in memory for a while. It answers SELECT and APPEND of a new mailbox of
/// that name with an internal error ("duplicate transaction log sequence" in its log), or as if it were the old
/// mailbox.
bool PoolConnection::blames_session(const Error& error) {
  const auto says = [&](std::string_view words) { return error.what.find(words) != std::string::npos; };
  // Only commands that have then changed nothing: a COPY or MOVE may be partly done and must not be repeated.
  const bool changed_nothing = says("SELECT: ") || says("EXAMINE: ") || says("STATUS: ") || says("APPEND: ");
  if (error.lost_connection() || !changed_nothing) return false;
  if (!says("[SERVERBUG]") && !says("Mailbox was deleted under us")) return false;
  const Lock lock(dependencies_.mutex);
  return state_.saw_names_go;
}

Result<void> PoolConnection::connect(QueuedJob& queued) {
  const auto started = SteadyClock::now();
  auto& connectivity = dependencies_.connectivity;
  auto context = queued.context();
  {
    const Lock lock(dependencies_.mutex);
    const bool granted = std::exchange(queued.may_connect, false);
    if (!granted && !connectivity.try_attempt(queued.eager(), started)) return fail(Error(connectivity.last_failure()));
    state_.connecting_since = started;
    context.deadline = std::min(context.deadline, started + connectivity.attempt_patience());
  }
  auto session = dependencies_.factory(context);
  if (session) {
    install(std::move(session).value(), started);
    return {};
  }
  connect_failed(queued, session.error(), started);
  return fail(std::move(session).error());
}

void PoolConnection::connect_failed(QueuedJob& queued, const Error& error, SteadyClock::time_point started) {
  const auto now = SteadyClock::now();
  // A job that gave up, or had little time left, says nothing about the server.
  const bool hurried = error.errnum == ETIMEDOUT && now - started < dependencies_.settings.connect_timeout / 10;
  const bool counts = !queued.stop.stop_requested() && !hurried;
  if (counts) telemetry::warning("cannot connect: {}", telemetry::printable(error.what));
  {
    const Lock lock(dependencies_.mutex);
    state_.connecting_since.reset();
    queued.tried = true;
    dependencies_.connectivity.attempt_failed(error, counts, started, now);
  }
  dependencies_.connectivity.report();
}

void PoolConnection::install(std::unique_ptr<Session> session, SteadyClock::time_point started) {
  if (dependencies_.listener != nullptr) session->set_listener(dependencies_.listener->on_session_opened(*session));
  watch_silence(*session);
  fresh_ = true;
  {
    const Lock lock(dependencies_.mutex);
    take(std::move(session));
    state_.connecting_since.reset();
    state_.suspect = false;
    dependencies_.connectivity.attempt_succeeded(started, SteadyClock::now());
  }
  dependencies_.connectivity.report();
}

void PoolConnection::discard(const Error& reason) {
  std::unique_ptr<Session> lost;
  const bool by_itself = reason.errnum != EINTR;  // with EINTR the cancellation of its job broke it
  {
    const Lock lock(dependencies_.mutex);
    lost = std::move(session_);
    state_.to_leave.clear();
    state_.saw_names_go = false;
    state_.connected = false;
    state_.selected.clear();
    if (by_itself) dependencies_.table.suspect_all();
    dependencies_.connectivity.session_lost(reason, by_itself, SteadyClock::now());
  }
  telemetry::debug("{}: connection dropped: {}", state_.name, telemetry::printable(reason.what));
  if (by_itself && dependencies_.listener != nullptr) dependencies_.listener->on_connection_doubted();
  dependencies_.connectivity.report();
}

Result<void> PoolConnection::give_up(Error error) {
  error.scope = Scope::session;
  {
    const Lock lock(dependencies_.mutex);
    state_.connecting_since.reset();
  }
  if (session_) discard(error);
  return fail(std::move(error));
}

void PoolConnection::note_state() {
  const Lock lock(dependencies_.mutex);
  state_.selected = session_->selected();
  state_.last_used = SteadyClock::now();
}

void PoolConnection::log_out() {
  if (session_) session_->logout();
  const Lock lock(dependencies_.mutex);
  state_.connected = false;
}

void PoolConnection::watch_silence(Session& session) {
  SilenceWatch watch;
  watch.every = dependencies_.settings.doubt_after / 2;
  watch.gives_up = [this](SteadyClock::duration silent, bool changing) { return gives_up(silent, changing); };
  session.set_silence_watch(std::move(watch));
}

bool PoolConnection::gives_up(SteadyClock::duration silent, bool changing) {
  if (silent < dependencies_.settings.doubt_after) return false;
  const auto now = SteadyClock::now();
  bool doubts = false;
  {
    const Lock lock(dependencies_.mutex);
    // A change must not be done twice, and a slow server may still be doing it.
    const bool repeatable = !changing && !fresh_ && state_.running && !state_.running->was_silent;
    if (dependencies_.liveness.is_dead(silent, repeatable, now)) return true;
    longest_silence_ = std::max(longest_silence_, silent);
    doubts = dependencies_.liveness.begin_doubt(now);
    if (doubts) dependencies_.table.suspect_all();
  }
  if (doubts && dependencies_.listener != nullptr) dependencies_.listener->on_connection_doubted();
  return false;
}

}  // namespace imapfs::imap

// A slot's thread: takes the job chosen for it, sees to a live session, runs the job, and again on a new connection
// when the old one was lost.

#include <algorithm>
#include <string_view>

#include "imap/pool/session_pool_implementation.hpp"
#include "imapfs/base/exception_barrier.hpp"
#include "imapfs/base/telemetry.hpp"

namespace imapfs::imap {
namespace {

/// Of a job without a deadline.
constexpr int reruns_at_most = 3;
/// A job waits a part of the time for which its connections have been lost already: a short disturbance costs nearly
/// nothing, and a server that dies of the job is not called again and again.
constexpr int share_of_trouble = 8;
constexpr SteadyClock::duration shortest_pause = std::chrono::milliseconds(20);
constexpr SteadyClock::duration longest_pause = std::chrono::seconds(15);

/// For a connection attempt, at first: one whose handshake was lost on the way leaves time for another.
constexpr int share_of_connect_timeout = 3;
constexpr SteadyClock::duration least_connect_patience = std::chrono::seconds(5);

SteadyClock::duration pause_after(SteadyClock::duration trouble) {
  return std::clamp(trouble / share_of_trouble, shortest_pause, longest_pause);
}

}  // namespace

void SessionPool::Implementation::run_slot(Slot& slot) {
  name_this_thread(slot.name);
  while (auto entry = next_entry(slot)) {
    serve(slot, entry);
    entry.reset();  // its stop callback takes the mutex: not later, under it
  }
  if (slot.session) slot.session->logout();
  const Lock lock(mutex_);
  slot.connected = false;
}

SessionPool::Implementation::EntryPointer SessionPool::Implementation::next_entry(Slot& slot) {
  Lock lock(mutex_);
  for (;;) {
    std::vector<Refused> refused;
    slot.busy = slot.finishing = false;
    if (!slot.assigned) dispatch(refused);
    if (!refused.empty()) {
      lock.unlock();
      complete(std::move(refused));
      lock.lock();
    }
    slot.work.wait(lock, [&] { return closed_ || slot.assigned || slot.to_be_asked; });
    slot.busy = true;
    if (closed_ || slot.assigned) break;
    slot.to_be_asked = false;
    lock.unlock();
    if (slot.session) (void)answers(slot, CallContext{closing_.get_token()});
    lock.lock();
  }
  slot.to_be_asked = false;  // where it was in doubt, the job's own look at it does as well
  slot.running = std::exchange(slot.assigned, nullptr);
  return slot.running;
}

void SessionPool::Implementation::serve(Slot& slot, const EntryPointer& entry) {
  Result<void> result;
  bool had_session = false;
  const auto contained = run_contained(entry->job.what, [&] {
    result = prepare_session(slot, *entry);
    had_session = result.has_value();
    if (had_session) result = run_job(slot, *entry);
  });
  if (!contained) {
    had_session = true;
    result = give_up_session(slot, contained.error());
  }
  bool again = false;
  std::vector<Refused> refused;
  {
    const Lock lock(mutex_);
    slot.running.reset();
    slot.last_used = SteadyClock::now();
    again = !result && run_again(entry, had_session, result.error());
    slot.finishing = true;
    dispatch(refused);
  }
  if (again)
    telemetry::info("{}: {}: no connection ({}), trying again", slot.name, telemetry::printable(entry->job.what),
                    telemetry::printable(result.error().what));
  complete(std::move(refused));
  if (!again) complete(entry, std::move(result));
}

bool SessionPool::Implementation::run_again(const EntryPointer& entry, bool had_session, const Error& error) {
  if (closed_ || !entry->context().check()) return false;
  if (had_session) {
    const bool lost = error.scope == Scope::session && error.retry == Retry::now;
    const bool bounded = entry->job.context.deadline != Deadline::max();
    if (!lost || (!bounded && entry->losses >= reruns_at_most)) return false;
    const auto now = SteadyClock::now();
    if (++entry->losses == 1) entry->first_loss = now;
    entry->was_silent = entry->was_silent || error.errnum == ETIMEDOUT;
    if (entry->losses > 1) entry->not_before = now + pause_after(now - entry->first_loss);
  }
  // Without a connection, dispatch() knows whether it is worth waiting for one.
  (entry->interactive() ? interactive_ : background_).push_front(entry);
  queue_changed_.notify_one();
  return true;
}

Result<void> SessionPool::Implementation::run_job(Slot& slot, const Entry& entry) {
  {
    const Lock lock(mutex_);
    slot.longest_silence = {};
  }
  auto result = entry.job.run(*slot.session, entry.context());
  note_state(slot);
  if (!result && blames_session(slot, result.error())) {
    result.error().scope = Scope::session;
    result.error().retry = Retry::now;
  }
  if (!entry.job.unmakes.empty()) {
    const Lock lock(mutex_);
    for (const auto& mailbox : entry.job.unmakes) tell_to_leave(slot, mailbox);
  }
  if (!result && result.error().scope >= Scope::session) {
    discard_session(slot, result.error());
  } else {
    const Lock lock(mutex_);
    slot.fresh = false;
    // Silence that ended with an answer was no sign of anything: this server takes its time.
    patience_ = std::max(patience_, std::min(2 * slot.longest_silence, settings_.connect_timeout));
  }
  return result;
}

Result<void> SessionPool::Implementation::prepare_session(Slot& slot, Entry& entry) {
  IMAPFS_TRY(entry.context().check());
  if (slot.session && still_alive(slot, entry) && leave_unmade(slot, entry)) return {};
  // The check may have used up the job's time.
  IMAPFS_TRY(entry.context().check());
  return connect(slot, entry);
}

void SessionPool::Implementation::tell_to_leave(const Slot& teller, const WireName& mailbox) {
  for (const auto& slot : slots_) {
    if (slot->connected) slot->saw_names_go = true;
    if (slot.get() == &teller || !slot->connected) continue;
    auto& names = slot->to_leave;
    if (std::find(names.begin(), names.end(), mailbox) == names.end()) names.push_back(mailbox);
    if (slot->selected.starts_with(mailbox)) slot->selected.clear();
  }
}

/// Dovecot keeps the index of a closed mailbox in memory for a while, and answers SELECT and APPEND of a new mailbox of
/// that name with an internal error ("duplicate transaction log sequence" in its log), or as if that were the old one.
bool SessionPool::Implementation::blames_session(const Slot& slot, const Error& error) {
  const auto says = [&](std::string_view words) { return error.what.find(words) != std::string::npos; };
  // Commands that have changed nothing then: a part of a COPY or MOVE may be carried out, and is not to be repeated.
  const bool changed_nothing = says("SELECT: ") || says("EXAMINE: ") || says("STATUS: ") || says("APPEND: ");
  if (error.scope >= Scope::session || !changed_nothing) return false;
  if (!says("[SERVERBUG]") && !says("Mailbox was deleted under us")) return false;
  const Lock lock(mutex_);
  return slot.saw_names_go;
}

bool SessionPool::Implementation::leave_unmade(Slot& slot, const Entry& entry) {
  std::vector<WireName> names;
  {
    const Lock lock(mutex_);
    names.swap(slot.to_leave);
  }
  for (const auto& name : names) {
    const auto left = slot.session->leave(name, entry.context());
    {
      const Lock lock(mutex_);
      slot.selected = slot.session->selected();
    }
    if (left || left.error().scope < Scope::session) continue;
    discard_session(slot, left.error());
    return false;
  }
  return true;
}

bool SessionPool::Implementation::still_alive(Slot& slot, const Entry& entry) {
  {
    const Lock lock(mutex_);
    const auto trusted_for = entry.job.changes ? settings_.change_check_after : settings_.idle_check_after;
    const bool rested = SteadyClock::now() - slot.last_used >= trusted_for;
    if (!slot.suspect && !rested) return true;
  }
  return answers(slot, entry.context());
}

Result<void> SessionPool::Implementation::connect(Slot& slot, Entry& entry) {
  const auto started = SteadyClock::now();
  auto context = entry.context();
  {
    const Lock lock(mutex_);
    const bool granted = std::exchange(entry.may_connect, false);
    if (!granted && !gate_.try_enter(entry.eager(), started)) return fail(Error(gate_.last_error()));
    slot.connecting_since = started;
    context.deadline = std::min(context.deadline, started + connect_patience_);
  }
  auto session = factory_(context);
  if (session) {
    install(slot, std::move(session).value(), started);
    return {};
  }
  connect_failed(slot, entry, session.error(), started);
  return fail(std::move(session).error());
}

void SessionPool::Implementation::connect_failed(Slot& slot, Entry& entry, const Error& error,
                                                 SteadyClock::time_point started) {
  const auto now = SteadyClock::now();
  // A job that gave up, or came with little time left, says nothing about the server.
  const bool hurried = error.errnum == ETIMEDOUT && now - started < settings_.connect_timeout / 10;
  const bool counts = !entry.stop.stop_requested() && !hurried;
  if (counts) telemetry::warning("cannot connect: {}", telemetry::printable(error.what));
  {
    const Lock lock(mutex_);
    slot.connecting_since.reset();
    entry.tried = true;
    if (error.errnum == ETIMEDOUT && now - started >= connect_patience_)
      connect_patience_ = std::min(2 * connect_patience_, settings_.connect_timeout);
    if (counts) {
      gate_.failed(error, started, now);
      last_error_ = error.what;
    }
  }
  report_connectivity();
}

SteadyClock::duration SessionPool::Implementation::shortest_connect_patience() const {
  return std::min(settings_.connect_timeout,
                  std::max(settings_.connect_timeout / share_of_connect_timeout, least_connect_patience));
}

void SessionPool::Implementation::install(Slot& slot, std::unique_ptr<Session> session,
                                          SteadyClock::time_point started) {
  if (listener_ != nullptr) session->set_listener(listener_->on_session_opened(*session));
  watch_silence(slot, *session);
  {
    const Lock lock(mutex_);
    slot.session = std::move(session);
    slot.connecting_since.reset();
    slot.connected = true;
    slot.suspect = false;
    slot.fresh = true;
    slot.description = slot.session->description();
    slot.selected = slot.session->selected();
    gate_.succeeded();
    const auto needed = share_of_connect_timeout * (SteadyClock::now() - started);
    connect_patience_ = std::clamp(needed, shortest_connect_patience(), settings_.connect_timeout);
    queue_changed_.notify_one();  // the others that wait may connect too
  }
  report_connectivity();
}

void SessionPool::Implementation::discard_session(Slot& slot, const Error& reason) {
  std::unique_ptr<Session> lost;
  const bool by_itself = reason.errnum != EINTR;  // else the job broke it, by cancellation
  {
    const Lock lock(mutex_);
    lost = std::move(slot.session);
    slot.to_leave.clear();
    slot.saw_names_go = false;
    slot.connected = false;
    slot.selected.clear();
    if (by_itself) {
      last_error_ = reason.what;
      ask_idle_slots();
    }
    // "Suggested Backoff Time": the server wants to be left alone, whoever asks.
    if (suggested_backoff_ms(reason.what)) gate_.asked_to_wait(reason, SteadyClock::now());
  }
  telemetry::debug("{}: connection dropped: {}", slot.name, telemetry::printable(reason.what));
  if (by_itself && listener_ != nullptr) listener_->on_connection_doubted();
  report_connectivity();
}

/// After an exception: nobody knows what is still to be read from the connection.
Result<void> SessionPool::Implementation::give_up_session(Slot& slot, Error error) {
  error.scope = Scope::session;
  {
    const Lock lock(mutex_);
    slot.connecting_since.reset();
  }
  if (slot.session) discard_session(slot, error);
  return fail(std::move(error));
}

void SessionPool::Implementation::note_state(Slot& slot) {
  const Lock lock(mutex_);
  slot.selected = slot.session->selected();
  slot.last_used = SteadyClock::now();
}

}  // namespace imapfs::imap

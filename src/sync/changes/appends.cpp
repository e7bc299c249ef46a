#include "sync/changes/appends.hpp"

#include <algorithm>
#include <ctime>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "sync/changes/append_command.hpp"
#include "sync/changes/change_errors.hpp"

namespace imapfs::sync {
namespace {

using Kind = store::JournalChange::Kind;

constexpr std::uint64_t slowest_upload = 32 * 1024;
constexpr auto reconnect_pause = std::chrono::milliseconds(500);

}  // namespace

Appends::Appends(Dependencies dependencies)
    : dependencies_(std::move(dependencies)),
      earlier_({dependencies_.thread, dependencies_.table, dependencies_.journal, dependencies_.locations,
                dependencies_.removals, dependencies_.effects, dependencies_.recorder, dependencies_.commands,
                dependencies_.submit, [this](const UploadAttemptPointer& attempt) { accept(attempt); },
                [this](const UploadAttemptPointer& attempt) {
                  if (!may_try_again(*attempt)) return false;
                  reconnect(attempt);
                  return true;
                }}) {}

void Appends::upload(const Upload& upload, Completion<Arrival> done) {
  if (dependencies_.thread.stopping()) return done(fail(not_running()));
  auto attempt = std::make_shared<UploadAttempt>();
  attempt->upload = upload;
  attempt->destination = dependencies_.locations.mailbox(upload.target.mailbox);
  if (const auto allowed = dependencies_.rights.check_upload(upload, attempt->destination); !allowed)
    return done(fail(allowed.error()));
  attempt->done = std::move(done);
  dependencies_.thread.post([this, attempt] { begin(attempt); });
}

void Appends::close() {
  auto waiting = std::exchange(reconnecting_, {});
  for (auto& twin : std::exchange(twins_, {})) waiting.push_back(std::move(twin));
  for (const auto& attempt : waiting)
    if (attempt->done) attempt->fail_with(not_running());
}

// -- before it is sent --

void Appends::begin(const UploadAttemptPointer& attempt) {
  if (wait_for_twin(attempt)) return;
  attempt->deadline = SteadyClock::now() + dependencies_.timeout +
                      std::chrono::seconds(attempt->upload.canonical_size / slowest_upload);
  if (earlier_.find_in_queue(*attempt)) return earlier_.look_for(attempt);
  accept(attempt);
}

/// While one of two that look the same is on its way, the other could take what has come of it for its own.
bool Appends::wait_for_twin(const UploadAttemptPointer& attempt) {
  const auto& upload = attempt->upload;
  const auto& destination = attempt->destination->replica.identity().name;
  const bool waits = dependencies_.table.with_lock([&](ChangeTable& table) {
    const auto& changes = table.queue.changes();
    return std::any_of(changes.begin(), changes.end(), [&](const auto& known) {
      const auto& pending = known.second;
      const auto& change = pending.change;
      return change.kind == Kind::append && !pending.parked && change.destination == destination &&
             change.size == upload.canonical_size && change.message_id == upload.message_id;
    });
  });
  if (waits) twins_.push_back(attempt);
  return waits;
}

void Appends::resume_twins() {
  for (const auto& attempt : std::exchange(twins_, {})) begin(attempt);
}

void Appends::describe(UploadAttempt& attempt) const {
  auto& change = attempt.change;
  const auto& upload = attempt.upload;
  change.kind = Kind::append;
  change.destination = attempt.destination->replica.identity().name;
  change.file_name = upload.target.file_name;
  change.flags = {FlagChange::Kind::add, upload.flags};
  // Always told: by it the message is recognised, and known without asking.
  change.internal_date = upload.internal_date.value_or(std::time(nullptr));
  change.size = upload.canonical_size;
  change.message_id = upload.message_id;
  change.staged = upload.staged;
  change.replaces = dependencies_.locations.to_journal(upload.target.replaces);
  dependencies_.removals.plan_replacement(change);
}

void Appends::accept(const UploadAttemptPointer& attempt) {
  describe(*attempt);
  std::vector<store::JournalChange> changes{attempt->change};
  if (const auto added = dependencies_.journal.add(changes); !added) return attempt->fail_with(added.error());
  attempt->change.id = changes.front().id;
  PendingChange pending;
  pending.change = attempt->change;
  pending.in_flight = true;
  pending.accepted_at = std::time(nullptr);
  pending.finished.push_back(std::exchange(attempt->done, nullptr));
  dependencies_.locations.describe(pending);
  // What is replaced stays listed until the new one is: whoever lists the mailbox meanwhile would take it for removed.
  dependencies_.table.lock()->queue.add(std::move(pending));
  submit(attempt);
}

// -- on its way --

void Appends::submit(const UploadAttemptPointer& attempt) {
  ++attempt->tries;
  attempt->sent = false;
  const auto& place = attempt->destination->replica.identity();
  imap::PoolJob job;
  job.priority = imap::Priority::interactive;
  job.changes = true;
  job.mailbox = place.wire_name;
  job.context.deadline = attempt->deadline;
  job.what = fmt::format("upload to {}", telemetry::printable(place.path));
  job.run = [this, attempt](imap::Session& session, const CallContext& context) {
    return AppendCommand(*attempt, dependencies_.commands, session, context).run();
  };
  job.done = [this, attempt](const Result<void>& result) {
    dependencies_.thread.post([this, attempt, result] { ended(attempt, result); });
  };
  dependencies_.submit(std::move(job));
}

void Appends::ended(const UploadAttemptPointer& attempt, const Result<void>& result) {
  const auto id = attempt->change.id;
  if (result) {
    dependencies_.recorder.record({{id, true, attempt->arrived, {}}}, std::exchange(attempt->guard, nullptr));
    return remove_superseded(*attempt);
  }
  const auto& error = result.error();
  if (!attempt->look_up)
    return dependencies_.recorder.record({ChangeResult::refused(id, error)}, std::exchange(attempt->guard, nullptr));
  if (!may_connect_again(error) || !may_try_again(*attempt)) return park(attempt, error);
  telemetry::info("upload to {}: {}; looking up what became of it",
                  telemetry::printable(attempt->destination->replica.identity().path),
                  telemetry::printable(error.what));
  // At once the first time only: a server that dies of the message is not sent it again and again.
  if (attempt->sent && attempt->tries == 1) return submit(attempt);
  reconnect(attempt);
}

bool Appends::may_try_again(const UploadAttempt& attempt) const {
  return !dependencies_.thread.stopping() && SteadyClock::now() + reconnect_pause < attempt.deadline;
}

void Appends::reconnect(const UploadAttemptPointer& attempt) {
  // Not kept by the timer, which may outlive the mailboxes.
  reconnecting_.push_back(attempt);
  dependencies_.later(reconnect_pause, [this] { dependencies_.thread.post([this] { resume_reconnecting(); }); });
}

void Appends::resume_reconnecting() {
  for (const auto& attempt : std::exchange(reconnecting_, {}))
    attempt->earlier ? earlier_.look_for(attempt) : submit(attempt);
}

/// Its user is told of the failure; the change stays, for whoever looks what became of it.
void Appends::park(const UploadAttemptPointer& attempt, const Error& error) {
  const auto guard = std::exchange(attempt->guard, nullptr);
  PendingChange told;
  const bool found = dependencies_.table.with_lock([&](ChangeTable& table) {
    auto* const pending = table.queue.find(attempt->change.id);
    if (pending == nullptr) return false;
    pending->parked = true;
    pending->in_flight = false;
    pending->change.destination_validity = attempt->change.destination_validity;
    pending->change.destination_uid_next = attempt->change.destination_uid_next;
    pending->change.size = attempt->change.size;
    pending->change.digest = attempt->change.digest;
    told.change = pending->change;
    told.finished.swap(pending->finished);
    told.drain_waiters.swap(pending->drain_waiters);
    return true;
  });
  if (!found) return;
  dependencies_.effects.show_replaced(told.change.replaces);
  dependencies_.waiters.finish(told, fail(error));
  resume_twins();
}

void Appends::remove_superseded(const UploadAttempt& attempt) {
  if (attempt.superseded.uid.value == 0) return;
  ChangeRequest removal{
      ChangeRequestKind::remove, {dependencies_.locations.from_journal(attempt.superseded), {}}, {}, {}};
  removal.reply.accepted = [](const Result<ChangeId>& accepted) {
    if (!accepted)
      telemetry::warning("an earlier version of what was uploaded stays: {}",
                         telemetry::printable(accepted.error().what));
  };
  dependencies_.acceptor.submit(std::move(removal));
}

}  // namespace imapfs::sync

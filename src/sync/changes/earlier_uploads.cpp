#include "sync/changes/earlier_uploads.hpp"

#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "sync/changes/arrivals.hpp"
#include "sync/changes/change_errors.hpp"
#include "sync/changes/sent_content.hpp"

namespace imapfs::sync {

EarlierUploads::EarlierUploads(Dependencies dependencies) : dependencies_(std::move(dependencies)) {}

bool EarlierUploads::find_in_queue(UploadAttempt& attempt) {
  dependencies_.table.with_lock([&](ChangeTable& table) {
    for (const auto& [id, pending] : table.queue.changes())
      if (pending.parked && pending.change.staged == attempt.upload.staged)
        attempt.earlier = UploadAttempt::Earlier{pending.change, nullptr, {}, false};
  });
  if (!attempt.earlier) return false;
  attempt.earlier->destination = dependencies_.locations.mailbox(attempt.earlier->change.destination);
  return true;
}

void EarlierUploads::look_for(const UploadAttemptPointer& attempt) {
  const auto& place = attempt->earlier->destination;
  if (!place) return forget(attempt);
  attempt->guard = std::make_shared<ArrivalGuard>(place);
  imap::PoolJob job;
  job.priority = imap::Priority::interactive;
  job.mailbox = place->replica.identity().wire_name;
  job.context.deadline = attempt->deadline;
  job.what = fmt::format("look up an upload to {}", telemetry::printable(place->replica.identity().path));
  job.run = [this, attempt](imap::Session& session, const CallContext& context) {
    return look(*attempt, session, context);
  };
  job.done = [this, attempt](const Result<void>& result) {
    dependencies_.thread.post([this, attempt, result] { looked_up(attempt, result); });
  };
  dependencies_.submit(std::move(job));
}

/// On a pool's thread.
Result<void> EarlierUploads::look(UploadAttempt& attempt, imap::Session& session, const CallContext& context) const {
  auto& earlier = *attempt.earlier;
  const auto& change = earlier.change;
  const auto& upload = attempt.upload;
  const auto& commands = dependencies_.commands;
  const auto content = IMAPFS_TRY(content_to_send(commands.journal.staging_path(upload.staged)));
  earlier.is_the_same = was_sent_by(change, content) && earlier.destination == attempt.destination &&
                        change.flags.flags == upload.flags &&
                        (!upload.internal_date || upload.internal_date == change.internal_date);
  const DestinationPoint point{change.destination_validity, change.destination_uid_next};
  auto candidates = IMAPFS_TRY_WHILE("look up",
                                     fetch_candidates(session, earlier.destination, point, commands, context));
  const auto found = IMAPFS_TRY(
      find_sent(session, earlier.destination, change, std::move(candidates), commands, context));
  earlier.arrived = {};
  if (found.value != 0) earlier.arrived = {change.destination, point.uid_validity, found};
  return {};
}

void EarlierUploads::looked_up(const UploadAttemptPointer& attempt, const Result<void>& result) {
  if (!result) {
    if (may_connect_again(result.error()) && dependencies_.try_again(attempt)) return;
    attempt->guard.reset();
    return attempt->fail_with(result.error());
  }
  if (attempt->earlier->arrived.uid.value == 0) return forget(attempt);
  if (attempt->earlier->is_the_same) return end_as_earlier(attempt);
  replace(attempt);
}

/// It has come: this is the upload.
void EarlierUploads::end_as_earlier(const UploadAttemptPointer& attempt) {
  const auto& earlier = *attempt->earlier;
  store::JournalChange shown;
  shown.file_name = attempt->upload.target.file_name;
  shown.replaces = dependencies_.locations.to_journal(attempt->upload.target.replaces);
  dependencies_.removals.plan_replacement(shown);
  const bool waits = dependencies_.table.with_lock([&](ChangeTable& table) {
    auto* const pending = table.queue.find(earlier.change.id);
    if (pending == nullptr) return false;
    pending->parked = false;
    pending->in_flight = true;
    pending->change.file_name = shown.file_name;
    pending->change.replaces = shown.replaces;
    if (shown.replaces.uid.value != 0) pending->change.removal = shown.removal;
    shown = pending->change;
    pending->finished.push_back(std::exchange(attempt->done, nullptr));
    return true;
  });
  if (!waits) return attempt->fail_with(changed_since_sent());
  dependencies_.effects.show({shown});
  dependencies_.recorder.record({{earlier.change.id, true, earlier.arrived, {}}},
                                std::exchange(attempt->guard, nullptr));
}

/// It has come, and the file holds something else by now. What was sent is a message, as its sender meant it to be, and
/// the next thing that happens to it is that it is replaced. If the file is to go elsewhere, or to take another one's
/// place, what was sent has no place of its own, and goes when the file has come.
void EarlierUploads::replace(const UploadAttemptPointer& attempt) {
  const auto& earlier = *attempt->earlier;
  auto& target = attempt->upload.target;
  const auto replaces = dependencies_.locations.to_journal(target.replaces);
  const bool in_its_place = earlier.destination == attempt->destination &&
                            (replaces.uid.value == 0 || replaces == earlier.change.replaces);
  if (in_its_place) target.replaces = dependencies_.locations.from_journal(earlier.arrived);
  else attempt->superseded = earlier.arrived;
  const auto then = [this, attempt](const Result<Arrival>& ended) {
    if (!ended && ended.error().errnum == ECANCELED) return attempt->fail_with(ended.error());
    dependencies_.thread.post([this, attempt] { dependencies_.append(attempt); });
  };
  dependencies_.table.with_lock([&](ChangeTable& table) {
    auto* const pending = table.queue.find(earlier.change.id);
    if (pending == nullptr) return;
    pending->parked = false;
    pending->in_flight = true;
    if (!in_its_place) {
      pending->change.file_name.clear();
      pending->change.replaces = {};
    }
    pending->finished.emplace_back(then);
  });
  telemetry::info("upload to {}: an earlier version has reached the server and is replaced",
                  telemetry::printable(attempt->destination->replica.identity().path));
  const ChangeResult result{earlier.change.id, true, earlier.arrived, {}, true};
  attempt->earlier.reset();
  dependencies_.recorder.record({result}, std::exchange(attempt->guard, nullptr));
}

/// Nothing has come of it.
void EarlierUploads::forget(const UploadAttemptPointer& attempt) {
  const auto id = attempt->earlier->change.id;
  store::Journal::Ended record;
  record.changes.push_back({id, {}, {}, false});
  attempt->earlier.reset();
  attempt->guard.reset();
  if (const auto forgotten = dependencies_.journal.finish(record); !forgotten)
    return attempt->fail_with(forgotten.error());
  dependencies_.table.with_lock([&](ChangeTable& table) {
    if (table.queue.find(id) != nullptr) (void)table.queue.end(id, {});
  });
  dependencies_.append(attempt);
}

}  // namespace imapfs::sync

// The same file again, after an APPEND of it whose outcome nobody knows; and another file that looks the same.
//
// What was sent is looked for by its octets. If it has come and the file still holds it, that is the upload. If the
// file holds something else by now, what has come is the message that the new version replaces: appended first, then
// the earlier one is removed by the policy. If nothing has come, there is nothing to care about.

#include <algorithm>
#include <ctime>

#include "imapfs/base/telemetry.hpp"
#include "sync/changes/append_attempt.hpp"
#include "sync/changes/sent_content.hpp"

namespace imapfs::sync {
namespace {

using Kind = store::JournalChange::Kind;

}  // namespace

/// While one of two that look the same is on its way, the other could take what has come of it for its own.
bool Changes::wait_for_twin(const std::shared_ptr<UploadAttempt>& attempt) {
  const auto& upload = attempt->upload;
  const auto& destination = attempt->destination->replica.identity().name;
  return state_.with_lock([&](State& state) {
    const auto& changes = state.ledger.changes();
    const bool waits = std::any_of(changes.begin(), changes.end(), [&](const auto& known) {
      const auto& [id, pending] = known;
      const auto& change = pending.change;
      return change.kind == Kind::append && !pending.parked && change.destination == destination &&
             change.size == upload.canonical_size && change.message_id == upload.message_id;
    });
    if (waits) state.twins.push_back(attempt);
    return waits;
  });
}

void Changes::resume_twins() {
  std::vector<std::shared_ptr<UploadAttempt>> twins;
  state_.lock()->twins.swap(twins);
  for (const auto& attempt : twins) begin_upload(attempt);
}

bool Changes::take_earlier(UploadAttempt& attempt) {
  state_.with_lock([&](State& state) {
    for (const auto& [id, pending] : state.ledger.changes())
      if (pending.parked && pending.change.staged == attempt.upload.staged)
        attempt.earlier = UploadAttempt::Earlier{pending.change, nullptr, {}, false};
  });
  if (!attempt.earlier) return false;
  attempt.earlier->destination = dependencies_.mailbox_by_name(attempt.earlier->change.destination);
  return true;
}

void Changes::look_for_earlier(const std::shared_ptr<UploadAttempt>& attempt) {
  const auto& place = attempt->earlier->destination;
  if (!place) return forget_earlier(attempt);
  attempt->hold = std::make_shared<ArrivalGuard>(place);
  imap::PoolJob job;
  job.priority = imap::Priority::interactive;
  job.mailbox = place->replica.identity().wire_name;
  job.context.deadline = attempt->deadline;
  job.what = fmt::format("look up an upload to {}", telemetry::printable(place->replica.identity().path));
  job.run = [this, attempt](imap::Session& session, const CallContext& context) {
    return find_earlier(*attempt, session, context);
  };
  job.done = [this, attempt](const Result<void>& result) {
    post([this, attempt, result] { earlier_looked_up(attempt, result); });
  };
  dependencies_.submit(std::move(job));
}

/// On a pool's thread.
Result<void> Changes::find_earlier(UploadAttempt& attempt, imap::Session& session, const CallContext& context) {
  auto& earlier = *attempt.earlier;
  const auto& change = earlier.change;
  const auto& upload = attempt.upload;
  const auto content = IMAPFS_TRY(content_to_send(dependencies_.journal.staging_path(upload.staged)));
  earlier.is_the_same = was_sent_by(change, content) && earlier.destination == attempt.destination &&
                        change.flags.flags == upload.flags &&
                        (!upload.internal_date || upload.internal_date == change.internal_date);
  const DestinationPoint point{change.destination_validity, change.destination_uid_next};
  auto candidates = IMAPFS_TRY_WHILE("look up", fetch_candidates(session, earlier.destination, point, tools_, context));
  const auto found = IMAPFS_TRY(
      find_sent(session, earlier.destination, change, std::move(candidates), tools_, context));
  earlier.arrived = {};
  if (found.value != 0) earlier.arrived = {change.destination, point.uid_validity, found};
  return {};
}

void Changes::earlier_looked_up(const std::shared_ptr<UploadAttempt>& attempt, const Result<void>& result) {
  if (!result) {
    const auto& error = result.error();
    const bool lost = error.scope >= Scope::session && error.scope != Scope::account;
    if (lost && may_try_again(*attempt)) return reconnect(attempt);
    attempt->hold.reset();
    return std::exchange(attempt->done, nullptr)(fail(error));
  }
  if (attempt->earlier->arrived.uid.value == 0) return forget_earlier(attempt);
  if (attempt->earlier->is_the_same) return end_as_earlier(attempt);
  replace_earlier(attempt);
}

/// It has come: this is the upload.
void Changes::end_as_earlier(const std::shared_ptr<UploadAttempt>& attempt) {
  const auto& earlier = *attempt->earlier;
  store::JournalChange shown;
  const bool waits = state_.with_lock([&](State& state) {
    auto* const pending = state.ledger.find(earlier.change.id);
    if (pending == nullptr) return false;
    pending->parked = false;
    pending->in_flight = true;
    pending->change.file_name = attempt->upload.target.file_name;
    pending->change.replaces = to_journal(attempt->upload.target.replaces);
    if (pending->change.replaces.uid.value != 0) {
      const auto removal = removal_in(pending->change.replaces.mailbox);
      pending->change.removal = to_string(removal ? *removal : Removal::flag);
    }
    pending->finished.push_back(std::exchange(attempt->done, nullptr));
    shown = pending->change;
    return true;
  });
  if (!waits) return std::exchange(attempt->done, nullptr)(fail(changed_since_sent()));
  show_effect({shown});
  end({{earlier.change.id, true, earlier.arrived, {}}}, std::exchange(attempt->hold, nullptr));
}

/// It has come, and the file holds something else by now. What was sent is a message, as its sender meant it to be, and
/// the next thing that happens to it is that it is replaced. If the file is to go elsewhere, or to take another one's
/// place, what was sent has no place of its own, and goes when the file has come.
void Changes::replace_earlier(const std::shared_ptr<UploadAttempt>& attempt) {
  const auto& earlier = *attempt->earlier;
  const auto replaces = to_journal(attempt->upload.target.replaces);
  const bool in_its_place = earlier.destination == attempt->destination &&
                            (replaces.uid.value == 0 || replaces == earlier.change.replaces);
  if (in_its_place) attempt->upload.target.replaces = from_journal(earlier.arrived);
  else attempt->superseded = earlier.arrived;
  const auto then = [this, attempt](const Result<Arrival>& ended) {
    if (!ended && ended.error().errnum == ECANCELED) return std::exchange(attempt->done, nullptr)(fail(ended.error()));
    post([this, attempt] { accept_upload(attempt); });
  };
  state_.with_lock([&](State& state) {
    auto* const pending = state.ledger.find(earlier.change.id);
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
  const Ending ending{earlier.change.id, true, earlier.arrived, {}, true};
  attempt->earlier.reset();
  end({ending}, std::exchange(attempt->hold, nullptr));
}

/// Nothing has come of it.
void Changes::forget_earlier(const std::shared_ptr<UploadAttempt>& attempt) {
  const auto id = attempt->earlier->change.id;
  store::Journal::Ended record;
  record.changes.push_back({id, {}, {}, false});
  attempt->earlier.reset();
  attempt->hold.reset();
  if (const auto forgotten = dependencies_.journal.finish(record); !forgotten)
    return std::exchange(attempt->done, nullptr)(fail(forgotten.error()));
  state_.with_lock([&](State& state) {
    if (state.ledger.find(id) != nullptr) (void)state.ledger.end(id, {});
  });
  accept_upload(attempt);
}

void Changes::remove_superseded(const UploadAttempt& attempt) {
  if (attempt.superseded.uid.value == 0) return;
  Submission removal{Wish::remove, {from_journal(attempt.superseded), {}}, {}, {}};
  removal.reply.accepted = [](const Result<ChangeId>& accepted) {
    if (!accepted)
      telemetry::warning("an earlier version of what was uploaded stays: {}",
                         telemetry::printable(accepted.error().what));
  };
  submit(std::move(removal));
}

}  // namespace imapfs::sync

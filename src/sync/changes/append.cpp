// Uploads: one APPEND each, several at a time, and never behind the user's back. The user's word is the server's.
//
// A connection that is lost in the middle leaves an unknown outcome: a new one looks whether the message has come
// before it is sent again. If there is no new connection in time, the user is told of a failure and the change stays in
// the journal as it is: whoever uploads the same file again looks first (mutation_upload_again.cpp), and so does the
// next process. A look is for the octets that were sent, whatever the file holds by then.

#include <algorithm>
#include <ctime>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/sync/errors.hpp"
#include "sync/changes/append_attempt.hpp"
#include "sync/changes/sent_content.hpp"
#include "sync/changes/upload_source.hpp"

namespace imapfs::sync {
namespace {

using Kind = store::JournalChange::Kind;

constexpr std::uint64_t slowest_upload = 32 * 1024;
constexpr auto reconnect_pause = std::chrono::milliseconds(500);

/// The mailbox was selected for changes, so an answer of READ-ONLY can only be about what this connection has open.
bool speaks_of_the_view(const Error& error, const imap::Session& session) {
  return error.errnum == EROFS && error.scope < Scope::session && !session.selected().empty() &&
         !session.selection().read_only;
}

}  // namespace

void Changes::upload(const Upload& upload, Completion<Arrival> done) {
  auto attempt = std::make_shared<UploadAttempt>();
  attempt->upload = upload;
  attempt->destination = dependencies_.mailbox(upload.target.mailbox);
  if (const auto allowed = check_upload(*attempt); !allowed) return done(fail(allowed.error()));
  attempt->done = std::move(done);
  post([this, attempt] { begin_upload(attempt); });
}

Result<void> Changes::check_upload(const UploadAttempt& attempt) const {
  if (stopping_) return fail(ECANCELED, Scope::account, Retry::never, "the account is not running any more");
  if (!dependencies_.online()) return fail(EHOSTUNREACH, Scope::session, Retry::later, "no connection to the server");
  if (!attempt.destination) return fail(no_such_mailbox());
  const auto rights = attempt.destination->replica.rights().current();
  const auto& path = attempt.destination->replica.identity().path;
  if (rights.read_only) return fail(EROFS, Scope::mailbox, Retry::never, "{} is read-only", telemetry::printable(path));
  if (!rights.insert)
    return fail(EACCES, Scope::mailbox, Retry::never, "no right to put messages in {}", telemetry::printable(path));
  if (attempt.upload.target.replaces.uid.value != 0)
    IMAPFS_TRY(removal_in(attempt.destination->replica.identity().name));
  const auto limit = imap::append_limit(dependencies_.capabilities());
  if (limit && attempt.upload.canonical_size > *limit)
    return fail(EFBIG, "the server takes messages of at most {} octets", *limit);
  return {};
}

void Changes::begin_upload(const std::shared_ptr<UploadAttempt>& attempt) {
  if (wait_for_twin(attempt)) return;
  attempt->deadline = SteadyClock::now() + dependencies_.settings.timeout +
                      std::chrono::seconds(attempt->upload.canonical_size / slowest_upload);
  if (take_earlier(*attempt)) return look_for_earlier(attempt);
  accept_upload(attempt);
}

void Changes::accept_upload(const std::shared_ptr<UploadAttempt>& attempt) {
  auto& change = attempt->change;
  const auto& upload = attempt->upload;
  change.kind = Kind::append;
  change.destination = attempt->destination->replica.identity().name;
  change.file_name = upload.target.file_name;
  change.flags = {FlagChange::Kind::add, upload.flags};
  // Always told: by it the message is recognised, and known without asking.
  change.internal_date = upload.internal_date.value_or(std::time(nullptr));
  change.size = upload.canonical_size;
  change.message_id = upload.message_id;
  change.staged = upload.staged;
  change.replaces = to_journal(upload.target.replaces);
  if (change.replaces.uid.value != 0) {
    const auto removal = removal_in(change.replaces.mailbox);
    change.removal = to_string(removal ? *removal : Removal::flag);
  }
  std::vector<store::JournalChange> changes{change};
  if (const auto added = dependencies_.journal.add(changes); !added)
    return std::exchange(attempt->done, nullptr)(fail(added.error()));
  change.id = changes.front().id;
  PendingChange pending;
  pending.change = change;
  pending.in_flight = true;
  pending.accepted_at = std::time(nullptr);
  pending.finished.push_back(std::exchange(attempt->done, nullptr));
  describe(pending);
  // What is replaced stays listed until the new one is: whoever lists the mailbox meanwhile would take it for removed.
  state_.lock()->ledger.add(std::move(pending));
  submit_upload(attempt);
}

void Changes::submit_upload(const std::shared_ptr<UploadAttempt>& attempt) {
  ++attempt->tries;
  attempt->sent = false;
  imap::PoolJob job;
  job.priority = imap::Priority::interactive;
  job.changes = true;
  job.mailbox = attempt->destination->replica.identity().wire_name;
  job.context.deadline = attempt->deadline;
  job.what = fmt::format("upload to {}", telemetry::printable(attempt->destination->replica.identity().path));
  job.run = [this, attempt](imap::Session& session, const CallContext& context) -> Result<void> {
    auto result = append(*attempt, session, context);
    if (result || !attempt->sent || result.error().scope < Scope::session) return result;
    auto error = std::move(result).error();
    error.retry = Retry::later;
    return fail(std::move(error));
  };
  job.done = [this, attempt](const Result<void>& result) {
    post([this, attempt, result] { upload_ended(attempt, result); });
  };
  dependencies_.submit(std::move(job));
}

/// On a pool's thread.
Result<void> Changes::append(UploadAttempt& attempt, imap::Session& session, const CallContext& context) {
  auto& change = attempt.change;
  if (attempt.look_up && IMAPFS_TRY_WHILE("look up", find_appended(attempt, session, context))) return {};
  if (change.digest.empty()) {
    auto content = IMAPFS_TRY(content_to_send(dependencies_.journal.staging_path(change.staged)));
    change.size = content.size;
    change.digest = std::move(content.digest);
    IMAPFS_TRY(dependencies_.journal.describe({change}));
  }
  IMAPFS_TRY(select_for_append(attempt, session, context));
  const auto point = IMAPFS_TRY_WHILE("status", destination_point(session, attempt.destination, tools_, context));
  IMAPFS_TRY(dependencies_.journal.mark_sent({change.id}, point.uid_validity, point.uid_next));
  change.destination_validity = point.uid_validity;
  change.destination_uid_next = point.uid_next;
  if (!attempt.hold) attempt.hold = std::make_shared<ArrivalGuard>(attempt.destination);
  attempt.sent = attempt.look_up = true;
  auto appended = send_staged(attempt, session, context);
  if (!appended && speaks_of_the_view(appended.error(), session)) {
    IMAPFS_TRY(session.leave(session.selected(), context));
    appended = send_staged(attempt, session, context);
  }
  if (!appended) {
    // Refused, so there is nothing to look for.
    if (appended.error().scope < Scope::session) attempt.look_up = false;
    return fail(appended.error());
  }
  const bool told = appended->uid && appended->uid_validity == point.uid_validity;
  return confirm_appended(attempt, session, told ? *appended->uid : Uid{}, context);
}

/// A view by EXAMINE is not to stand beside an APPEND: Courier takes the mailbox for read-only then. And what is sent
/// is looked at afterwards.
Result<void> Changes::select_for_append(const UploadAttempt& attempt, imap::Session& session,
                                        const CallContext& context) {
  auto& replica = attempt.destination->replica;
  if (const auto selected = IMAPFS_TRY(select_read_write(session, replica.identity().wire_name, context))) {
    replica.rights().note_selection(*selected);
    replica.news().publish();
  }
  return {};
}

Result<imap::AppendedMessage> Changes::send_staged(const UploadAttempt& attempt, imap::Session& session,
                                                   const CallContext& context) {
  const auto& change = attempt.change;
  auto source = IMAPFS_TRY(StagedSource::open(dependencies_.journal.staging_path(change.staged), change.size));
  imap::AppendRequest request;
  request.mailbox = attempt.destination->replica.identity().wire_name;
  request.flags = change.flags.flags;
  request.internal_date = change.internal_date;
  return session.append(request, *source, context);
}

/// The server's OK counts when the message is seen.
Result<void> Changes::confirm_appended(UploadAttempt& attempt, imap::Session& session, Uid told,
                                       const CallContext& context) {
  const auto& change = attempt.change;
  const DestinationPoint point{change.destination_validity, change.destination_uid_next};
  const auto first = told.value != 0 ? told : Uid{std::max(point.uid_next.value, 1u)};
  const auto last = told.value != 0 ? told : Uid{UINT32_MAX};
  auto candidates = IMAPFS_TRY_WHILE(
      "look at what was sent",
      fetch_candidates_in_view(session, attempt.destination, point, UidSet::range(first, last), tools_, context));
  if (IMAPFS_TRY(take_appended(attempt, session, told, candidates, context))) return {};
  for (std::size_t look = 0; look < looks_at_most && pause_before_look(look, context); ++look) {
    candidates = IMAPFS_TRY_WHILE("look for what was sent",
                                  fetch_candidates(session, attempt.destination, point, tools_, context));
    if (IMAPFS_TRY(take_appended(attempt, session, told, candidates, context))) return {};
    if (!candidates.empty()) break;
  }
  return fail(EIO, Scope::message, Retry::never,
              "the server says that it has taken the message, and what it shows in {} is not what was sent",
              telemetry::printable(attempt.destination->replica.identity().path));
}

Result<bool> Changes::take_appended(UploadAttempt& attempt, imap::Session& session, Uid told,
                                    const std::vector<ArrivalCandidate>& candidates, const CallContext& context) {
  const auto& change = attempt.change;
  const auto found = IMAPFS_TRY(find_accepted(session, attempt.destination, change, told, candidates, tools_, context));
  if (found.value == 0) return false;
  attempt.arrived = {change.destination, change.destination_validity, found};
  const auto seen = std::find_if(candidates.begin(), candidates.end(),
                                 [&](const auto& candidate) { return candidate.uid == found; });
  show_uploaded(attempt, *seen);
  return true;
}

Result<bool> Changes::find_appended(UploadAttempt& attempt, imap::Session& session, const CallContext& context) {
  const auto& change = attempt.change;
  const DestinationPoint point{change.destination_validity, change.destination_uid_next};
  auto candidates = IMAPFS_TRY(fetch_candidates(session, attempt.destination, point, tools_, context));
  const auto found = IMAPFS_TRY(
      find_sent(session, attempt.destination, change, std::move(candidates), tools_, context));
  if (found.value == 0) return false;
  attempt.arrived = {change.destination, point.uid_validity, found};
  return true;
}

/// All that a listing would tell of the message is known here: no command is needed to show it.
void Changes::show_uploaded(const UploadAttempt& attempt, const ArrivalCandidate& seen) {
  auto& replica = attempt.destination->replica;
  const auto table = replica.table();
  if (!table->complete() || table->uid_validity() != attempt.arrived.uid_validity) return;
  imap::FetchRow row;
  row.uid = seen.uid;
  row.flags = attempt.change.flags.flags;
  row.internal_date = seen.internal_date != 0 ? seen.internal_date : attempt.change.internal_date;
  row.size = seen.size;
  const auto header = staged_header(dependencies_.journal.staging_path(attempt.change.staged));
  row.header_block = header;
  replica.take_row(row, false, false);
}

void Changes::upload_ended(const std::shared_ptr<UploadAttempt>& attempt, const Result<void>& result) {
  const auto id = attempt->change.id;
  const auto hold = std::exchange(attempt->hold, nullptr);
  if (result) {
    end({{id, true, attempt->arrived, {}}}, hold);
    return remove_superseded(*attempt);
  }
  const auto& error = result.error();
  const bool lost = error.scope >= Scope::session && error.scope != Scope::account;
  if (!attempt->look_up) return end({{id, false, {}, error}}, hold);
  attempt->hold = hold;
  if (lost && may_try_again(*attempt)) {
    telemetry::info("upload to {}: {}; looking up what became of it",
                    telemetry::printable(attempt->destination->replica.identity().path),
                    telemetry::printable(error.what));
    // At once the first time only: a server that dies of the message is not sent it again and again.
    if (attempt->sent && attempt->tries == 1) return submit_upload(attempt);
    return reconnect(attempt);
  }
  park_upload(attempt, error);
}

bool Changes::may_try_again(const UploadAttempt& attempt) const {
  return !stopping_ && SteadyClock::now() + reconnect_pause < attempt.deadline;
}

void Changes::reconnect(const std::shared_ptr<UploadAttempt>& attempt) {
  state_.lock()->reconnecting.push_back(attempt);
  dependencies_.later(reconnect_pause, [this] { post([this] { resume_uploads(); }); });
}

void Changes::resume_uploads() {
  std::vector<std::shared_ptr<UploadAttempt>> reconnecting;
  state_.lock()->reconnecting.swap(reconnecting);
  for (const auto& attempt : reconnecting) attempt->earlier ? look_for_earlier(attempt) : submit_upload(attempt);
}

void Changes::park_upload(const std::shared_ptr<UploadAttempt>& attempt, const Error& error) {
  const auto hold = std::exchange(attempt->hold, nullptr);
  PendingChange told;
  const bool found = state_.with_lock([&](State& state) {
    auto* const pending = state.ledger.find(attempt->change.id);
    if (pending == nullptr) return false;
    pending->parked = true;
    pending->in_flight = false;
    pending->change.destination_validity = attempt->change.destination_validity;
    pending->change.destination_uid_next = attempt->change.destination_uid_next;
    pending->change.size = attempt->change.size;
    pending->change.digest = attempt->change.digest;
    told.change = pending->change;
    told.finished.swap(pending->finished);
    told.settlers.swap(pending->settlers);
    return true;
  });
  if (!found) return;
  if (told.change.replaces.uid.value != 0)
    if (const auto mailbox = dependencies_.mailbox_by_name(told.change.replaces.mailbox)) {
      mailbox->replica.own_changes().show_again(UidSet::single(told.change.replaces.uid));
      mailbox->replica.news().publish();
    }
  finish(told, fail(error));
  resume_twins();
}

/// An upload of an earlier run that has not come: its user is gone, or will be told by the file itself.
void Changes::give_up_staged(const store::JournalChange& change, const Error& reason) {
  const auto staged = dependencies_.journal.staged();
  if (!staged) return;
  for (auto file : *staged) {
    if (file.id != change.staged || file.state == store::StagedFile::State::queued) continue;
    file.state = store::StagedFile::State::refused;
    file.reason = reason.what;
    if (const auto updated = dependencies_.journal.update(file); !updated)
      telemetry::warning("journal: {}", telemetry::printable(updated.error().what));
  }
}

}  // namespace imapfs::sync

#include "sync/changes/append_command.hpp"

#include <algorithm>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "sync/changes/sent_content.hpp"
#include "sync/changes/upload_source.hpp"

namespace imapfs::sync {
namespace {

/// The mailbox was selected for changes, so an answer of READ-ONLY can only be about what this connection has open.
bool speaks_of_the_view(const Error& error, const imap::Session& session) {
  return error.errnum == EROFS && !error.lost_connection() && !session.selected().empty() &&
         !session.selection().read_only;
}

}  // namespace

AppendCommand::AppendCommand(UploadAttempt& attempt, const CommandDependencies& dependencies, imap::Session& session,
                             const CallContext& context)
    : attempt_(attempt), dependencies_(dependencies), session_(session), context_(context) {}

Result<void> AppendCommand::run() {
  auto result = append();
  if (result || !attempt_.sent || !result.error().lost_connection()) return result;
  auto error = std::move(result).error();
  error.retry = Retry::later;
  return fail(std::move(error));
}

DestinationPoint AppendCommand::point() const {
  return {attempt_.change.destination_validity, attempt_.change.destination_uid_next};
}

Result<void> AppendCommand::append() {
  if (attempt_.look_up && IMAPFS_TRY_WHILE("look up", find())) return {};
  IMAPFS_TRY(note_content());
  IMAPFS_TRY(select());
  IMAPFS_TRY(mark_sent(
      IMAPFS_TRY_WHILE("status", destination_point(session_, attempt_.destination, dependencies_, context_))));
  if (!attempt_.guard) attempt_.guard = std::make_shared<ArrivalGuard>(attempt_.destination);
  attempt_.sent = attempt_.look_up = true;
  const auto appended = send();
  if (!appended) {
    // Refused, so there is nothing to look for.
    if (!appended.error().lost_connection()) attempt_.look_up = false;
    return fail(appended.error());
  }
  const bool told = appended->uid && appended->uid_validity == point().uid_validity;
  return confirm(told ? *appended->uid : Uid{});
}

/// What is sent, as it is found again by.
Result<void> AppendCommand::note_content() {
  auto& change = attempt_.change;
  if (!change.digest.empty()) return {};
  auto content = IMAPFS_TRY(content_to_send(dependencies_.journal.staging_path(change.staged)));
  change.size = content.size;
  change.digest = std::move(content.digest);
  return dependencies_.journal.describe({change});
}

/// A view by EXAMINE is not to stand beside an APPEND: Courier takes the mailbox for read-only then. And what is sent
/// is looked at afterwards.
Result<void> AppendCommand::select() {
  auto& replica = attempt_.destination->replica;
  if (const auto selected = IMAPFS_TRY(select_read_write(session_, replica.identity().wire_name, context_))) {
    replica.rights().note_selection(*selected);
    replica.news().publish();
  }
  return {};
}

Result<void> AppendCommand::mark_sent(const DestinationPoint& point) {
  auto& change = attempt_.change;
  IMAPFS_TRY(dependencies_.journal.mark_sent({change.id}, point.uid_validity, point.uid_next));
  change.destination_validity = point.uid_validity;
  change.destination_uid_next = point.uid_next;
  return {};
}

Result<imap::AppendedMessage> AppendCommand::send() {
  auto appended = send_once();
  if (appended || !speaks_of_the_view(appended.error(), session_)) return appended;
  IMAPFS_TRY(session_.leave(session_.selected(), context_));
  return send_once();
}

Result<imap::AppendedMessage> AppendCommand::send_once() {
  const auto& change = attempt_.change;
  auto source = IMAPFS_TRY(StagedSource::open(dependencies_.journal.staging_path(change.staged), change.size));
  imap::AppendRequest request;
  request.mailbox = attempt_.destination->replica.identity().wire_name;
  request.flags = change.flags.flags;
  request.internal_date = change.internal_date;
  return session_.append(request, *source, context_);
}

/// The server's OK counts when the message is seen. `told`: the UID it named, or 0.
Result<void> AppendCommand::confirm(Uid told) {
  const auto first = told.value != 0 ? told : Uid{std::max(point().uid_next.value, 1u)};
  const auto last = told.value != 0 ? told : Uid{UINT32_MAX};
  auto candidates = IMAPFS_TRY_WHILE("look at what was sent",
                                     fetch_candidates_in_view(session_, attempt_.destination, point(),
                                                              UidSet::range(first, last), dependencies_, context_));
  if (IMAPFS_TRY(take(told, candidates))) return {};
  for (std::size_t look = 0; look < looks_at_most && pause_before_look(look, context_); ++look) {
    candidates = IMAPFS_TRY_WHILE("look for what was sent",
                                  fetch_candidates(session_, attempt_.destination, point(), dependencies_, context_));
    if (IMAPFS_TRY(take(told, candidates))) return {};
    if (!candidates.empty()) break;
  }
  return fail(EIO, Scope::message, Retry::never,
              "the server says that it has taken the message, and what it shows in {} is not what was sent",
              telemetry::printable(attempt_.destination->replica.identity().path));
}

Result<bool> AppendCommand::take(Uid told, const std::vector<ArrivalCandidate>& candidates) {
  const auto& change = attempt_.change;
  const auto found = IMAPFS_TRY(
      find_accepted(session_, attempt_.destination, change, told, candidates, dependencies_, context_));
  if (found.value == 0) return false;
  attempt_.arrived = {change.destination, change.destination_validity, found};
  show(*std::find_if(candidates.begin(), candidates.end(),
                     [&](const auto& candidate) { return candidate.uid == found; }));
  return true;
}

/// What an earlier run has sent, if it has come.
Result<bool> AppendCommand::find() {
  const auto& change = attempt_.change;
  auto candidates = IMAPFS_TRY(fetch_candidates(session_, attempt_.destination, point(), dependencies_, context_));
  const auto found = IMAPFS_TRY(
      find_sent(session_, attempt_.destination, change, std::move(candidates), dependencies_, context_));
  if (found.value == 0) return false;
  attempt_.arrived = {change.destination, point().uid_validity, found};
  return true;
}

/// All that a listing would tell of the message is known here: no command is needed to show it.
void AppendCommand::show(const ArrivalCandidate& seen) {
  const auto& change = attempt_.change;
  auto& replica = attempt_.destination->replica;
  const auto table = replica.table();
  if (!table->complete() || table->uid_validity() != attempt_.arrived.uid_validity) return;
  imap::FetchRow row;
  row.uid = seen.uid;
  row.flags = change.flags.flags;
  row.internal_date = seen.internal_date != 0 ? seen.internal_date : change.internal_date;
  row.size = seen.size;
  const auto header = staged_header(dependencies_.journal.staging_path(change.staged));
  row.header_block = header;
  replica.take_row(row, false, false);
}

}  // namespace imapfs::sync

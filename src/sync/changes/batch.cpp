#include "sync/changes/batch.hpp"

#include <algorithm>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "sync/mailbox/sync_plan.hpp"

namespace imapfs::sync {
namespace {

using Outcome = BatchItem::Outcome;

/// Of one batch: enough to single out a few messages among thousands.
constexpr unsigned most_refused_removals = 64;

Error did_nothing(std::string_view what, const store::JournalChange& change) {
  return {EIO, Scope::message, Retry::never,
          fmt::format("the server says that it has {} UID {} to {}, and the message is not there", what,
                      change.source.uid.value, telemetry::printable(change.destination))};
}

Error gone_without_trace(const store::JournalChange& change) {
  return {ENOENT, Scope::message, Retry::never,
          fmt::format("UID {} is gone, and it has not come to {}", change.source.uid.value,
                      telemetry::printable(change.destination))};
}

}  // namespace

ChangeBatch::ChangeBatch(std::vector<BatchItem> items, bool look_up, MailboxPointer source, MailboxPointer destination,
                         const ChangeTools& tools)
    : items_(std::move(items)), look_up_(look_up), source_(std::move(source)), destination_(std::move(destination)),
      tools_(tools) {}

CallContext command_context(const CallContext& context, const ChangeTools& tools) {
  // A command about thousands of messages may take a server long, but not for ever.
  return {context.stop, std::min(context.deadline, SteadyClock::now() + 10 * tools.timeout)};
}

Result<void> ChangeBatch::run(imap::Session& session, const CallContext& context) {
  auto result = carry_out(session, context);
  // The pool must not run it again by itself: what was sent may have been carried out, and where an answer makes no
  // sense the next one will not either.
  const bool lost = !result && result.error().scope >= Scope::session;
  if (lost && (sent_ || result.error().errnum == EIO)) {
    auto error = std::move(result).error();
    error.retry = Retry::later;
    return fail(std::move(error));
  }
  return result;
}

Result<void> ChangeBatch::carry_out(imap::Session& session, const CallContext& context) {
  const auto bounded = command_context(context, tools_);
  switch (items_.front().change.kind) {
    case Kind::flag: return store_flags(session, bounded);
    case Kind::expunge: return expunge(session, bounded);
    case Kind::move:
    case Kind::copy: return look_up_ ? look_up_brought(session, bounded) : bring(session, bounded);
    case Kind::append: return look_up_appended(session, bounded);
  }
  return fail(EINVAL, "unknown kind of change");
}

UidSet ChangeBatch::uids_without_outcome() const {
  std::vector<Uid> uids;
  for (const auto& item : items_)
    if (item.outcome == Outcome::none) uids.push_back(item.change.source.uid);
  return UidSet::of(std::move(uids));
}

void ChangeBatch::finish_all(const store::JournalLocation& where) {
  for (auto& item : items_) {
    if (item.outcome != Outcome::none) continue;
    item.outcome = Outcome::done;
    if (!where.mailbox.empty()) item.arrived = {where.mailbox, where.uid_validity, item.change.source.uid};
  }
}

// -- STORE and EXPUNGE: may be repeated as often as one likes --

Result<void> ChangeBatch::store_flags(imap::Session& session, const CallContext& context) {
  IMAPFS_TRY(select_to_remove(session, context));
  const auto& first = items_.front().change;
  const auto uids = uids_without_outcome();
  if (uids.empty()) return {};
  IMAPFS_TRY_WHILE("store flags", session.store_flags(uids, first.flags, context));
  take_flag_change(source_->replica, uids, first.flags);
  finish_all(first.source);
  return {};
}

Result<void> ChangeBatch::expunge(imap::Session& session, const CallContext& context) {
  IMAPFS_TRY(select_to_remove(session, context));
  const auto uids = uids_without_outcome();
  if (uids.empty()) return {};
  const auto deleted = deleted_flag(FlagChange::Kind::add);
  IMAPFS_TRY_WHILE("store flags", session.store_flags(uids, deleted, context));
  auto expunged = session.expunge(uids, context);
  if (!expunged) {
    if (expunged.error().scope < Scope::session) take_flag_change(source_->replica, uids, deleted);
    return fail(std::move(expunged).error().while_doing("expunge"));
  }
  source_->replica.take_vanished(uids);
  source_->replica.news().publish();
  finish_all({});
  return {};
}

// -- MOVE and COPY --

Result<void> ChangeBatch::bring(imap::Session& session, const CallContext& context) {
  IMAPFS_TRY(select_source(session, context));
  IMAPFS_TRY(make_recognisable(session, context));
  const auto uids = uids_without_outcome();
  if (uids.empty()) return {};
  const auto point = IMAPFS_TRY_WHILE("status", destination_point(session, destination_, tools_, context));
  std::vector<ChangeId> ids;
  for (auto& item : items_) {
    if (item.outcome != Outcome::none) continue;
    ids.push_back(item.change.id);
    item.change.destination_validity = point.uid_validity;
    item.change.destination_uid_next = point.uid_next;
  }
  IMAPFS_TRY(tools_.journal.mark_sent(ids, point.uid_validity, point.uid_next));
  if (!hold) hold = std::make_shared<ArrivalGuard>(destination_);
  sent_ = true;
  used_move_ = items_.front().change.kind == Kind::move && session.traits().has("MOVE");
  const auto& wire_name = destination_->replica.identity().wire_name;
  const auto copied = used_move_ ? IMAPFS_TRY_WHILE("move", session.move(uids, wire_name, context))
                                 : IMAPFS_TRY_WHILE("copy", session.copy(uids, wire_name, context));
  IMAPFS_TRY(await_brought(session, told_by(copied, point), context));
  std::vector<Seen> seen(items_.size(), used_move_ ? Seen::absent : Seen::present);
  const bool all_seen = std::all_of(items_.begin(), items_.end(), [](const BatchItem& item) {
    return item.outcome != Outcome::none || item.arrived.uid.value != 0;
  });
  if (!all_seen) {
    IMAPFS_TRY(select_source(session, context));
    seen = IMAPFS_TRY_WHILE("describe", describe_sources(session, true, context));
    list_anew_if_another(seen);
    // By their Message-IDs some may be recognised now.
    IMAPFS_TRY(find_brought(session, told_by(copied, point), context));
  }
  return conclude_brought(session, seen, true, context);
}

/// What COPYUID says, as far as it can be: where to look first.
std::map<Uid, Uid> ChangeBatch::told_by(const imap::CopiedMessages& copied, const DestinationPoint& point) const {
  if (copied.uid_validity != point.uid_validity) return {};
  return {copied.uids.begin(), copied.uids.end()};
}

Result<void> ChangeBatch::await_brought(imap::Session& session, const std::map<Uid, Uid>& told,
                                        const CallContext& context) {
  const auto nothing_seen = [&] {
    return unrecognised_ == 0 && std::all_of(items_.begin(), items_.end(), [](const BatchItem& item) {
             return item.outcome != Outcome::none || item.arrived.uid.value == 0;
           });
  };
  for (std::size_t look = 0; look < looks_at_most; ++look) {
    if (!pause_before_look(look, context)) break;
    IMAPFS_TRY(find_brought(session, told, context));
    if (!nothing_seen()) break;
  }
  return {};
}

/// RFC 6851 §3.3: MOVE by other means. The copy is there, so the source goes. What has not come is sent again if the
/// answer was lost; the server that has said OK (`answered`) would say it again.
Result<void> ChangeBatch::conclude_brought(imap::Session& session, const std::vector<Seen>& seen, bool answered,
                                           const CallContext& context) {
  const bool moves = items_.front().change.kind == Kind::move;
  UidSet to_remove;
  UidSet gone;
  for (std::size_t i = 0; i < items_.size(); ++i) {
    auto& item = items_[i];
    if (item.outcome != Outcome::none) continue;
    const bool found = item.arrived.uid.value != 0;
    const bool present = seen[i] == Seen::present;
    const auto source = item.change.source.uid;
    if (!found && present) {
      item.outcome = answered ? Outcome::refused : Outcome::again;
      item.error = did_nothing(moves ? "moved" : "copied", item.change);
      continue;
    }
    if (moves) (present ? to_remove : gone).add(source, source);
    if (found || operation_of(item.change) == "remove") continue;
    // Moved, and so changed on its way that it is not recognised: it is one of those that have come.
    if (answered && used_move_ && unrecognised_ > 0) {
      --unrecognised_;
      continue;
    }
    item.outcome = Outcome::refused;
    item.error = gone_without_trace(item.change);
  }
  if (!gone.empty()) {
    source_->replica.take_vanished(gone);
    source_->replica.news().publish();
  }
  if (!to_remove.empty()) {
    IMAPFS_TRY(select_source(session, context));
    IMAPFS_TRY(remove_brought(session, to_remove, context));
  }
  finish_all({});
  return {};
}

/// What the server refuses to remove stays in both places: nothing is lost. A refusal of several is narrowed to those
/// it is about.
Result<void> ChangeBatch::remove_brought(imap::Session& session, const UidSet& uids, const CallContext& context) {
  std::vector<UidSet> parts{uids};
  unsigned refusals = 0;
  while (!parts.empty()) {
    auto part = std::move(parts.back());
    parts.pop_back();
    const auto removed = remove_from_source(session, part, context);
    if (removed) continue;
    if (removed.error().scope >= Scope::session) return removed;
    const bool never = removed.error().retry == Retry::never;
    if (never && part.count() > 1 && ++refusals <= most_refused_removals) {
      parts.push_back(take_first(part, part.count() / 2));
      parts.push_back(std::move(part));
      continue;
    }
    for (auto& item : items_) {
      if (item.outcome != Outcome::none || !part.contains(item.change.source.uid)) continue;
      item.outcome = never ? Outcome::refused : Outcome::look_up;
      item.error = removed.error();
    }
  }
  return {};
}

/// Never a plain EXPUNGE: without UIDPLUS the source stays, flagged.
Result<void> ChangeBatch::remove_from_source(imap::Session& session, const UidSet& uids, const CallContext& context) {
  if (uids.empty()) return {};
  const auto deleted = deleted_flag(FlagChange::Kind::add);
  IMAPFS_TRY_WHILE("store flags", session.store_flags(uids, deleted, context));
  auto& replica = source_->replica;
  const auto flagged = [&] {
    take_flag_change(replica, uids, deleted);
    replica.own_changes().show_again(uids);
    replica.news().publish();
  };
  if (!session.traits().has("UIDPLUS")) {
    flagged();
    return {};
  }
  auto expunged = session.expunge(uids, context);
  if (!expunged && expunged.error().scope >= Scope::session) return expunged;
  if (!expunged) {
    telemetry::warning("expunge what was moved out of {}: {}", telemetry::printable(replica.identity().path),
                       telemetry::printable(expunged.error().what));
    flagged();
    return {};
  }
  replica.take_vanished(uids);
  replica.news().publish();
  return {};
}

}  // namespace imapfs::sync

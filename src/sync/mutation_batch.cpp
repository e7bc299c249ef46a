#include "mutation_batch.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "imapfs/base/telemetry.hpp"

namespace imapfs::sync {
namespace {

using Outcome = BatchItem::Outcome;

/// So few messages are described before they are sent on their way, whatever is known of them: it is one round trip that nobody waits for.
constexpr std::size_t few = 16;

Error gone(Uid uid) {
  return {ENOENT, Scope::message, Retry::never, fmt::format("UID {} is not there any more", uid.value)};
}

}  // namespace

MutationBatch::MutationBatch(std::vector<BatchItem> items, bool look_up, MailboxPointer source,
                             MailboxPointer destination, const MutationTools& tools)
    : items_(std::move(items)),
      look_up_(look_up),
      source_(std::move(source)),
      destination_(std::move(destination)),
      tools_(tools) {}

CallContext command_context(const CallContext& context, const MutationTools& tools) {
  // A command about thousands of messages may take a server long, but not for ever.
  return {context.stop, std::min(context.deadline, SteadyClock::now() + 10 * tools.timeout)};
}

Result<void> MutationBatch::run(imap::Session& session, const CallContext& context) {
  auto result = carry_out(session, context);
  // The pool must not run it again by itself: what was sent may have been carried out.
  if (!result && sent_ && result.error().scope >= Scope::session) {
    auto error = std::move(result).error();
    error.retry = Retry::later;
    return fail(std::move(error));
  }
  return result;
}

Result<void> MutationBatch::carry_out(imap::Session& session, const CallContext& context) {
  const auto bounded = command_context(context, tools_);
  switch (items_.front().change.kind) {
    case Kind::flag:
      return store_flags(session, bounded);
    case Kind::expunge:
      return expunge(session, bounded);
    case Kind::move:
    case Kind::copy:
      return look_up_ ? look_up_brought(session, bounded) : bring(session, bounded);
    case Kind::append:
      return look_up_appended(session, bounded);
  }
  return fail(EINVAL, "unknown kind of change");
}

Result<void> MutationBatch::select_source(imap::Session& session, const CallContext& context) {
  auto& replica = source_->replica;
  if (const auto selected = IMAPFS_TRY(select_read_write(session, replica.identity().wire_name, context))) {
    replica.note_selection(*selected);
    replica.publish();
  } else {
    // COPY and MOVE take flags along as this connection last saw them; another may have set some since.
    IMAPFS_TRY_WHILE("renew the view", session.noop(context));
  }
  const auto& selected = session.selection();
  const auto expected = items_.front().change.source.uid_validity;
  if (selected.uid_validity.value_or(UidValidity{}) != expected)
    return fail(ESTALE, Scope::mailbox, Retry::never, "the mailbox has another UIDVALIDITY now");
  if (selected.read_only) return fail(EROFS, Scope::mailbox, Retry::never, "the mailbox is read-only");
  return {};
}

UidSet MutationBatch::uids_without_outcome() const {
  std::vector<Uid> uids;
  for (const auto& item : items_)
    if (item.outcome == Outcome::none) uids.push_back(item.change.source.uid);
  return UidSet::of(std::move(uids));
}

void MutationBatch::finish_all(const store::JournalLocation& where) {
  for (auto& item : items_) {
    if (item.outcome != Outcome::none) continue;
    item.outcome = Outcome::done;
    if (!where.mailbox.empty()) item.arrived = {where.mailbox, where.uid_validity, item.change.source.uid};
  }
}

// -- STORE and EXPUNGE: may be repeated as often as one likes --

Result<void> MutationBatch::store_flags(imap::Session& session, const CallContext& context) {
  IMAPFS_TRY(select_source(session, context));
  const auto& first = items_.front().change;
  const auto uids = uids_without_outcome();
  IMAPFS_TRY_WHILE("store flags", session.store_flags(uids, first.flags, context));
  take_flag_change(source_->replica, uids, first.flags);
  finish_all(first.source);
  return {};
}

Result<void> MutationBatch::expunge(imap::Session& session, const CallContext& context) {
  IMAPFS_TRY(select_source(session, context));
  const auto uids = uids_without_outcome();
  const auto deleted = deleted_flag(FlagChange::Kind::add);
  IMAPFS_TRY_WHILE("store flags", session.store_flags(uids, deleted, context));
  auto expunged = session.expunge(uids, context);
  if (!expunged) {
    if (expunged.error().scope < Scope::session) take_flag_change(source_->replica, uids, deleted);
    return fail(std::move(expunged).error().while_doing("expunge"));
  }
  source_->replica.take_vanished(uids);
  source_->replica.publish();
  finish_all({});
  return {};
}

// -- MOVE and COPY --

Result<void> MutationBatch::bring(imap::Session& session, const CallContext& context) {
  IMAPFS_TRY(select_source(session, context));
  const bool moves = items_.front().change.kind == Kind::move;
  // Without UIDPLUS nobody will tell the new UIDs; with it, the answer may be lost.
  if (!session.traits().has("UIDPLUS") || !recognisable()) IMAPFS_TRY(make_recognisable(session, context));
  const auto uids = uids_without_outcome();
  if (uids.empty()) return {};
  const auto point = IMAPFS_TRY_WHILE("status", destination_point(session, destination_, tools_, context));
  std::vector<store::ChangeId> ids;
  for (auto& item : items_) {
    if (item.outcome != Outcome::none) continue;
    ids.push_back(item.change.id);
    item.change.destination_validity = point.uid_validity;
    item.change.destination_uid_next = point.uid_next;
  }
  IMAPFS_TRY(tools_.journal.mark_sent(ids, point.uid_validity, point.uid_next));
  if (!hold) hold = std::make_shared<ArrivalHold>(destination_);
  sent_ = true;
  used_move_ = moves && session.traits().has("MOVE");
  const auto& wire_name = destination_->replica.identity().wire_name;
  const auto copied = used_move_ ? IMAPFS_TRY_WHILE("move", session.move(uids, wire_name, context))
                                 : IMAPFS_TRY_WHILE("copy", session.copy(uids, wire_name, context));
  take_copied(copied, session.traits().has("UIDPLUS"));
  if (used_move_) {
    UidSet moved;
    for (const auto& item : items_)
      if (item.outcome == Outcome::none) moved.add(item.change.source.uid, item.change.source.uid);
    source_->replica.take_vanished(moved);
    source_->replica.publish();
  } else if (moves) {
    IMAPFS_TRY(remove_brought(session, context));
    if (uids_without_outcome().empty()) return {};
  }
  IMAPFS_TRY(find_brought(session, context));
  finish_all({});
  return {};
}

/// Whether each could be told from all others if the answer were lost. In a large batch size and date must do, where no two are alike.
bool MutationBatch::recognisable() const {
  if (items_.size() <= few) return false;
  std::set<std::pair<std::uint64_t, UnixTime>> seen;
  return std::all_of(items_.begin(), items_.end(), [&](const BatchItem& item) {
    const auto& change = item.change;
    if (item.outcome != Outcome::none) return true;
    return change.size != 0 && change.internal_date && seen.emplace(change.size, *change.internal_date).second;
  });
}

/// The journal learns what the messages are recognised by; those that are not there end here.
Result<void> MutationBatch::make_recognisable(imap::Session& session, const CallContext& context) {
  std::vector<bool> present;
  IMAPFS_TRY_WHILE("describe", describe_sources(session, context, present));
  std::vector<store::JournalChange> described;
  for (std::size_t i = 0; i < items_.size(); ++i) {
    auto& item = items_[i];
    if (item.outcome != Outcome::none) continue;
    if (present[i]) {
      described.push_back(item.change);
      continue;
    }
    item.outcome = Outcome::refused;
    item.error = gone(item.change.source.uid);
  }
  return tools_.journal.describe(described);
}

/// What COPYUID tells. Messages it does not name were not there, or the server is careless: that is looked up.
void MutationBatch::take_copied(const imap::CopiedMessages& copied, bool uidplus) {
  if (!uidplus && !copied.uid_validity) return;
  std::map<Uid, Uid> arrived(copied.uids.begin(), copied.uids.end());
  for (auto& item : items_) {
    if (item.outcome != Outcome::none) continue;
    const auto found = arrived.find(item.change.source.uid);
    if (found == arrived.end() || found->second.value == 0) {
      item.outcome = Outcome::look_up;
      continue;
    }
    item.arrived = {item.change.destination, *copied.uid_validity, found->second};
  }
}

/// RFC 6851 §3.3: MOVE by other means. The copy is there, now the source goes. If the server refuses that, both stay:
/// nothing is lost.
Result<void> MutationBatch::remove_brought(imap::Session& session, const CallContext& context) {
  auto removed = remove_from_source(session, uids_without_outcome(), context);
  if (removed || removed.error().scope >= Scope::session) return removed;
  const bool never = removed.error().retry == Retry::never;
  for (auto& item : items_) {
    if (item.outcome != Outcome::none) continue;
    item.outcome = never ? Outcome::refused : Outcome::look_up;
    item.error = removed.error();
  }
  return {};
}

/// Never a plain EXPUNGE: without UIDPLUS the source stays, flagged.
Result<void> MutationBatch::remove_from_source(imap::Session& session, const UidSet& uids, const CallContext& context) {
  if (uids.empty()) return {};
  const auto deleted = deleted_flag(FlagChange::Kind::add);
  IMAPFS_TRY_WHILE("store flags", session.store_flags(uids, deleted, context));
  auto& replica = source_->replica;
  const auto flagged = [&] {
    take_flag_change(replica, uids, deleted);
    replica.show_again(uids);
    replica.publish();
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
  replica.publish();
  return {};
}

}  // namespace imapfs::sync

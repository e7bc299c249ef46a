#include "sync/changes/copy_or_move.hpp"

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

/// What COPYUID says, as far as it can be: where to look first.
std::map<Uid, Uid> told_places(const imap::CopiedMessages& copied, const DestinationPoint& point) {
  if (copied.uid_validity != point.uid_validity) return {};
  return {copied.uids.begin(), copied.uids.end()};
}

}  // namespace

CopyOrMove::CopyOrMove(BatchItems& items, BatchProgress& progress, Dependencies dependencies)
    : items_(items), progress_(progress), dependencies_(std::move(dependencies)),
      source_check_(items, dependencies_.source, dependencies_.commands, dependencies_.session, dependencies_.context),
      moves_(items.front().change.kind == store::JournalChange::Kind::move) {}

Result<void> CopyOrMove::carry_out() {
  auto& session = dependencies_.session;
  IMAPFS_TRY(source_check_.select());
  IMAPFS_TRY(source_check_.make_recognisable());
  const auto uids = uids_without_outcome(items_);
  if (uids.empty()) return {};
  const auto point = IMAPFS_TRY_WHILE(
      "status", destination_point(session, dependencies_.destination, dependencies_.commands, dependencies_.context));
  IMAPFS_TRY(mark_sent(point));
  const auto told = told_places(IMAPFS_TRY(send(uids)), point);
  IMAPFS_TRY(await_arrivals(told));
  std::vector<SeenSource> seen(items_.size(), progress_.used_move ? SeenSource::absent : SeenSource::present);
  if (!all_seen()) {
    seen = IMAPFS_TRY(source_check_.look_again());
    // By their Message-IDs some may be recognised now.
    IMAPFS_TRY(find_arrivals(told));
  }
  return conclude(seen, true);
}

Result<void> CopyOrMove::look_up() {
  const auto seen = IMAPFS_TRY(source_check_.look_again());
  IMAPFS_TRY(find_arrivals({}));
  return conclude(seen, false);
}

Result<void> CopyOrMove::mark_sent(const DestinationPoint& point) {
  std::vector<ChangeId> ids;
  for (auto& item : items_) {
    if (item.outcome != Outcome::none) continue;
    ids.push_back(item.change.id);
    item.change.destination_validity = point.uid_validity;
    item.change.destination_uid_next = point.uid_next;
  }
  return dependencies_.commands.journal.mark_sent(ids, point.uid_validity, point.uid_next);
}

Result<imap::CopiedMessages> CopyOrMove::send(const UidSet& uids) {
  auto& session = dependencies_.session;
  if (!progress_.guard) progress_.guard = std::make_shared<ArrivalGuard>(dependencies_.destination);
  progress_.sent = true;
  progress_.used_move = moves_ && session.traits().has("MOVE");
  const auto& wire_name = dependencies_.destination->replica.identity().wire_name;
  if (progress_.used_move) return IMAPFS_TRY_WHILE("move", session.move(uids, wire_name, dependencies_.context));
  return IMAPFS_TRY_WHILE("copy", session.copy(uids, wire_name, dependencies_.context));
}

// -- what has come --

bool CopyOrMove::nothing_seen() const {
  return unrecognised_ == 0 && std::all_of(items_.begin(), items_.end(), [](const BatchItem& item) {
           return item.outcome != Outcome::none || item.arrived.uid.value == 0;
         });
}

bool CopyOrMove::all_seen() const {
  return std::all_of(items_.begin(), items_.end(), [](const BatchItem& item) {
    return item.outcome != Outcome::none || item.arrived.uid.value != 0;
  });
}

Result<void> CopyOrMove::await_arrivals(const std::map<Uid, Uid>& told) {
  for (std::size_t look = 0; look < looks_at_most; ++look) {
    if (!pause_before_look(look, dependencies_.context)) break;
    IMAPFS_TRY(find_arrivals(told));
    if (!nothing_seen()) break;
  }
  return {};
}

/// For those without an outcome: `arrived`, where it is seen.
Result<void> CopyOrMove::find_arrivals(const std::map<Uid, Uid>& told) {
  const auto& first = items_.front().change;
  DestinationPoint point{first.destination_validity, first.destination_uid_next};
  std::vector<const store::JournalChange*> changes;
  std::vector<Uid> told_uids;
  std::vector<BatchItem*> missing;
  for (auto& item : items_) {
    if (item.outcome != Outcome::none || item.arrived.uid.value != 0) continue;
    if (changes.empty()) point = {item.change.destination_validity, item.change.destination_uid_next};
    // Commands of different times may be looked up together.
    point.uid_next = std::min(point.uid_next, item.change.destination_uid_next);
    changes.push_back(&item.change);
    const auto named = told.find(item.change.source.uid);
    told_uids.push_back(named == told.end() ? Uid{} : named->second);
    missing.push_back(&item);
  }
  if (changes.empty()) return {};
  const auto& destination = dependencies_.destination;
  const auto brought = IMAPFS_TRY(find_brought_messages(dependencies_.session, destination, point, changes, told_uids,
                                                        dependencies_.commands, dependencies_.context));
  for (std::size_t i = 0; i < missing.size(); ++i)
    if (brought.found[i].value != 0)
      missing[i]->arrived = {destination->replica.identity().name, point.uid_validity, brought.found[i]};
  unrecognised_ = brought.unrecognised;
  return {};
}

// -- what that means for the sources --

/// RFC 6851 §3.3: MOVE by other means. The copy is there, so the source goes. What has not come is sent again if the
/// answer was lost; the server that has said OK (`answered`) would say it again.
Result<void> CopyOrMove::conclude(const std::vector<SeenSource>& seen, bool answered) {
  UidSet to_remove;
  UidSet gone;
  for (std::size_t i = 0; i < items_.size(); ++i) {
    auto& item = items_[i];
    if (item.outcome != Outcome::none) continue;
    const bool stays = item.arrived.uid.value == 0 && seen[i] == SeenSource::present;
    const auto source = item.change.source.uid;
    if (moves_ && !stays) (seen[i] == SeenSource::present ? to_remove : gone).add(source, source);
    refuse_unless_arrived(item, seen[i] == SeenSource::present, answered);
  }
  if (!gone.empty()) note_gone(gone);
  if (!to_remove.empty()) {
    IMAPFS_TRY(source_check_.select());
    IMAPFS_TRY(remove_sources(to_remove));
  }
  finish_all(items_, {});
  return {};
}

/// `present`: its source is where it was.
void CopyOrMove::refuse_unless_arrived(BatchItem& item, bool present, bool answered) {
  if (item.arrived.uid.value != 0) return;
  if (present) {
    item.outcome = answered ? Outcome::refused : Outcome::again;
    item.error = did_nothing(moves_ ? "moved" : "copied", item.change);
    return;
  }
  if (operation_of(item.change) == "remove") return;
  // Moved, and so changed on its way that it is not recognised: it is one of those that have come.
  if (answered && progress_.used_move && unrecognised_ > 0) {
    --unrecognised_;
    return;
  }
  item.outcome = Outcome::refused;
  item.error = gone_without_trace(item.change);
}

void CopyOrMove::note_gone(const UidSet& uids) {
  dependencies_.source->replica.take_vanished(uids);
  dependencies_.source->replica.news().publish();
}

/// What the server refuses to remove stays in both places: nothing is lost. A refusal of several is narrowed to those
/// it is about.
Result<void> CopyOrMove::remove_sources(const UidSet& uids) {
  std::vector<UidSet> parts{uids};
  unsigned refusals = 0;
  while (!parts.empty()) {
    auto part = std::move(parts.back());
    parts.pop_back();
    const auto removed = remove(part);
    if (removed) continue;
    if (removed.error().lost_connection()) return removed;
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
Result<void> CopyOrMove::remove(const UidSet& uids) {
  if (uids.empty()) return {};
  auto& session = dependencies_.session;
  IMAPFS_TRY_WHILE("store flags",
                   session.store_flags(uids, deleted_flag(FlagChange::Kind::add), dependencies_.context));
  if (!session.traits().has("UIDPLUS")) {
    show_flagged(uids);
    return {};
  }
  auto expunged = session.expunge(uids, dependencies_.context);
  if (!expunged && expunged.error().lost_connection()) return expunged;
  if (!expunged) {
    telemetry::warning("expunge what was moved out of {}: {}",
                       telemetry::printable(dependencies_.source->replica.identity().path),
                       telemetry::printable(expunged.error().what));
    show_flagged(uids);
    return {};
  }
  note_gone(uids);
  return {};
}

void CopyOrMove::show_flagged(const UidSet& uids) {
  auto& replica = dependencies_.source->replica;
  take_flag_change(replica, uids, deleted_flag(FlagChange::Kind::add));
  replica.own_changes().show_again(uids);
  replica.news().publish();
}

}  // namespace imapfs::sync

// What became of messages whose command was not answered.

#include <algorithm>
#include <map>

#include "imapfs/base/telemetry.hpp"
#include "sync/changes/batch.hpp"
#include "sync/changes/sent_content.hpp"

namespace imapfs::sync {
namespace {

using Outcome = BatchItem::Outcome;

}  // namespace

/// For those without an outcome: `arrived`, where it is seen.
Result<void> ChangeBatch::find_brought(imap::Session& session, const std::map<Uid, Uid>& told,
                                       const CallContext& context) {
  const auto& first = items_.front().change;
  DestinationPoint point{first.destination_validity, first.destination_uid_next};
  std::vector<const store::JournalChange*> changes;
  std::vector<Uid> told_uids;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < items_.size(); ++i) {
    const auto& item = items_[i];
    if (item.outcome != Outcome::none || item.arrived.uid.value != 0) continue;
    if (changes.empty()) point = {item.change.destination_validity, item.change.destination_uid_next};
    // Commands of different times may be looked up together.
    point.uid_next = std::min(point.uid_next, item.change.destination_uid_next);
    changes.push_back(&item.change);
    const auto named = told.find(item.change.source.uid);
    told_uids.push_back(named == told.end() ? Uid{} : named->second);
    places.push_back(i);
  }
  if (changes.empty()) return {};
  const auto brought = IMAPFS_TRY(
      find_brought_messages(session, destination_, point, changes, told_uids, tools_, context));
  for (std::size_t i = 0; i < places.size(); ++i)
    if (brought.found[i].value != 0)
      items_[places[i]].arrived = {destination_->replica.identity().name, point.uid_validity, brought.found[i]};
  unrecognised_ = brought.unrecognised;
  return {};
}

/// An unknown outcome: first the source, then the destination, then only what is missing.
Result<void> ChangeBatch::look_up_brought(imap::Session& session, const CallContext& context) {
  IMAPFS_TRY(select_source(session, context));
  const auto seen = IMAPFS_TRY(describe_sources(session, true, context));
  list_anew_if_another(seen);
  IMAPFS_TRY(find_brought(session, {}, context));
  return conclude_brought(session, seen, false, context);
}

/// Uploads of an earlier run. What was sent may have come; the file may have been changed since.
Result<void> ChangeBatch::look_up_appended(imap::Session& session, const CallContext& context) {
  for (auto& item : items_) {
    const auto& change = item.change;
    if (item.outcome != Outcome::none) continue;
    Uid found;
    if (change.sent) {
      const DestinationPoint point{change.destination_validity, change.destination_uid_next};
      auto candidates = IMAPFS_TRY(fetch_candidates(session, destination_, point, tools_, context));
      found = IMAPFS_TRY(find_sent(session, destination_, change, std::move(candidates), tools_, context));
    }
    if (found.value == 0) {
      item.outcome = Outcome::again;
      continue;
    }
    item.outcome = Outcome::done;
    item.arrived = {change.destination, change.destination_validity, found};
    const auto content = content_to_send(tools_.journal.staging_path(change.staged));
    // What the user has removed meanwhile is not to be kept.
    item.keeps_staged = content ? !was_sent_by(change, *content) : content.error().errnum != ENOENT;
  }
  return {};
}

}  // namespace imapfs::sync

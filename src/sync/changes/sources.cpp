// The messages that a batch is about: whether they are what their rows say, and what they are recognised by elsewhere.
//
// Some servers give the UIDs of a mailbox to other messages without a new UIDVALIDITY. So what is about to be moved or
// removed is looked at first, by the command that renews the session's view, and a message of another size or date is
// left alone.

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "sync/changes/batch.hpp"

namespace imapfs::sync {
namespace {

using Outcome = BatchItem::Outcome;

/// So few messages are described in full before they are sent on their way: it is one round trip that nobody waits for.
constexpr std::size_t few = 16;

Error gone(Uid uid) {
  return {ENOENT, Scope::message, Retry::never, fmt::format("UID {} is not there any more", uid.value)};
}

Error another_message(Uid uid) {
  return {ESTALE, Scope::message, Retry::never,
          fmt::format("UID {} is another message than it was when it was listed", uid.value)};
}

}  // namespace

/// Whether it had to be selected: else the session's view may be old.
Result<bool> ChangeBatch::select_mailbox_of_sources(imap::Session& session, const CallContext& context) {
  auto& replica = source_->replica;
  const auto selected = IMAPFS_TRY(select_read_write(session, replica.identity().wire_name, context));
  if (selected) {
    replica.rights().note_selection(*selected);
    replica.news().publish();
  }
  const auto expected = items_.front().change.source.uid_validity;
  if (session.selection().uid_validity.value_or(UidValidity{}) != expected)
    return fail(ESTALE, Scope::mailbox, Retry::never, "the mailbox has another UIDVALIDITY now");
  if (session.selection().read_only) return fail(EROFS, Scope::mailbox, Retry::never, "the mailbox is read-only");
  return selected.has_value();
}

Result<void> ChangeBatch::select_source(imap::Session& session, const CallContext& context) {
  if (IMAPFS_TRY(select_mailbox_of_sources(session, context))) return {};
  // COPY and MOVE take flags along as this connection last saw them; another may have set some since.
  IMAPFS_TRY_WHILE("renew the view", session.noop(context));
  return {};
}

/// Where a view is renewed, by a look at the messages instead of NOOP. What is only flagged can be had back: that is
/// not worth a round trip of its own.
Result<void> ChangeBatch::select_to_remove(imap::Session& session, const CallContext& context) {
  const auto& first = items_.front().change;
  const bool selected = IMAPFS_TRY(select_mailbox_of_sources(session, context));
  if (selected && first.kind != Kind::expunge) return {};
  if (!takes_away(first)) {
    IMAPFS_TRY_WHILE("renew the view", session.noop(context));
    return {};
  }
  refuse_another(IMAPFS_TRY_WHILE("describe", describe_sources(session, false, context)));
  return {};
}

Result<std::vector<ChangeBatch::Seen>> ChangeBatch::describe_sources(imap::Session& session, bool with_message_ids,
                                                                     const CallContext& context) {
  std::map<Uid, std::size_t> places;
  for (std::size_t i = 0; i < items_.size(); ++i) places[items_[i].change.source.uid] = i;
  std::vector<Seen> seen(items_.size(), Seen::absent);
  imap::Session::FetchRequest request;
  request.uids = uids_without_outcome();
  request.items.size = request.items.internal_date = true;
  if (with_message_ids) request.items.header_fields = {"MESSAGE-ID"};
  if (request.uids.empty()) return seen;
  const bool sizes_lie = session.traits().has(imap::Quirk::wrong_sizes);
  IMAPFS_TRY(session.fetch(
      request,
      [&](const imap::FetchRow& row) {
        const auto place = places.find(row.uid);
        // Flags of a message may come unasked.
        if (place == places.end() || (!row.size && !row.internal_date)) return;
        auto& change = items_[place->second].change;
        seen[place->second] = is_another(change, row, sizes_lie) ? Seen::another : Seen::present;
        if (seen[place->second] == Seen::another) return;
        if (row.size) change.size = *row.size;
        if (row.internal_date) change.internal_date = row.internal_date;
        if (auto id = message_id_of(row.header_block); !id.empty()) change.message_id = std::move(id);
      },
      context));
  return seen;
}

/// By its row, and by what the row was when the change was accepted: it may have been listed anew since. What a change
/// is about that has followed another was another message's copy then.
bool ChangeBatch::is_another(const store::JournalChange& change, const imap::FetchRow& row, bool sizes_lie) const {
  const auto known = source_->replica.messages().find(row.uid);
  const bool told_sizes = !sizes_lie && !(known && known->size_is_exact);
  const auto differs = [&](UnixTime date, std::uint64_t size) {
    if (row.internal_date && *row.internal_date != date) return true;
    return told_sizes && row.size && size != 0 && *row.size != size;
  };
  if (known && differs(known->internal_date, known->size)) return true;
  return change.follows.value == 0 && change.internal_date && differs(*change.internal_date, change.size);
}

void ChangeBatch::list_anew_if_another(const std::vector<Seen>& seen) {
  if (std::find(seen.begin(), seen.end(), Seen::another) == seen.end()) return;
  telemetry::warning("{}: messages have other UIDs than before, and the same UIDVALIDITY; it is listed anew",
                     telemetry::printable(source_->replica.identity().path));
  tools_.list_anew(source_);
}

void ChangeBatch::refuse_another(const std::vector<Seen>& seen) {
  for (std::size_t i = 0; i < items_.size(); ++i) {
    auto& item = items_[i];
    if (item.outcome != Outcome::none || seen[i] != Seen::another) continue;
    item.outcome = Outcome::refused;
    item.error = another_message(item.change.source.uid);
  }
  list_anew_if_another(seen);
}

/// Whether each could be told from all others if the answer were lost. In a large batch size and date must do, where no
/// two are alike.
bool ChangeBatch::recognisable() const {
  if (items_.size() <= few) return false;
  std::set<std::pair<std::uint64_t, UnixTime>> seen;
  return std::all_of(items_.begin(), items_.end(), [&](const BatchItem& item) {
    const auto& change = item.change;
    if (item.outcome != Outcome::none) return true;
    return change.size != 0 && change.internal_date && seen.emplace(change.size, *change.internal_date).second;
  });
}

/// The journal learns what the messages are recognised by; those that are not there, or are others, end here.
Result<void> ChangeBatch::make_recognisable(imap::Session& session, const CallContext& context) {
  // Without UIDPLUS nobody will tell the new UIDs; with it, the answer may be lost.
  const bool with_message_ids = !session.traits().has("UIDPLUS") || !recognisable();
  const auto seen = IMAPFS_TRY_WHILE("describe", describe_sources(session, with_message_ids, context));
  refuse_another(seen);
  std::vector<store::JournalChange> described;
  for (std::size_t i = 0; i < items_.size(); ++i) {
    auto& item = items_[i];
    if (item.outcome != Outcome::none) continue;
    if (seen[i] == Seen::present) {
      described.push_back(item.change);
    } else if (operation_of(item.change) == "remove") {
      item.outcome = Outcome::done;
    } else {
      item.outcome = Outcome::refused;
      item.error = gone(item.change.source.uid);
    }
  }
  return tools_.journal.describe(described);
}

}  // namespace imapfs::sync

#include "sync/changes/source_check.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "sync/changes/arrivals.hpp"

namespace imapfs::sync {
namespace {

using Outcome = BatchItem::Outcome;

/// So few messages are described in full before they are sent on their way: it is one round trip that nobody waits for.
constexpr std::size_t described_in_full = 16;

Error gone(Uid uid) {
  return {ENOENT, Scope::message, Retry::never, fmt::format("UID {} is not there any more", uid.value)};
}

Error another_message(Uid uid) {
  return {ESTALE, Scope::message, Retry::never,
          fmt::format("UID {} is another message than it was when it was listed", uid.value)};
}

}  // namespace

SourceCheck::SourceCheck(BatchItems& items, MailboxPointer source, const CommandDependencies& dependencies,
                         imap::Session& session, const CallContext& context)
    : items_(items), source_(std::move(source)), dependencies_(dependencies), session_(session), context_(context) {}

/// Whether it had to be selected: else the session's view may be old.
Result<bool> SourceCheck::select_mailbox() {
  auto& replica = source_->replica;
  const auto selected = IMAPFS_TRY(select_read_write(session_, replica.identity().wire_name, context_));
  if (selected) {
    replica.rights().note_selection(*selected);
    replica.news().publish();
  }
  const auto expected = items_.front().change.source.uid_validity;
  if (session_.selection().uid_validity.value_or(UidValidity{}) != expected)
    return fail(ESTALE, Scope::mailbox, Retry::never, "the mailbox has another UIDVALIDITY now");
  if (session_.selection().read_only) return fail(EROFS, Scope::mailbox, Retry::never, "the mailbox is read-only");
  return selected.has_value();
}

Result<void> SourceCheck::select() {
  if (IMAPFS_TRY(select_mailbox())) return {};
  // COPY and MOVE take flags along as this connection last saw them; another may have set some since.
  IMAPFS_TRY_WHILE("renew the view", session_.noop(context_));
  return {};
}

/// Where a view is renewed, by a look at the messages instead of NOOP. What is only flagged can be had back: that is
/// not worth a round trip of its own.
Result<void> SourceCheck::select_to_remove() {
  const auto& first = items_.front().change;
  const bool selected = IMAPFS_TRY(select_mailbox());
  if (selected && first.kind != store::JournalChange::Kind::expunge) return {};
  if (!takes_away(first)) {
    IMAPFS_TRY_WHILE("renew the view", session_.noop(context_));
    return {};
  }
  refuse_another(IMAPFS_TRY_WHILE("describe", describe(false)));
  return {};
}

Result<std::vector<SeenSource>> SourceCheck::describe(bool with_message_ids) {
  std::map<Uid, std::size_t> places;
  for (std::size_t i = 0; i < items_.size(); ++i) places[items_[i].change.source.uid] = i;
  std::vector<SeenSource> seen(items_.size(), SeenSource::absent);
  imap::Session::FetchRequest request;
  request.uids = uids_without_outcome(items_);
  request.items.size = request.items.internal_date = true;
  if (with_message_ids) request.items.header_fields = {"MESSAGE-ID"};
  if (request.uids.empty()) return seen;
  const bool sizes_lie = session_.traits().has(imap::Quirk::wrong_sizes);
  IMAPFS_TRY(session_.fetch(
      request,
      [&](const imap::FetchRow& row) {
        const auto place = places.find(row.uid);
        // Flags of a message may come unasked.
        if (place == places.end() || (!row.size && !row.internal_date)) return;
        auto& change = items_[place->second].change;
        seen[place->second] = is_another(change, row, sizes_lie) ? SeenSource::another : SeenSource::present;
        if (seen[place->second] == SeenSource::another) return;
        if (row.size) change.size = *row.size;
        if (row.internal_date) change.internal_date = row.internal_date;
        if (auto id = message_id_of(row.header_block); !id.empty()) change.message_id = std::move(id);
      },
      context_));
  return seen;
}

/// By its row, and by what the row was when the change was accepted: it may have been listed anew since. What a change
/// is about that has followed another was another message's copy then.
bool SourceCheck::is_another(const store::JournalChange& change, const imap::FetchRow& row, bool sizes_lie) const {
  const auto known = source_->replica.messages().find(row.uid);
  const bool told_sizes = !sizes_lie && !(known && known->size_is_exact);
  const auto differs = [&](UnixTime date, std::uint64_t size) {
    if (row.internal_date && *row.internal_date != date) return true;
    return told_sizes && row.size && size != 0 && *row.size != size;
  };
  if (known && differs(known->internal_date, known->size)) return true;
  return change.follows.value == 0 && change.internal_date && differs(*change.internal_date, change.size);
}

Result<std::vector<SeenSource>> SourceCheck::look_again() {
  IMAPFS_TRY(select());
  auto seen = IMAPFS_TRY_WHILE("describe", describe(true));
  list_anew_if_another(seen);
  return seen;
}

void SourceCheck::list_anew_if_another(const std::vector<SeenSource>& seen) {
  if (std::find(seen.begin(), seen.end(), SeenSource::another) == seen.end()) return;
  telemetry::warning("{}: messages have other UIDs than before, and the same UIDVALIDITY; it is listed anew",
                     telemetry::printable(source_->replica.identity().path));
  dependencies_.list_anew(source_);
}

void SourceCheck::refuse_another(const std::vector<SeenSource>& seen) {
  for (std::size_t i = 0; i < items_.size(); ++i) {
    auto& item = items_[i];
    if (item.outcome != Outcome::none || seen[i] != SeenSource::another) continue;
    item.outcome = Outcome::refused;
    item.error = another_message(item.change.source.uid);
  }
  list_anew_if_another(seen);
}

/// Whether each could be told from all others if the answer were lost. In a large batch size and date must do, where no
/// two are alike.
bool SourceCheck::recognisable() const {
  if (items_.size() <= described_in_full) return false;
  std::set<std::pair<std::uint64_t, UnixTime>> seen;
  return std::all_of(items_.begin(), items_.end(), [&](const BatchItem& item) {
    const auto& change = item.change;
    if (item.outcome != Outcome::none) return true;
    return change.size != 0 && change.internal_date && seen.emplace(change.size, *change.internal_date).second;
  });
}

Result<void> SourceCheck::make_recognisable() {
  // Without UIDPLUS nobody will tell the new UIDs; with it, the answer may be lost.
  const bool with_message_ids = !session_.traits().has("UIDPLUS") || !recognisable();
  const auto seen = IMAPFS_TRY_WHILE("describe", describe(with_message_ids));
  refuse_another(seen);
  std::vector<store::JournalChange> described;
  for (std::size_t i = 0; i < items_.size(); ++i) {
    auto& item = items_[i];
    if (item.outcome != Outcome::none) continue;
    if (seen[i] == SeenSource::present) {
      described.push_back(item.change);
    } else if (operation_of(item.change) == "remove") {
      item.outcome = Outcome::done;
    } else {
      item.outcome = Outcome::refused;
      item.error = gone(item.change.source.uid);
    }
  }
  return dependencies_.journal.describe(described);
}

}  // namespace imapfs::sync

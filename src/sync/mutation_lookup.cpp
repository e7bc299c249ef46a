// What became of messages whose command was not answered, or not with their new UIDs.

#include <algorithm>
#include <map>
#include <set>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/mime/header_decode.hpp"
#include "mutation_batch.hpp"
#include "sent_content.hpp"

namespace imapfs::sync {
namespace {

using Outcome = BatchItem::Outcome;

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

imap::FetchItems recognisable_items() {
  imap::FetchItems items;
  items.size = items.internal_date = true;
  items.header_fields = {"MESSAGE-ID"};
  return items;
}

bool same_date(const store::JournalChange& change, const ArrivalCandidate& candidate) {
  return !change.internal_date || *change.internal_date == candidate.internal_date;
}

bool same_size(const store::JournalChange& change, const ArrivalCandidate& candidate) {
  if (change.size != candidate.size || !same_date(change, candidate)) return false;
  if (!change.message_id.empty() && !candidate.message_id.empty()) return change.message_id == candidate.message_id;
  // A size alone says too little.
  return change.internal_date.has_value();
}

bool same_message_id(const store::JournalChange& change, const ArrivalCandidate& candidate) {
  return !change.message_id.empty() && change.message_id == candidate.message_id && same_date(change, candidate);
}

}  // namespace

std::string message_id_of(std::string_view header_block) {
  return std::string(trimmed(mime::find_field(header_block, "Message-ID").value_or("")));
}

std::vector<Uid> match_arrivals(const std::vector<const store::JournalChange*>& changes,
                                std::vector<ArrivalCandidate> candidates) {
  std::sort(candidates.begin(), candidates.end(), [](const auto& a, const auto& b) { return a.uid < b.uid; });
  std::multimap<std::uint64_t, std::size_t> by_size;
  std::multimap<std::string, std::size_t> by_message_id;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    by_size.emplace(candidates[i].size, i);
    by_message_id.emplace(candidates[i].message_id, i);
  }
  std::vector<bool> claimed(candidates.size());
  std::vector<Uid> found(changes.size());
  const auto claim = [&](std::size_t change, const auto& index, const auto& key, const auto& matches) {
    const auto [begin, end] = index.equal_range(key);
    for (auto place = begin; place != end && found[change].value == 0; ++place) {
      if (claimed[place->second] || !matches(*changes[change], candidates[place->second])) continue;
      claimed[place->second] = true;
      found[change] = candidates[place->second].uid;
    }
  };
  for (std::size_t i = 0; i < changes.size(); ++i) claim(i, by_size, changes[i]->size, same_size);
  for (std::size_t i = 0; i < changes.size(); ++i)
    if (found[i].value == 0) claim(i, by_message_id, changes[i]->message_id, same_message_id);
  return found;
}

Result<DestinationPoint> destination_point(imap::Session& session, const MailboxPointer& destination,
                                           const MutationTools& tools, const CallContext& context) {
  DestinationPoint point;
  const auto known = destination->replica.known();
  const bool checked = destination->activity.lock()->checked != SteadyClock::time_point{};
  const auto& wire_name = destination->replica.identity().wire_name;
  if (checked && known.complete && known.uid_validity.value != 0 && known.uid_next.value != 0) {
    point = {known.uid_validity, known.uid_next};
  } else if (session.selected() == wire_name && session.selection().uid_next) {
    // RFC 9051 §6.3.11: STATUS is not for the selected mailbox.
    point = {session.selection().uid_validity.value_or(UidValidity{}), *session.selection().uid_next};
  } else {
    const auto status = IMAPFS_TRY(session.status(wire_name, context));
    point.uid_validity = status.uid_validity.value_or(UidValidity{});
    // Courier sends no UIDNEXT for an empty mailbox.
    point.uid_next = status.uid_next.value_or(Uid{status.messages == 0u ? 1u : 0u});
  }
  const auto ours = tools.highest_of_ours(destination->replica.identity().name, point.uid_validity);
  if (ours.value != 0 && ours.value != UINT32_MAX && point.uid_next.value != 0)
    point.uid_next = std::max(point.uid_next, Uid{ours.value + 1});
  return point;
}

Result<std::vector<ArrivalCandidate>> fetch_candidates(imap::Session& session, const MailboxPointer& destination,
                                                       const DestinationPoint& point, const MutationTools& tools,
                                                       const CallContext& context) {
  // Selected anew even where it is selected: only then is it certain that the server shows what has come.
  imap::Session::SelectRequest select;
  select.mailbox = destination->replica.identity().wire_name;
  const auto selected = IMAPFS_TRY_WHILE("select", session.select(select, context));
  std::vector<ArrivalCandidate> candidates;
  const auto validity = selected.uid_validity.value_or(UidValidity{});
  if (validity != point.uid_validity || selected.messages == 0) return candidates;
  const auto& name = destination->replica.identity().name;
  // What has a name of its own was brought by another change, perhaps of an earlier process, or known before.
  std::set<Uid> named;
  for (const auto& local : IMAPFS_TRY(tools.journal.local_names(name, validity))) named.insert(local.uid);
  const Uid first{std::max(point.uid_next.value, 1u)};
  if (selected.uid_next && *selected.uid_next <= first) return candidates;
  imap::Session::FetchRequest request;
  request.uids = UidSet::range(first, Uid{UINT32_MAX});
  request.items = recognisable_items();
  IMAPFS_TRY(session.fetch(
      request,
      [&](const imap::FetchRow& row) {
        if (row.uid < first || !row.size) return;
        if (named.contains(row.uid) || tools.is_ours({name, validity, row.uid})) return;
        candidates.push_back({row.uid, *row.size, row.internal_date.value_or(0), message_id_of(row.header_block)});
      },
      context));
  return candidates;
}

Result<void> MutationBatch::describe_sources(imap::Session& session, const CallContext& context,
                                             std::vector<bool>& present) {
  std::map<Uid, std::size_t> places;
  for (std::size_t i = 0; i < items_.size(); ++i) places[items_[i].change.source.uid] = i;
  present.assign(items_.size(), false);
  imap::Session::FetchRequest request;
  request.uids = uids_without_outcome();
  request.items = recognisable_items();
  if (request.uids.empty()) return {};
  return session.fetch(
      request,
      [&](const imap::FetchRow& row) {
        const auto place = places.find(row.uid);
        if (place == places.end()) return;
        auto& change = items_[place->second].change;
        present[place->second] = true;
        if (row.size) change.size = *row.size;
        if (row.internal_date) change.internal_date = row.internal_date;
        if (auto id = message_id_of(row.header_block); !id.empty()) change.message_id = std::move(id);
      },
      context);
}

/// For those without an outcome: `arrived`, where it can be found.
Result<void> MutationBatch::find_brought(imap::Session& session, const CallContext& context) {
  const auto& first = items_.front().change;
  DestinationPoint point{first.destination_validity, first.destination_uid_next};
  std::vector<const store::JournalChange*> changes;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < items_.size(); ++i) {
    const auto& item = items_[i];
    if (item.outcome != Outcome::none || item.arrived.uid.value != 0) continue;
    if (changes.empty()) point = {item.change.destination_validity, item.change.destination_uid_next};
    // Commands of different times may be looked up together.
    point.uid_next = std::min(point.uid_next, item.change.destination_uid_next);
    changes.push_back(&item.change);
    places.push_back(i);
  }
  if (changes.empty()) return {};
  auto candidates = IMAPFS_TRY(fetch_candidates(session, destination_, point, tools_, context));
  const auto found = match_arrivals(changes, std::move(candidates));
  for (std::size_t i = 0; i < found.size(); ++i)
    if (found[i].value != 0)
      items_[places[i]].arrived = {destination_->replica.identity().name, point.uid_validity, found[i]};
  return {};
}

/// An unknown outcome (design §1.5): first the source, then the destination, then only what is missing.
Result<void> MutationBatch::look_up_brought(imap::Session& session, const CallContext& context) {
  const auto kind = items_.front().change.kind;
  std::vector<bool> present;
  IMAPFS_TRY(select_source(session, context));
  IMAPFS_TRY(describe_sources(session, context, present));
  IMAPFS_TRY(find_brought(session, context));
  UidSet to_remove;
  for (std::size_t i = 0; i < items_.size(); ++i) {
    auto& item = items_[i];
    if (item.outcome != Outcome::none) continue;
    const bool found = item.arrived.uid.value != 0;
    const auto source = item.change.source.uid;
    if (!found && present[i]) {
      item.outcome = Outcome::again;
    } else if (kind == Kind::move && present[i]) {
      to_remove.add(source, source);
    } else if (!found && operation_of(item.change) != "remove") {
      item.outcome = Outcome::refused;
      item.error = {ENOENT, Scope::message, Retry::never,
                    fmt::format("UID {} is gone, and it has not come to {}", source.value,
                                telemetry::printable(item.change.destination))};
    }
  }
  if (kind == Kind::move) {
    if (!to_remove.empty()) {
      IMAPFS_TRY(select_source(session, context));
      IMAPFS_TRY(remove_from_source(session, to_remove, context));
    }
    UidSet vanished;
    for (std::size_t i = 0; i < items_.size(); ++i)
      if (const auto uid = items_[i].change.source.uid; !present[i] && items_[i].outcome != Outcome::again)
        vanished.add(uid, uid);
    source_->replica.take_vanished(vanished);
    source_->replica.publish();
  }
  finish_all({});
  return {};
}

/// Uploads of an earlier run. What was sent may have come; the file may have been changed since.
Result<void> MutationBatch::look_up_appended(imap::Session& session, const CallContext& context) {
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

#include "sync/changes/arrivals.hpp"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>

#include "imapfs/mime/header_decode.hpp"

namespace imapfs::sync {
namespace {

constexpr std::array<std::chrono::milliseconds, looks_at_most> pauses = {
    std::chrono::milliseconds(0), std::chrono::milliseconds(200), std::chrono::milliseconds(800)};

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

Uid first_possible(const DestinationPoint& point) { return Uid{std::max(point.uid_next.value, 1u)}; }

bool same_date(const store::JournalChange& change, const ArrivalCandidate& candidate) {
  return !change.internal_date || *change.internal_date == candidate.internal_date;
}

bool same_message_id(const store::JournalChange& change, const ArrivalCandidate& candidate) {
  return !change.message_id.empty() && change.message_id == candidate.message_id;
}

/// Whether the message with the UID that the server told can be the copy. Not by its date: a server need not keep it.
bool is_told_copy(const store::JournalChange& change, const ArrivalCandidate& candidate, bool sizes_lie) {
  const bool both_named = !change.message_id.empty() && !candidate.message_id.empty();
  if (both_named && change.message_id != candidate.message_id) return false;
  return sizes_lie || change.size == 0 || change.size == candidate.size || same_message_id(change, candidate);
}

/// A server without UIDNEXT: beyond the highest that is there.
Result<Uid> next_after_highest(imap::Session& session, const CallContext& context) {
  if (session.selection().messages == 0) return Uid{1};
  const auto all = IMAPFS_TRY(session.search("ALL", context));
  if (all.empty() || all.ranges().back().last == UINT32_MAX) return Uid{};
  return Uid{all.ranges().back().last + 1};
}

Result<DestinationPoint> point_of_selection(imap::Session& session, const CallContext& context) {
  const auto& selection = session.selection();
  DestinationPoint point{selection.uid_validity.value_or(UidValidity{}), {}};
  point.uid_next = selection.uid_next ? *selection.uid_next : IMAPFS_TRY(next_after_highest(session, context));
  return point;
}

Result<imap::SelectedMailbox> select_anew(imap::Session& session, const MailboxPointer& destination,
                                          const CallContext& context) {
  imap::Session::SelectRequest select;
  select.mailbox = destination->replica.identity().wire_name;
  return IMAPFS_TRY_WHILE("select", session.select(select, context));
}

/// By SELECT alone: another UIDVALIDITY, no message, or none since then.
bool has_nothing_new(const imap::SelectedMailbox& selected, const DestinationPoint& point) {
  if (selected.uid_validity.value_or(UidValidity{}) != point.uid_validity || selected.messages == 0) return true;
  return selected.uid_next && *selected.uid_next <= first_possible(point);
}

std::vector<ArrivalCandidate> all_but(std::vector<ArrivalCandidate> candidates, const std::vector<Uid>& found) {
  std::erase_if(candidates, [&](const auto& candidate) {
    return std::find(found.begin(), found.end(), candidate.uid) != found.end();
  });
  return candidates;
}

/// One look for what COPY or MOVE have brought.
class Look {
 public:
  Look(const std::vector<const store::JournalChange*>& changes, const std::vector<Uid>& told)
      : changes_(changes), told_(told) {
    brought_.found.resize(changes.size());
  }

  [[nodiscard]] bool complete() const {
    return std::all_of(brought_.found.begin(), brought_.found.end(), [](Uid uid) { return uid.value != 0; });
  }
  [[nodiscard]] UidSet told_uids() const {
    auto uids = told_;
    std::erase(uids, Uid{});
    return UidSet::of(std::move(uids));
  }
  void take_told(const std::vector<ArrivalCandidate>& candidates, bool sizes_lie) {
    std::map<Uid, const ArrivalCandidate*> by_uid;
    for (const auto& candidate : candidates) by_uid.emplace(candidate.uid, &candidate);
    for (std::size_t i = 0; i < told_.size(); ++i) {
      const auto seen = by_uid.find(told_[i]);
      if (seen == by_uid.end()) continue;
      if (is_told_copy(*changes_[i], *seen->second, sizes_lie)) brought_.found[i] = told_[i];
    }
  }
  void take_alike(std::vector<ArrivalCandidate> candidates) {
    std::vector<const store::JournalChange*> missing;
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < changes_.size(); ++i) {
      if (brought_.found[i].value != 0) continue;
      missing.push_back(changes_[i]);
      places.push_back(i);
    }
    candidates = all_but(std::move(candidates), brought_.found);
    const auto arrived = candidates.size();
    const auto matched = match_arrivals(missing, std::move(candidates));
    for (std::size_t i = 0; i < matched.size(); ++i) brought_.found[places[i]] = matched[i];
    const auto recognised = std::count_if(matched.begin(), matched.end(), [](Uid uid) { return uid.value != 0; });
    brought_.unrecognised = arrived - static_cast<std::size_t>(recognised);
  }
  [[nodiscard]] BroughtMessages result() { return std::move(brought_); }

 private:
  const std::vector<const store::JournalChange*>& changes_;
  const std::vector<Uid>& told_;
  BroughtMessages brought_;
};

}  // namespace

std::string message_id_of(std::string_view header_block) {
  return std::string(trimmed(mime::find_field(header_block, "Message-ID").value_or("")));
}

bool pause_before_look(std::size_t look, const CallContext& context) {
  const auto pause = pauses.at(std::min(look, pauses.size() - 1));
  if (pause.count() == 0) return true;
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_until(lock, context.stop, std::min(context.deadline, SteadyClock::now() + pause), [] { return false; });
  return context.check().has_value();
}

bool is_alike(const store::JournalChange& change, const ArrivalCandidate& candidate) {
  if (change.size != candidate.size || !same_date(change, candidate)) return false;
  if (!change.message_id.empty()) return change.message_id == candidate.message_id;
  // A size alone says too little.
  return change.internal_date.has_value();
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
  const auto same_name = [](const store::JournalChange& change, const ArrivalCandidate& candidate) {
    return same_message_id(change, candidate) && same_date(change, candidate);
  };
  for (std::size_t i = 0; i < changes.size(); ++i) claim(i, by_size, changes[i]->size, is_alike);
  const auto same_name_and_size = [](const store::JournalChange& change, const ArrivalCandidate& candidate) {
    return same_message_id(change, candidate) && change.size == candidate.size;
  };
  for (std::size_t i = 0; i < changes.size(); ++i)
    if (found[i].value == 0) claim(i, by_message_id, changes[i]->message_id, same_name);
  // RFC 9051 §6.4.7: the date of a copy is only SHOULD.
  for (std::size_t i = 0; i < changes.size(); ++i)
    if (found[i].value == 0) claim(i, by_message_id, changes[i]->message_id, same_name_and_size);
  return found;
}

Result<DestinationPoint> destination_point(imap::Session& session, const MailboxPointer& destination,
                                           const CommandDependencies& dependencies, const CallContext& context) {
  DestinationPoint point;
  const auto known = destination->replica.record().known();
  const bool checked = destination->activity.lock()->checked != SteadyClock::time_point{};
  const bool in_step = checked && known.complete && known.uid_validity.value != 0 && known.uid_next.value != 0;
  const auto& wire_name = destination->replica.identity().wire_name;
  if (session.selected() == wire_name) {
    // RFC 9051 §6.3.11: STATUS is not for the selected mailbox.
    point = IMAPFS_TRY(point_of_selection(session, context));
    if (in_step && known.uid_validity == point.uid_validity) point.uid_next = std::max(point.uid_next, known.uid_next);
  } else if (in_step) {
    point = {known.uid_validity, known.uid_next};
  } else {
    const auto status = IMAPFS_TRY(session.status(wire_name, context));
    point.uid_validity = status.uid_validity.value_or(UidValidity{});
    // Courier sends no UIDNEXT for an empty mailbox.
    point.uid_next = status.uid_next.value_or(Uid{status.messages == 0u ? 1u : 0u});
  }
  const auto ours = dependencies.own_arrivals.highest_in(destination->replica.identity().name, point.uid_validity);
  if (ours.value != 0 && ours.value != UINT32_MAX && point.uid_next.value != 0)
    point.uid_next = std::max(point.uid_next, Uid{ours.value + 1});
  return point;
}

Result<std::vector<ArrivalCandidate>> fetch_candidates_in_view(imap::Session& session,
                                                               const MailboxPointer& destination,
                                                               const DestinationPoint& point, const UidSet& uids,
                                                               const CommandDependencies& dependencies,
                                                               const CallContext& context) {
  std::vector<ArrivalCandidate> candidates;
  const auto& name = destination->replica.identity().name;
  const auto validity = point.uid_validity;
  if (uids.empty() || session.selection().uid_validity.value_or(UidValidity{}) != validity) return candidates;
  // What has a name of its own was brought by another change, perhaps of an earlier process, or known before.
  std::set<Uid> named;
  for (const auto& local : IMAPFS_TRY(dependencies.journal.local_names(name, validity))) named.insert(local.uid);
  imap::Session::FetchRequest request;
  request.uids = uids;
  request.items.size = request.items.internal_date = true;
  request.items.header_fields = {"MESSAGE-ID"};
  IMAPFS_TRY(session.fetch(
      request,
      [&](const imap::FetchRow& row) {
        if (row.uid < first_possible(point) || !row.size || !uids.contains(row.uid)) return;
        if (named.contains(row.uid) || dependencies.own_arrivals.contains({name, validity, row.uid})) return;
        candidates.push_back({row.uid, *row.size, row.internal_date.value_or(0), message_id_of(row.header_block)});
      },
      context));
  return candidates;
}

Result<std::vector<ArrivalCandidate>> fetch_candidates(imap::Session& session, const MailboxPointer& destination,
                                                       const DestinationPoint& point,
                                                       const CommandDependencies& dependencies,
                                                       const CallContext& context) {
  const auto selected = IMAPFS_TRY(select_anew(session, destination, context));
  if (has_nothing_new(selected, point)) return std::vector<ArrivalCandidate>();
  return fetch_candidates_in_view(session, destination, point, UidSet::range(first_possible(point), Uid{UINT32_MAX}),
                                  dependencies, context);
}

Result<BroughtMessages> find_brought_messages(imap::Session& session, const MailboxPointer& destination,
                                              const DestinationPoint& point,
                                              const std::vector<const store::JournalChange*>& changes,
                                              const std::vector<Uid>& told, const CommandDependencies& dependencies,
                                              const CallContext& context) {
  Look look(changes, told);
  const bool sizes_lie = session.traits().has(imap::Quirk::wrong_sizes);
  const auto selected = IMAPFS_TRY(select_anew(session, destination, context));
  look.take_told(
      IMAPFS_TRY(fetch_candidates_in_view(session, destination, point, look.told_uids(), dependencies, context)),
      sizes_lie);
  if (look.complete() || has_nothing_new(selected, point)) return look.result();
  look.take_alike(IMAPFS_TRY(fetch_candidates_in_view(
      session, destination, point, UidSet::range(first_possible(point), Uid{UINT32_MAX}), dependencies, context)));
  return look.result();
}

}  // namespace imapfs::sync

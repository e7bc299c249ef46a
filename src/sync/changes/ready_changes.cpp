#include "sync/changes/ready_changes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "imapfs/imap/session.hpp"

namespace imapfs::sync {
namespace {

using Kind = store::JournalChange::Kind;

std::string flags_text(const FlagChange& change) {
  return fmt::format("{} {}", static_cast<int>(change.kind), change.flags.to_string());
}

std::size_t digits(std::uint32_t number) { return std::to_string(number).size(); }

/// How many of the UIDs, which are sorted, make up a set whose text is not too long.
std::size_t fitting(const std::vector<std::pair<Uid, ChangeId>>& uids) {
  std::size_t text = 0;
  bool in_range = false;
  for (std::size_t i = 0; i < uids.size(); ++i) {
    const auto uid = uids[i].first.value;
    const bool follows_on = i > 0 && uids[i - 1].first.value + 1 == uid;
    if (!follows_on || !in_range) text += digits(uid) + 1;
    in_range = follows_on;
    if (text > imap::longest_uid_set) return i;
  }
  return uids.size();
}

}  // namespace

std::string ReadyChanges::busy_key(const store::JournalChange& change) {
  if (change.kind == Kind::append) return std::string("\x01") + change.destination;
  return change.source.mailbox;
}

ReadyChanges::BatchKey ReadyChanges::key_of(const PendingChange& pending) {
  const auto& change = pending.change;
  const bool has_flags = change.kind == Kind::flag;
  return {change.kind,
          busy_key(change),
          change.source.uid_validity.value,
          change.destination,
          has_flags ? flags_text(change.flags) : std::string(),
          pending.look_up,
          pending.group};
}

void ReadyChanges::add(const PendingChange& pending) {
  sets_[key_of(pending)].emplace(pending.change.id, pending.change.source.uid);
}

void ReadyChanges::remove(const PendingChange& pending) {
  const auto set = sets_.find(key_of(pending));
  if (set == sets_.end()) return;
  set->second.erase(pending.change.id);
  if (set->second.empty()) sets_.erase(set);
}

std::vector<ChangeId> ReadyChanges::take_batch() {
  auto best = sets_.end();
  for (auto set = sets_.begin(); set != sets_.end(); ++set) {
    if (busy_.contains(std::get<1>(set->first))) continue;
    if (best == sets_.end() || set->second.begin()->first < best->second.begin()->first) best = set;
  }
  if (best == sets_.end()) return {};
  std::vector<std::pair<Uid, ChangeId>> chosen;
  for (const auto& [id, uid] : best->second) {
    if (chosen.size() == batch_limit) break;
    chosen.emplace_back(uid, id);
  }
  std::sort(chosen.begin(), chosen.end());
  chosen.resize(std::max<std::size_t>(fitting(chosen), 1));
  std::vector<ChangeId> batch;
  for (const auto& [uid, id] : chosen) {
    batch.push_back(id);
    best->second.erase(id);
  }
  busy_.insert(std::get<1>(best->first));
  if (best->second.empty()) sets_.erase(best);
  return batch;
}

std::vector<ChangeId> ReadyChanges::take_due(SteadyClock::time_point now) {
  std::vector<ChangeId> due;
  while (!paused_.empty() && paused_.begin()->first <= now) {
    due.push_back(paused_.begin()->second);
    paused_.erase(paused_.begin());
  }
  return due;
}

std::optional<SteadyClock::time_point> ReadyChanges::next_due() const {
  if (paused_.empty()) return std::nullopt;
  return paused_.begin()->first;
}

std::set<ChangeId> ReadyChanges::paused() const {
  std::set<ChangeId> ids;
  for (const auto& [until, id] : paused_) ids.insert(id);
  return ids;
}

}  // namespace imapfs::sync

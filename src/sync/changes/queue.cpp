#include "sync/changes/queue.hpp"

#include <fmt/format.h>

#include <algorithm>

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
    if (text > ChangeQueue::set_text_limit) return i;
  }
  return uids.size();
}

}  // namespace

std::string renamed_mailbox(const std::string& name, const std::string& from, const std::string& to, char delimiter) {
  if (name == from) return to;
  const bool below = delimiter != 0 && name.size() > from.size() && name.starts_with(from) &&
                     name[from.size()] == delimiter;
  return below ? to + name.substr(from.size()) : name;
}

PendingChange* ChangeQueue::find(ChangeId id) {
  const auto found = changes_.find(id);
  return found == changes_.end() ? nullptr : &found->second;
}

bool ChangeQueue::waits_for_arrival(const store::JournalChange& change) {
  return change.source.uid.value == 0 && change.follows.value != 0;
}

ChangeQueue::MessageKey ChangeQueue::key_of(const store::JournalChange& change) {
  if (waits_for_arrival(change)) return {{}, 0, 0, change.follows.value};
  // An append has no message to keep in order: it is a queue of its own.
  if (change.source.uid.value == 0) return {{}, 0, 1, change.id.value};
  return {change.source.mailbox, change.source.uid_validity.value, change.source.uid.value, 0};
}

std::string ChangeQueue::busy_key(const store::JournalChange& change) {
  if (change.kind == Kind::append) return std::string("\x01") + change.destination;
  return change.source.mailbox;
}

ChangeQueue::BatchKey ChangeQueue::batch_key_of(const PendingChange& pending) {
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

ChangeId ChangeQueue::moving(const store::JournalLocation& message) const {
  const auto queue = queues_.find({message.mailbox, message.uid_validity.value, message.uid.value, 0});
  if (queue == queues_.end() || queue->second.empty()) return {};
  const auto last = queue->second.back();
  return changes_.at(last).change.kind == Kind::move ? moving(last) : ChangeId{};
}

ChangeId ChangeQueue::moving(ChangeId change) const {
  while (true) {
    const auto queue = queues_.find({{}, 0, 0, change.value});
    if (queue == queues_.end() || queue->second.empty()) return change;
    const auto last = queue->second.back();
    if (changes_.at(last).change.kind != Kind::move) return change;
    change = last;
  }
}

std::vector<ChangeId> ChangeQueue::direct_followers(ChangeId id) const {
  const auto queue = queues_.find({{}, 0, 0, id.value});
  if (queue == queues_.end()) return {};
  return {queue->second.begin(), queue->second.end()};
}

PendingChange* ChangeQueue::last_of(const store::JournalLocation& message) {
  const auto queue = queues_.find({message.mailbox, message.uid_validity.value, message.uid.value, 0});
  return queue == queues_.end() || queue->second.empty() ? nullptr : &changes_.at(queue->second.back());
}

std::vector<const store::JournalChange*> ChangeQueue::changes_of(const store::JournalLocation& message) const {
  std::vector<const store::JournalChange*> found;
  const auto queue = queues_.find({message.mailbox, message.uid_validity.value, message.uid.value, 0});
  if (queue == queues_.end()) return found;
  for (const auto id : queue->second) found.push_back(&changes_.at(id).change);
  return found;
}

void ChangeQueue::add(PendingChange pending) {
  const auto id = pending.change.id;
  const auto key = key_of(pending.change);
  changes_.insert_or_assign(id, std::move(pending));
  auto& queue = queues_[key];
  queue.push_back(id);
  if (queue.size() == 1) front_is_ready(key);
}

void ChangeQueue::front_is_ready(const MessageKey& key) {
  const auto queue = queues_.find(key);
  if (queue == queues_.end()) return;
  if (queue->second.empty()) {
    queues_.erase(queue);
    return;
  }
  make_ready(queue->second.front());
}

void ChangeQueue::make_ready(ChangeId id) {
  const auto& pending = changes_.at(id);
  if (waits_for_arrival(pending.change) || pending.in_flight || pending.parked) return;
  ready_[batch_key_of(pending)].insert(id);
}

std::vector<ChangeId> ChangeQueue::take_batch() {
  auto best = ready_.end();
  for (auto set = ready_.begin(); set != ready_.end(); ++set) {
    if (busy_.contains(std::get<1>(set->first))) continue;
    if (best == ready_.end() || *set->second.begin() < *best->second.begin()) best = set;
  }
  if (best == ready_.end()) return {};
  std::vector<std::pair<Uid, ChangeId>> chosen;
  for (const auto id : best->second) {
    if (chosen.size() == batch_limit) break;
    chosen.emplace_back(changes_.at(id).change.source.uid, id);
  }
  std::sort(chosen.begin(), chosen.end());
  chosen.resize(std::max<std::size_t>(fitting(chosen), 1));
  std::vector<ChangeId> batch;
  for (const auto& [uid, id] : chosen) {
    batch.push_back(id);
    best->second.erase(id);
    changes_.at(id).in_flight = true;
  }
  busy_.insert(std::get<1>(best->first));
  if (best->second.empty()) ready_.erase(best);
  return batch;
}

void ChangeQueue::put_back(const std::vector<ChangeId>& batch, SteadyClock::duration pause) {
  const auto until = SteadyClock::now() + pause;
  for (const auto id : batch) {
    auto* const pending = find(id);
    if (pending == nullptr) continue;
    pending->in_flight = false;
    if (pause.count() == 0) make_ready(id);
    else paused_.emplace(until, id);
  }
}

std::optional<SteadyClock::time_point> ChangeQueue::wake(SteadyClock::time_point now) {
  while (!paused_.empty() && paused_.begin()->first <= now) {
    const auto id = paused_.begin()->second;
    paused_.erase(paused_.begin());
    if (find(id) != nullptr) make_ready(id);
  }
  if (paused_.empty()) return std::nullopt;
  return paused_.begin()->first;
}

std::vector<ChangeId> ChangeQueue::followers(ChangeId id) const {
  std::vector<ChangeId> found;
  std::vector<ChangeId> to_visit{id};
  while (!to_visit.empty()) {
    const auto queue = queues_.find({{}, 0, 0, to_visit.back().value});
    to_visit.pop_back();
    if (queue == queues_.end()) continue;
    found.insert(found.end(), queue->second.begin(), queue->second.end());
    to_visit.insert(to_visit.end(), queue->second.begin(), queue->second.end());
  }
  return found;
}

std::vector<ChangeId> ChangeQueue::dependents(ChangeId id) const {
  auto found = followers(id);
  // `cp a b; rm a` must not go on when the copy was refused.
  const auto queue = queues_.find(key_of(changes_.at(id).change));
  if (queue == queues_.end()) return found;
  auto place = std::find(queue->second.begin(), queue->second.end(), id);
  if (place == queue->second.end()) return found;
  while (++place != queue->second.end()) {
    found.push_back(*place);
    const auto theirs = followers(*place);
    found.insert(found.end(), theirs.begin(), theirs.end());
  }
  return found;
}

PendingChange ChangeQueue::end(ChangeId id, const store::JournalLocation& arrived) {
  const auto key = key_of(changes_.at(id).change);
  if (const auto set = ready_.find(batch_key_of(changes_.at(id))); set != ready_.end()) {
    set->second.erase(id);
    if (set->second.empty()) ready_.erase(set);
  }
  auto node = changes_.extract(id);
  auto& queue = queues_[key];
  std::erase(queue, id);
  front_is_ready(key);
  if (arrived.uid.value == 0) return std::move(node.mapped());
  auto following = queues_.extract({{}, 0, 0, id.value});
  if (following.empty()) return std::move(node.mapped());
  for (const auto follower : following.mapped()) {
    auto& change = changes_.at(follower).change;
    change.source = arrived;
    const auto new_key = key_of(change);
    auto& merged = queues_[new_key];
    merged.push_back(follower);
    if (merged.size() == 1) front_is_ready(new_key);
  }
  return std::move(node.mapped());
}

void ChangeQueue::rename_mailbox(const std::string& from, const std::string& to, char delimiter) {
  const auto renamed = [&](std::string& name) { name = renamed_mailbox(name, from, to, delimiter); };
  queues_.clear();
  ready_.clear();
  auto changes = std::exchange(changes_, {});
  const auto paused = std::exchange(paused_, {});
  std::set<ChangeId> pausing;
  for (const auto& [until, id] : paused) pausing.insert(id);
  for (auto& [id, pending] : changes) {
    renamed(pending.change.source.mailbox);
    renamed(pending.change.destination);
    renamed(pending.change.replaces.mailbox);
    const bool in_flight = std::exchange(pending.in_flight, pending.in_flight || pausing.contains(id));
    add(std::move(pending));
    changes_.at(id).in_flight = in_flight;
  }
  paused_ = paused;
}

}  // namespace imapfs::sync

#include "sync/changes/message_order.hpp"

#include <algorithm>

namespace imapfs::sync {

bool MessageOrder::waits_for_arrival(const store::JournalChange& change) {
  return change.source.uid.value == 0 && change.follows.value != 0;
}

MessageOrder::MessageKey MessageOrder::key_of(const store::JournalLocation& message) {
  return {message.mailbox, message.uid_validity.value, message.uid.value, 0};
}

MessageOrder::MessageKey MessageOrder::key_of(const store::JournalChange& change) {
  if (waits_for_arrival(change)) return key_of_followers(change.follows);
  // An append has no message to keep in order: it is a queue of its own.
  if (change.source.uid.value == 0) return {{}, 0, 1, change.id.value};
  return key_of(change.source);
}

std::vector<ChangeId> MessageOrder::ids_in(const MessageKey& key) const {
  std::vector<ChangeId> ids;
  const auto queue = queues_.find(key);
  if (queue == queues_.end()) return ids;
  for (const auto& entry : queue->second) ids.push_back(entry.id);
  return ids;
}

bool MessageOrder::add(const store::JournalChange& change) {
  auto& queue = queues_[key_of(change)];
  queue.push_back({change.id, change.kind == store::JournalChange::Kind::move});
  return queue.size() == 1;
}

ChangeId MessageOrder::remove(const store::JournalChange& change) {
  const auto queue = queues_.find(key_of(change));
  if (queue == queues_.end()) return {};
  std::erase_if(queue->second, [&](const Entry& entry) { return entry.id == change.id; });
  if (!queue->second.empty()) return queue->second.front().id;
  queues_.erase(queue);
  return {};
}

std::vector<ChangeId> MessageOrder::take_followers(ChangeId id) {
  auto ids = ids_in(key_of_followers(id));
  queues_.erase(key_of_followers(id));
  return ids;
}

ChangeId MessageOrder::moving(const store::JournalLocation& message) const {
  const auto queue = queues_.find(key_of(message));
  if (queue == queues_.end()) return {};
  const auto& last = queue->second.back();
  return last.moves ? moving(last.id) : ChangeId{};
}

ChangeId MessageOrder::moving(ChangeId change) const {
  while (true) {
    const auto queue = queues_.find(key_of_followers(change));
    if (queue == queues_.end() || !queue->second.back().moves) return change;
    change = queue->second.back().id;
  }
}

std::vector<ChangeId> MessageOrder::changes_of(const store::JournalLocation& message) const {
  return ids_in(key_of(message));
}

std::vector<ChangeId> MessageOrder::direct_followers(ChangeId id) const { return ids_in(key_of_followers(id)); }

std::vector<ChangeId> MessageOrder::followers(ChangeId id) const {
  std::vector<ChangeId> found;
  std::vector<ChangeId> to_visit{id};
  while (!to_visit.empty()) {
    const auto theirs = direct_followers(to_visit.back());
    to_visit.pop_back();
    found.insert(found.end(), theirs.begin(), theirs.end());
    to_visit.insert(to_visit.end(), theirs.begin(), theirs.end());
  }
  return found;
}

std::vector<ChangeId> MessageOrder::dependents(const store::JournalChange& change) const {
  auto found = followers(change.id);
  // `cp a b; rm a` must not go on when the copy was refused.
  const auto queue = ids_in(key_of(change));
  auto later = std::find(queue.begin(), queue.end(), change.id);
  if (later == queue.end()) return found;
  while (++later != queue.end()) {
    found.push_back(*later);
    const auto theirs = followers(*later);
    found.insert(found.end(), theirs.begin(), theirs.end());
  }
  return found;
}

}  // namespace imapfs::sync

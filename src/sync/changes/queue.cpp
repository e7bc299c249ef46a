#include "sync/changes/queue.hpp"

#include <algorithm>
#include <utility>

#include "sync/changes/change_kinds.hpp"

namespace imapfs::sync {

PendingChange* ChangeQueue::find(ChangeId id) {
  const auto found = changes_.find(id);
  return found == changes_.end() ? nullptr : &found->second;
}

const PendingChange* ChangeQueue::find(ChangeId id) const {
  const auto found = changes_.find(id);
  return found == changes_.end() ? nullptr : &found->second;
}

PendingChange* ChangeQueue::last_of(const store::JournalLocation& message) {
  const auto changes = order_.changes_of(message);
  return changes.empty() ? nullptr : find(changes.back());
}

std::vector<const store::JournalChange*> ChangeQueue::changes_of(const store::JournalLocation& message) const {
  std::vector<const store::JournalChange*> found;
  for (const auto id : order_.changes_of(message)) found.push_back(&changes_.at(id).change);
  return found;
}

bool ChangeQueue::is_leaving(const store::JournalLocation& message) const {
  const auto changes = changes_of(message);
  return std::any_of(changes.begin(), changes.end(), [](const auto* change) { return takes_away(*change); });
}

std::vector<ChangeId> ChangeQueue::dependents(ChangeId id) const { return order_.dependents(changes_.at(id).change); }

void ChangeQueue::add(PendingChange pending) {
  const auto id = pending.change.id;
  const bool is_first = order_.add(pending.change);
  changes_.insert_or_assign(id, std::move(pending));
  if (is_first) make_ready(id);
}

void ChangeQueue::make_ready(ChangeId id) {
  const auto& pending = changes_.at(id);
  if (MessageOrder::waits_for_arrival(pending.change) || pending.in_flight || pending.parked) return;
  ready_.add(pending);
}

PendingChange ChangeQueue::end(ChangeId id, const store::JournalLocation& arrived) {
  ready_.remove(changes_.at(id));
  auto ended = std::move(changes_.extract(id).mapped());
  if (const auto next = order_.remove(ended.change); next.value != 0) make_ready(next);
  if (arrived.uid.value == 0) return ended;
  for (const auto follower : order_.take_followers(id)) {
    auto& change = changes_.at(follower).change;
    change.source = arrived;
    if (order_.add(change)) make_ready(follower);
  }
  return ended;
}

void ChangeQueue::rename_mailbox(const std::string& from, const std::string& to, char delimiter) {
  const auto renamed = [&](std::string& name) { name = renamed_mailbox(name, from, to, delimiter); };
  order_.clear();
  ready_.clear();
  auto changes = std::exchange(changes_, {});
  const auto paused = ready_.paused();
  for (auto& [id, pending] : changes) {
    renamed(pending.change.source.mailbox);
    renamed(pending.change.destination);
    renamed(pending.change.replaces.mailbox);
    // What is paused is not made ready.
    const bool in_flight = std::exchange(pending.in_flight, pending.in_flight || paused.contains(id));
    add(std::move(pending));
    changes_.at(id).in_flight = in_flight;
  }
}

std::vector<ChangeId> ChangeQueue::take_batch() {
  auto batch = ready_.take_batch();
  for (const auto id : batch) changes_.at(id).in_flight = true;
  return batch;
}

void ChangeQueue::put_back(const std::vector<ChangeId>& batch, SteadyClock::duration pause) {
  const auto until = SteadyClock::now() + pause;
  for (const auto id : batch) {
    auto* const pending = find(id);
    if (pending == nullptr) continue;
    pending->in_flight = false;
    if (pause.count() == 0) make_ready(id);
    else ready_.pause(id, until);
  }
}

void ChangeQueue::release_mailbox_of(const store::JournalChange& change) {
  ready_.release(ReadyChanges::busy_key(change));
}

std::optional<SteadyClock::time_point> ChangeQueue::wake(SteadyClock::time_point now) {
  for (const auto id : ready_.take_due(now))
    if (find(id) != nullptr) make_ready(id);
  return ready_.next_due();
}

}  // namespace imapfs::sync

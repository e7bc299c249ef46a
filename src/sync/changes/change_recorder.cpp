#include "sync/changes/change_recorder.hpp"

#include <algorithm>
#include <ctime>
#include <set>

#include "imapfs/base/telemetry.hpp"

namespace imapfs::sync {
namespace {

constexpr auto journal_retry = std::chrono::seconds(1);

Error not_carried_out() {
  return {ECANCELED, Scope::message, Retry::never, "an earlier change of the message was refused"};
}
Error not_found_again() {
  return {ECANCELED, Scope::message, Retry::never, "an earlier change took the message to where it could not be found"};
}

/// What took the place of another message is not done before that one is gone.
bool leads_to_removal(const store::JournalChange& change, bool succeeded) {
  return succeeded && change.replaces.uid.value != 0;
}

/// Whoever waits for a change waits for what it has led to as well.
void hand_on_drain_waiters(const PendingChange& ended, PendingChange& follow_up) {
  follow_up.drain_waiters = ended.drain_waiters;
  for (const auto& waiter : follow_up.drain_waiters) ++waiter->remaining;
}

}  // namespace

ChangeRecorder::ChangeRecorder(Dependencies dependencies) : dependencies_(std::move(dependencies)) {}

void ChangeRecorder::record(ChangeResults results, const std::shared_ptr<ArrivalGuard>& guard) {
  if (results.empty()) return;
  add_dependents(results);
  std::vector<PendingChange> removals;
  auto record = record_of(results, removals);
  if (const auto finished = dependencies_.journal.finish(record); !finished) {
    // Carried out, but not written down: a restart would look it up.
    telemetry::error("journal: {}", telemetry::printable(finished.error().what));
    unrecorded_.push_back({std::move(results), guard});
    return dependencies_.later(journal_retry, [this] { dependencies_.thread.post([this] { record_again(); }); });
  }
  for (std::size_t i = 0; i < removals.size(); ++i) removals[i].change.id = record.next[i].id;
  apply(results, std::move(removals), guard);
}

void ChangeRecorder::record_again() {
  for (auto& again : std::exchange(unrecorded_, {})) record(std::move(again.results), again.guard);
}

void ChangeRecorder::close() { unrecorded_.clear(); }

void ChangeRecorder::add_dependents(ChangeResults& results) {
  std::set<ChangeId> known;
  for (const auto& result : results) known.insert(result.id);
  dependencies_.table.with_lock([&](ChangeTable& table) {
    const auto& queue = table.queue;
    for (std::size_t i = 0, given = results.size(); i < given; ++i) {
      const auto result = results[i];
      const auto* const pending = queue.find(result.id);
      if (pending == nullptr) continue;
      const bool lost = result.succeeded && !pending->change.destination.empty() && result.arrived.uid.value == 0;
      if (result.succeeded && !lost) continue;
      const auto useless = lost ? queue.order().followers(result.id) : queue.dependents(result.id);
      for (const auto id : useless)
        if (known.insert(id).second)
          results.push_back(ChangeResult::refused(id, lost ? not_found_again() : not_carried_out()));
    }
    std::erase_if(results, [&](const ChangeResult& result) { return queue.find(result.id) == nullptr; });
  });
}

/// `removals`: of what is replaced, in the order of their causes.
store::Journal::Ended ChangeRecorder::record_of(const ChangeResults& results, std::vector<PendingChange>& removals) {
  store::Journal::Ended record;
  const auto trash = dependencies_.removals.trash();
  dependencies_.table.with_lock([&](ChangeTable& table) {
    for (const auto& result : results) {
      const auto& change = table.queue.find(result.id)->change;
      record.changes.push_back({result.id, result.arrived, change.file_name, result.succeeded, result.keeps_staged});
      if (!leads_to_removal(change, result.succeeded)) continue;
      PendingChange removal;
      removal.change.source = change.replaces;
      set_removal(removal.change, removal_from_string(change.removal).value_or(Removal::flag), trash);
      removals.push_back(std::move(removal));
    }
  });
  for (auto& removal : removals) {
    dependencies_.locations.describe(removal);
    removal.accepted_at = std::time(nullptr);
    record.next.push_back(removal.change);
  }
  return record;
}

void ChangeRecorder::apply(const ChangeResults& results, std::vector<PendingChange> removals,
                           const std::shared_ptr<ArrivalGuard>& guard) {
  const bool leads_on = !removals.empty();
  auto ended = take_out(results, std::move(removals));
  for (const auto& item : ended.arrived) dependencies_.own_arrivals.remember(item.pending->change.id, item.place);
  show(ended);
  answer(ended);
  dependencies_.publisher.publish(std::move(ended.arrived), guard);
  if (leads_on) dependencies_.timer.dispatch_soon();
  dependencies_.on_ended();
}

ChangeRecorder::Ended ChangeRecorder::take_out(const ChangeResults& results, std::vector<PendingChange> removals) {
  Ended ended;
  dependencies_.table.with_lock([&](ChangeTable& table) {
    auto removal = removals.begin();
    for (const auto& result : results) {
      const bool brings = !table.queue.find(result.id)->change.destination.empty();
      const bool arrived = brings && result.arrived.uid.value != 0;
      const auto followers = arrived ? table.queue.order().direct_followers(result.id) : std::vector<ChangeId>();
      auto pending = table.queue.end(result.id, result.succeeded ? result.arrived : store::JournalLocation{});
      if (leads_to_removal(pending.change, result.succeeded)) hand_on_drain_waiters(pending, *removal++);
      for (const auto follower : followers) ended.followers.push_back(table.queue.find(follower)->change);
      take_out_one(table, result, std::move(pending), ended);
    }
    for (auto& follow_up : removals) table.queue.add(std::move(follow_up));
  });
  return ended;
}

void ChangeRecorder::take_out_one(ChangeTable& table, const ChangeResult& result, PendingChange pending, Ended& ended) {
  if (!result.succeeded) {
    ended.refused.emplace_back(std::move(pending), result.error);
  } else if (pending.change.destination.empty()) {
    ended.done.push_back(std::move(pending));
  } else {
    auto shared = std::make_shared<PendingChange>(std::move(pending));
    table.arriving[result.id] = shared;
    ended.arrived.push_back({std::move(shared), result.arrived, result.keeps_staged});
  }
}

void ChangeRecorder::show(const Ended& ended) {
  dependencies_.effects.hide_arrived(ended.followers);
  std::vector<store::JournalChange> done;
  for (const auto& pending : ended.done) done.push_back(pending.change);
  dependencies_.effects.show_carried_out(done);
  std::vector<store::JournalChange> refused;
  for (const auto& [pending, error] : ended.refused) refused.push_back(pending.change);
  dependencies_.effects.take_back(refused);
  for (const auto& [pending, error] : ended.refused) dependencies_.refusals.report(pending, error);
}

void ChangeRecorder::answer(Ended& ended) {
  for (const auto& item : ended.arrived)
    if (const auto accepted = std::exchange(item.pending->accepted, nullptr)) accepted(item.pending->change.id);
  for (auto& pending : ended.done) {
    if (const auto accepted = std::exchange(pending.accepted, nullptr)) accepted(pending.change.id);
    dependencies_.waiters.finish(pending, dependencies_.locations.arrival_of(pending.change, pending.change.source));
  }
  for (auto& [pending, error] : ended.refused) {
    if (const auto accepted = std::exchange(pending.accepted, nullptr)) {
      accepted(fail(error));
      pending.finished.clear();
    }
    dependencies_.waiters.finish(pending, fail(error));
  }
}

}  // namespace imapfs::sync

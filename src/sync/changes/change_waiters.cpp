#include "sync/changes/change_waiters.hpp"

#include <algorithm>
#include <utility>

#include "imapfs/base/exception_barrier.hpp"
#include "sync/changes/change_errors.hpp"

namespace imapfs::sync {
namespace {

constexpr std::size_t most_unreported = 16;

/// One that throws must not take the others along.
template <class Call, class Outcome>
void tell(const Call& completion, const Outcome& outcome) {
  (void)run_contained("journal", [&] { completion(outcome); });
}

void cancel(PendingChange& pending) {
  for (const auto& then : std::exchange(pending.followed_by, {})) then(fail(not_running()));
  if (const auto accepted = std::exchange(pending.accepted, nullptr)) {
    accepted(fail(not_running()));
    if (pending.change.kind != store::JournalChange::Kind::append) return;
  }
  for (const auto& finished : std::exchange(pending.finished, {})) finished(fail(not_running()));
}

}  // namespace

ChangeWaiters::ChangeWaiters(Dependencies dependencies) : dependencies_(std::move(dependencies)) {}

void ChangeWaiters::drain(MailboxId mailbox, Completion<void> done) {
  const auto place = dependencies_.locations.mailbox(mailbox);
  if (mailbox.value != 0 && !place) return done({});
  const auto name = place ? place->replica.identity().name : std::string();
  const bool online = dependencies_.online();
  const auto waiter = std::make_shared<DrainWaiter>();
  waiter->mailbox = mailbox;
  waiter->done = std::move(done);
  const bool waits = dependencies_.table.with_lock([&](ChangeTable& table) {
    bool found = false;
    const auto wait_for = [&](PendingChange& pending) {
      const auto& change = pending.change;
      if (pending.parked || (mailbox.value != 0 && change.source.mailbox != name && change.destination != name)) return;
      found = true;
      if (!online) return;
      ++waiter->remaining;
      pending.drain_waiters.push_back(waiter);
    };
    table.queue.for_each(wait_for);
    for (const auto& [id, pending] : table.arriving) wait_for(*pending);
    return found;
  });
  if (waits && !online) return waiter->done(fail(no_connection()));
  if (waits) {
    state_.lock()->draining.insert(waiter);
    dependencies_.timer.dispatch_soon();
  }
  release(waiter);
}

void ChangeWaiters::release(const std::shared_ptr<DrainWaiter>& waiter) {
  if (--waiter->remaining > 0) return;
  Completion<void> done;
  std::optional<Error> error;
  state_.with_lock([&](State& state) {
    done = std::exchange(waiter->done, nullptr);
    state.draining.erase(waiter);
    if (done) error = take_unreported(state, waiter->mailbox);
  });
  if (done) tell(done, error ? Result<void>(fail(std::move(*error))) : Result<void>());
}

std::optional<Error> ChangeWaiters::take_unreported(State& state, MailboxId mailbox) {
  const auto found = std::find_if(state.unreported.begin(), state.unreported.end(), [&](const UnreportedError& error) {
    return mailbox.value == 0 || error.source == mailbox || error.destination == mailbox;
  });
  if (found == state.unreported.end()) return std::nullopt;
  auto error = std::move(found->error);
  state.unreported.erase(found);
  return error;
}

void ChangeWaiters::after(const MessageLocation& message, Completion<void> then) {
  // On the thread that accepts: what was submitted before is in the queue by then.
  dependencies_.thread.post([this, message, then = std::move(then)] {
    const auto place = dependencies_.locations.to_journal(message);
    const bool online = dependencies_.online();
    const bool waits = dependencies_.table.with_lock([&](ChangeTable& table) {
      auto* const last = table.queue.last_of(place);
      if (last != nullptr && online) last->followed_by.push_back(then);
      return last != nullptr;
    });
    if (!waits) return then({});
    if (online) return dependencies_.timer.dispatch_soon();
    then(fail(no_connection()));
  });
}

void ChangeWaiters::await(ChangeId change, Completion<Arrival> finished) {
  const bool waits = dependencies_.table.with_lock([&](ChangeTable& table) {
    auto* pending = table.queue.find(change);
    if (const auto arriving = table.arriving.find(change); arriving != table.arriving.end())
      pending = arriving->second.get();
    if (pending == nullptr) return false;
    pending->finished.push_back(finished);
    return true;
  });
  if (!waits) return finished(fail(ENOENT, "the change has ended"));
  dependencies_.timer.dispatch_soon();
}

bool ChangeWaiters::anybody_drains() const {
  return state_.with_lock([](const State& state) { return !state.draining.empty(); });
}

void ChangeWaiters::finish(PendingChange& pending, const Result<Arrival>& result) {
  std::vector<Completion<Arrival>> finished;
  std::vector<Completion<void>> followed_by;
  std::vector<std::shared_ptr<DrainWaiter>> drain_waiters;
  // One whose message is still arriving can be waited for meanwhile.
  dependencies_.table.with_lock([&](ChangeTable&) {
    finished.swap(pending.finished);
    followed_by.swap(pending.followed_by);
    drain_waiters.swap(pending.drain_waiters);
  });
  for (const auto& call : finished) tell(call, result);
  for (const auto& then : followed_by) tell(then, Result<void>());
  for (const auto& waiter : drain_waiters) release(waiter);
}

void ChangeWaiters::note_unreported(UnreportedError error) {
  auto state = state_.lock();
  if (state->unreported.size() < most_unreported) state->unreported.push_back(std::move(error));
}

std::vector<Completion<void>> ChangeWaiters::take_draining() {
  std::vector<Completion<void>> taken;
  auto state = state_.lock();
  for (const auto& waiter : state->draining)
    if (waiter->done) taken.push_back(std::exchange(waiter->done, nullptr));
  state->draining.clear();
  return taken;
}

void ChangeWaiters::on_offline() {
  auto waiting = take_draining();
  dependencies_.table.with_lock([&](ChangeTable& table) {
    table.queue.for_each([&](PendingChange& pending) {
      for (auto& then : std::exchange(pending.followed_by, {})) waiting.push_back(std::move(then));
    });
  });
  for (const auto& done : waiting) tell(done, Result<void>(fail(no_connection())));
}

void ChangeWaiters::close() {
  ChangeTable table;
  std::swap(table, *dependencies_.table.lock());
  for (const auto& [id, pending] : table.arriving) cancel(*pending);
  table.queue.for_each(cancel);
  for (const auto& done : take_draining()) done(fail(not_running()));
}

}  // namespace imapfs::sync

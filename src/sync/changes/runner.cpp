#include "sync/changes/runner.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "imapfs/base/telemetry.hpp"

namespace imapfs::sync {
namespace {

/// Until a command about thousands of messages has had its turn and its answer.
constexpr auto batch_patience = std::chrono::minutes(15);
/// So long a change that nobody waits for may wait for company: a command costs the server and us more than it takes to
/// wait.
constexpr SteadyClock::duration gathering = std::chrono::milliseconds(50);
/// So many are company enough.
constexpr std::size_t crowd = 256;

}  // namespace

Runner::Runner(Dependencies dependencies)
    : dependencies_(std::move(dependencies)), outcome_(dependencies_.journal, dependencies_.table) {}

void Runner::dispatch_when_gathered() {
  const bool gathers = dependencies_.write_behind && !dependencies_.waiters.anybody_drains() &&
                       dependencies_.table.with_lock([](ChangeTable& table) { return table.queue.size() < crowd; });
  dependencies_.timer.dispatch_within(gathers ? gathering : SteadyClock::duration{});
}

void Runner::dispatch() {
  while (!dependencies_.thread.stopping()) {
    std::vector<ChangeId> ids;
    std::optional<SteadyClock::time_point> next;
    dependencies_.table.with_lock([&](ChangeTable& table) {
      next = table.queue.wake(SteadyClock::now());
      ids = table.queue.take_batch();
    });
    if (!ids.empty()) {
      start_batch(ids);
      continue;
    }
    const SteadyClock::duration shortest = std::chrono::milliseconds(1);
    if (next) dependencies_.timer.dispatch_within(std::max(*next - SteadyClock::now(), shortest));
    return;
  }
}

void Runner::on_online() {
  outcome_.forget_failures();
  dependencies_.table.with_lock([](ChangeTable& table) { (void)table.queue.wake(SteadyClock::time_point::max()); });
  dispatch();
}

ChangeBatch::Contents Runner::contents_of(const std::vector<ChangeId>& ids) {
  ChangeBatch::Contents contents;
  dependencies_.table.with_lock([&](ChangeTable& table) {
    for (const auto id : ids) {
      const auto* const pending = table.queue.find(id);
      contents.items.push_back({pending->change, BatchItem::Outcome::none, {}, {}});
      contents.look_up = pending->look_up;
      if (pending->guard) contents.guard = pending->guard;
    }
  });
  const auto& first = contents.items.front().change;
  if (first.kind != store::JournalChange::Kind::append)
    contents.source = dependencies_.locations.mailbox(first.source.mailbox);
  if (!first.destination.empty()) contents.destination = dependencies_.locations.mailbox(first.destination);
  return contents;
}

void Runner::start_batch(const std::vector<ChangeId>& ids) {
  auto contents = contents_of(ids);
  const auto source = contents.source;
  const auto destination = contents.destination;
  const auto batch = std::make_shared<ChangeBatch>(std::move(contents), dependencies_.commands);
  const bool has_source = batch->first().kind != store::JournalChange::Kind::append;
  if ((has_source && !source) || (!batch->first().destination.empty() && !destination))
    return batch_ended(batch, fail(ENOENT, Scope::mailbox, Retry::never, "the mailbox does not exist any more"));
  // What is carried out is taken into the table, so what is stored must be there first: read later, it would undo that.
  const auto rows_of_destination = [this, batch, destination] {
    if (!destination) return submit_batch(batch);
    dependencies_.with_rows(destination, [this, batch] { submit_batch(batch); });
  };
  if (!source) return rows_of_destination();
  dependencies_.with_rows(source, rows_of_destination);
}

void Runner::submit_batch(const std::shared_ptr<ChangeBatch>& batch) {
  const auto& place = batch->mailbox()->replica.identity();
  imap::PoolJob job;
  job.mailbox = place.wire_name;
  job.priority = dependencies_.write_behind ? imap::Priority::background : imap::Priority::interactive;
  job.changes = true;
  job.context = CallContext::within(batch_patience);
  job.what = fmt::format("{}{} of {} messages in {}", batch->look_up() ? "look up " : "", operation_of(batch->first()),
                         batch->items().size(), telemetry::printable(place.path));
  job.run = [batch](imap::Session& session, const CallContext& context) { return batch->run(session, context); };
  job.done = [this, batch](const Result<void>& result) {
    dependencies_.thread.post([this, batch, result] { batch_ended(batch, result); });
  };
  dependencies_.submit(std::move(job));
}

void Runner::batch_ended(const std::shared_ptr<ChangeBatch>& batch, const Result<void>& result) {
  note_descriptions(*batch);
  auto results = outcome_.classify(*batch, result);
  dependencies_.table.with_lock([&](ChangeTable& table) { table.queue.release_mailbox_of(batch->first()); });
  const auto guard = batch->take_guard();
  dependencies_.recorder.record(std::move(results), guard);
  dispatch_when_gathered();
}

/// What a later look goes by.
void Runner::note_descriptions(const ChangeBatch& batch) {
  dependencies_.table.with_lock([&](ChangeTable& table) {
    for (const auto& item : batch.items()) {
      auto* const pending = table.queue.find(item.change.id);
      if (pending == nullptr) continue;
      pending->change.destination_validity = item.change.destination_validity;
      pending->change.destination_uid_next = item.change.destination_uid_next;
      pending->change.size = item.change.size;
      pending->change.internal_date = item.change.internal_date;
      pending->change.message_id = item.change.message_id;
    }
  });
}

}  // namespace imapfs::sync

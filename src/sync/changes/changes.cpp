#include "sync/changes/changes.hpp"

#include <algorithm>
#include <ctime>

#include "imapfs/base/exception_barrier.hpp"
#include "imapfs/base/telemetry.hpp"
#include "sync/changes/append_attempt.hpp"

namespace imapfs::sync {
namespace {

/// Until a command about thousands of messages has had its turn and its answer.
constexpr auto batch_patience = std::chrono::minutes(15);
constexpr std::size_t most_jobs_waiting = 64;
/// So long a change that nobody waits for may wait for company: a command costs the server and us more than it takes to
/// wait.
constexpr auto gathering = std::chrono::milliseconds(50);
/// So many are company enough.
constexpr std::size_t crowd = 256;
constexpr auto wake_retry = std::chrono::milliseconds(10);

Error cancelled() { return {ECANCELED, Scope::account, Retry::never, "the account is not running any more"}; }

}  // namespace

Changes::Changes(Dependencies dependencies)
    : dependencies_(std::move(dependencies)),
      tools_{dependencies_.journal,
             dependencies_.settings.timeout,
             [this](const store::JournalLocation& place) {
               return state_.lock()->ours.contains({place.mailbox, place.uid_validity.value, place.uid.value});
             },
             [this](const store::JournalLocation& place) {
               return state_.lock()->ours.insert({place.mailbox, place.uid_validity.value, place.uid.value}).second;
             },
             [this](const std::string& mailbox, UidValidity validity) -> Uid {
               auto state = state_.lock();
               auto after = state->ours.upper_bound({mailbox, validity.value, UINT32_MAX});
               if (after == state->ours.begin()) return {};
               const auto& [name, its_validity, uid] = *--after;
               return name == mailbox && its_validity == validity.value ? Uid{uid} : Uid{};
             },
             dependencies_.list_anew},
      worker_("journal", most_jobs_waiting) {}

Changes::~Changes() {
  stop();
  close();
}

Result<void> Changes::start() {
  auto changes = IMAPFS_TRY_WHILE("read the journal", dependencies_.journal.changes());
  if (!changes.empty()) telemetry::info("{} changes of an earlier run are still to be carried out", changes.size());
  std::vector<PendingChange> taken_up;
  for (auto& change : changes) {
    PendingChange pending;
    pending.change = std::move(change);
    // STORE and EXPUNGE are simply repeated.
    const auto kind = pending.change.kind;
    const bool brings = kind == store::JournalChange::Kind::move || kind == store::JournalChange::Kind::copy;
    pending.look_up = (pending.change.sent && brings) || kind == store::JournalChange::Kind::append;
    pending.accepted_at = std::time(nullptr);
    describe(pending);
    if (const auto destination = dependencies_.mailbox_by_name(pending.change.destination);
        destination && pending.look_up)
      pending.hold = std::make_shared<ArrivalGuard>(destination);
    taken_up.push_back(std::move(pending));
  }
  std::vector<store::JournalChange> effects;
  for (const auto& pending : taken_up) effects.push_back(pending.change);
  show_effect(effects);
  auto state = state_.lock();
  for (auto& pending : taken_up) state->ledger.add(std::move(pending));
  return {};
}

void Changes::stop() { stopping_ = true; }

void Changes::close() {
  if (closed_.exchange(true)) return;
  worker_.close();
  std::vector<Submission> submissions;
  std::vector<Completion<void>> settlers;
  ChangeQueue ledger;
  std::vector<Job> jobs;
  std::map<ChangeId, std::shared_ptr<PendingChange>> concluding;
  // Holds end with these, while the mailboxes are still there.
  std::vector<Unrecorded> unrecorded;
  std::vector<std::shared_ptr<UploadAttempt>> waiting;
  {
    auto state = state_.lock();
    unrecorded.swap(state->unrecorded);
    waiting.swap(state->reconnecting);
    waiting.insert(waiting.end(), state->twins.begin(), state->twins.end());
    state->twins.clear();
    concluding.swap(state->concluding);
    submissions.swap(state->submissions);
    jobs.swap(state->jobs);
    std::swap(ledger, state->ledger);
    for (const auto& settler : state->settlers)
      if (settler->done) settlers.push_back(std::exchange(settler->done, nullptr));
    state->settlers.clear();
  }
  for (const auto& attempt : waiting)
    if (const auto done = std::exchange(attempt->done, nullptr)) done(fail(cancelled()));
  for (auto& submission : submissions)
    if (submission.reply.accepted) submission.reply.accepted(fail(cancelled()));
  for (const auto& [id, pending] : concluding) {
    for (const auto& then : std::exchange(pending->followed_by, {})) then(fail(cancelled()));
    for (const auto& finished : std::exchange(pending->finished, {})) finished(fail(cancelled()));
  }
  ledger.for_each([](PendingChange& pending) {
    for (const auto& then : std::exchange(pending.followed_by, {})) then(fail(cancelled()));
    if (const auto accepted = std::exchange(pending.accepted, nullptr)) {
      accepted(fail(cancelled()));
      if (pending.change.kind != store::JournalChange::Kind::append) return;
    }
    for (const auto& finished : std::exchange(pending.finished, {})) finished(fail(cancelled()));
  });
  for (const auto& done : settlers) done(fail(cancelled()));
}

// -- the thread's work --

void Changes::post(Job job) {
  state_.lock()->jobs.push_back(std::move(job));
  wake();
}

void Changes::wake() {
  if (turn_queued_.exchange(true)) return;
  if (worker_.try_post([this] { turn(); }) || closed_) return;
  turn_queued_ = false;
  dependencies_.later(wake_retry, [this] { wake(); });
}

void Changes::turn() {
  turn_queued_ = false;
  while (true) {
    std::vector<Submission> submissions;
    std::vector<Job> jobs;
    {
      auto state = state_.lock();
      submissions.swap(state->submissions);
      jobs.swap(state->jobs);
    }
    if (submissions.empty() && jobs.empty()) return;
    if (!submissions.empty()) (void)run_contained("journal", [&] { accept(std::move(submissions)); });
    for (const auto& job : jobs) (void)run_contained("journal", job);
  }
}

void Changes::dispatch_soon(SteadyClock::duration delay) {
  const auto when = SteadyClock::now() + delay;
  {
    auto state = state_.lock();
    if (stopping_ || (state->dispatch_at && *state->dispatch_at <= when)) return;
    state->dispatch_at = when;
  }
  dependencies_.later(delay, [this] {
    post([this] {
      state_.lock()->dispatch_at.reset();
      dispatch();
    });
  });
}

SteadyClock::duration Changes::patience() const {
  if (!dependencies_.settings.write_behind) return {};
  const bool waits = state_.with_lock(
      [](const State& state) { return state.settlers.empty() && state.ledger.size() < crowd; });
  return waits ? SteadyClock::duration(gathering) : SteadyClock::duration{};
}

void Changes::dispatch() {
  while (!stopping_) {
    std::vector<ChangeId> ids;
    std::optional<SteadyClock::time_point> next;
    {
      auto state = state_.lock();
      next = state->ledger.wake(SteadyClock::now());
      ids = state->ledger.take_batch();
    }
    if (!ids.empty()) {
      start_batch(ids);
      continue;
    }
    if (next) dispatch_soon(std::max<SteadyClock::duration>(*next - SteadyClock::now(), std::chrono::milliseconds(1)));
    return;
  }
}

void Changes::start_batch(const std::vector<ChangeId>& ids) {
  std::vector<BatchItem> items;
  std::shared_ptr<ArrivalGuard> hold;
  bool look_up = false;
  state_.with_lock([&](State& state) {
    for (const auto id : ids) {
      const auto* const pending = state.ledger.find(id);
      items.push_back({pending->change, BatchItem::Outcome::none, {}, {}});
      look_up = pending->look_up;
      if (pending->hold) hold = pending->hold;
    }
  });
  const auto& first = items.front().change;
  const bool is_append = first.kind == store::JournalChange::Kind::append;
  const auto source = is_append ? nullptr : dependencies_.mailbox_by_name(first.source.mailbox);
  const auto destination = first.destination.empty() ? nullptr : dependencies_.mailbox_by_name(first.destination);
  const bool missing = (!is_append && !source) || (!first.destination.empty() && !destination);
  auto batch = std::make_shared<ChangeBatch>(std::move(items), look_up, source, destination, tools_);
  batch->hold = std::move(hold);
  if (missing)
    return batch_ended(batch, fail(ENOENT, Scope::mailbox, Retry::never, "the mailbox does not exist any more"));
  // What is carried out is taken into the table, so what is stored must be there first: read later, it would undo that.
  const auto rows_of_destination = [this, batch, destination] {
    if (!destination) return submit_batch(batch);
    dependencies_.with_rows(destination, [this, batch] { submit_batch(batch); });
  };
  if (!source) return rows_of_destination();
  dependencies_.with_rows(source, rows_of_destination);
}

void Changes::submit_batch(const std::shared_ptr<ChangeBatch>& batch) {
  const auto& place = (batch->source() ? batch->source() : batch->destination())->replica.identity();
  const auto& first = batch->items().front().change;
  imap::PoolJob job;
  job.mailbox = place.wire_name;
  job.priority = dependencies_.settings.write_behind ? imap::Priority::background : imap::Priority::interactive;
  job.changes = true;
  job.context = CallContext::within(batch_patience);
  job.what = fmt::format("{}{} of {} messages in {}", batch->look_up() ? "look up " : "", operation_of(first),
                         batch->items().size(), telemetry::printable(place.path));
  job.run = [batch](imap::Session& session, const CallContext& context) { return batch->run(session, context); };
  job.done = [this, batch](const Result<void>& result) { post([this, batch, result] { batch_ended(batch, result); }); };
  dependencies_.submit(std::move(job));
}

void Changes::batch_ended(const std::shared_ptr<ChangeBatch>& batch, const Result<void>& result) {
  std::vector<Ending> endings;
  state_.with_lock([&](State& state) {
    // What a later look goes by.
    for (const auto& item : batch->items()) {
      auto* const pending = state.ledger.find(item.change.id);
      if (pending == nullptr) continue;
      pending->change.destination_validity = item.change.destination_validity;
      pending->change.destination_uid_next = item.change.destination_uid_next;
      pending->change.size = item.change.size;
      pending->change.internal_date = item.change.internal_date;
      pending->change.message_id = item.change.message_id;
    }
  });
  classify(batch, result, endings);
  state_.with_lock([&](State& state) {
    state.ledger.release(ChangeQueue::busy_key(batch->items().front().change));
    if (result) state.failures = 0;
  });
  const auto hold = std::exchange(batch->hold, nullptr);
  end(std::move(endings), hold);
  dispatch_soon(patience());
}

// -- the world around --

void Changes::on_online(bool online) {
  post([this, online] {
    std::vector<Completion<void>> unsettled;
    state_.with_lock([&](State& state) {
      if (online) {
        state.failures = 0;
        (void)state.ledger.wake(SteadyClock::time_point::max());
        return;
      }
      // Connected again meanwhile: nobody need be told.
      if (dependencies_.online()) return;
      for (const auto& settler : state.settlers)
        if (settler->done) unsettled.push_back(std::exchange(settler->done, nullptr));
      state.settlers.clear();
      state.ledger.for_each([&](PendingChange& pending) {
        for (auto& then : std::exchange(pending.followed_by, {})) unsettled.push_back(std::move(then));
      });
    });
    for (const auto& done : unsettled)
      done(fail(EHOSTUNREACH, Scope::session, Retry::later, "no connection to the server"));
    if (online) dispatch();
  });
}

void Changes::rename_mailbox(const std::string& from, const std::string& to, char delimiter) {
  if (const auto renamed = dependencies_.journal.rename_mailbox(from, to, delimiter); !renamed)
    telemetry::error("journal: {}", telemetry::printable(renamed.error().what));
  own_removals_.rename_mailbox(from, to, delimiter);
  state_.with_lock([&](State& state) {
    state.ledger.rename_mailbox(from, to, delimiter);
    state.ours.clear();
    for (auto& [id, place] : state.ended) {
      place.mailbox = renamed_mailbox(place.mailbox, from, to, delimiter);
      if (place.uid.value != 0) state.ours.insert({place.mailbox, place.uid_validity.value, place.uid.value});
    }
  });
}

void Changes::show_effects_in(const std::string& renamed, char delimiter) {
  post([this, renamed, delimiter] {
    const auto within = [&](const std::string& name) {
      return !name.empty() && renamed_mailbox(name, renamed, {}, delimiter) != name;
    };
    std::vector<store::JournalChange> effects;
    state_.lock()->ledger.for_each([&](const PendingChange& pending) {
      if (within(pending.change.source.mailbox) || within(pending.change.replaces.mailbox))
        effects.push_back(pending.change);
    });
    show_effect(effects);
  });
}

Changes::Status Changes::status() const {
  return state_.with_lock([](const State& state) {
    Status status;
    // Those too whose messages have come and are not shown yet.
    status.pending = state.ledger.size() + state.concluding.size();
    status.refused = state.refused;
    const auto& changes = state.ledger.changes();
    if (!changes.empty())
      status.oldest_seconds = std::max<std::int64_t>(std::time(nullptr) - changes.begin()->second.accepted_at, 0);
    return status;
  });
}

void Changes::drain(MailboxId mailbox, Completion<void> done) {
  const auto settler = std::make_shared<DrainWaiter>();
  settler->mailbox = mailbox;
  const auto place = dependencies_.mailbox(mailbox);
  if (mailbox.value != 0 && !place) return done({});
  const auto name = place ? place->replica.identity().name : std::string();
  const bool online = dependencies_.online();
  std::optional<Error> untold;
  bool waits = false;
  state_.with_lock([&](State& state) {
    const auto wait_for = [&](PendingChange& pending) {
      const auto& change = pending.change;
      if (pending.parked || (mailbox.value != 0 && change.source.mailbox != name && change.destination != name)) return;
      ++settler->remaining;
      if (online) pending.settlers.push_back(settler);
    };
    state.ledger.for_each(wait_for);
    for (const auto& [id, pending] : state.concluding) wait_for(*pending);
    waits = settler->remaining > 0;
    if (!waits) untold = take_untold(state, mailbox);
    if (waits && online) {
      settler->done = std::move(done);
      state.settlers.insert(settler);
    }
  });
  if (waits && !online) return done(fail(EHOSTUNREACH, Scope::session, Retry::later, "no connection to the server"));
  if (waits) return dispatch_soon({});
  if (untold) return done(fail(std::move(*untold)));
  done({});
}

void Changes::after_changes_of(const MessageLocation& message, Completion<void> then) {
  // On the thread that accepts: what was submitted before is in the ledger by then.
  post([this, message, then = std::move(then)] {
    const auto place = to_journal(message);
    const bool online = dependencies_.online();
    const bool waits = state_.with_lock([&](State& state) {
      auto* const last = state.ledger.last_of(place);
      if (last != nullptr && online) last->followed_by.push_back(then);
      return last != nullptr;
    });
    if (!waits) return then({});
    if (online) return dispatch_soon({});
    then(fail(EHOSTUNREACH, Scope::session, Retry::later, "no connection to the server"));
  });
}

std::optional<Error> Changes::take_untold(State& state, MailboxId mailbox) {
  const auto found = std::find_if(state.untold.begin(), state.untold.end(), [&](const Told& told) {
    return mailbox.value == 0 || told.mailbox == mailbox || told.destination == mailbox;
  });
  if (found == state.untold.end()) return std::nullopt;
  auto error = std::move(found->error);
  state.untold.erase(found);
  return error;
}

std::vector<PendingArrival> Changes::pending_arrivals() const {
  std::vector<store::JournalChange> changes;
  std::vector<PendingArrival> arrivals;
  state_.with_lock([&](const State& state) {
    for (const auto& [id, pending] : state.ledger.changes()) {
      const auto& change = pending.change;
      if (change.destination.empty() || pending.parked) continue;
      PendingArrival arrival;
      arrival.change = id;
      arrival.target.file_name = change.file_name;
      arrival.meta.size = change.size;
      arrival.meta.internal_date = change.internal_date.value_or(0);
      arrival.meta.flags = change.kind == store::JournalChange::Kind::append ? change.flags.flags
                                                                             : pending.message_flags;
      arrival.meta.file_name = change.file_name;
      arrival.staged = change.staged;
      changes.push_back(change);
      // Its octets are where the first of the changes that it follows takes them from.
      for (auto first = change; first.source.uid.value == 0 && first.follows.value != 0;) {
        const auto followed = state.ledger.changes().find(first.follows);
        if (followed == state.ledger.changes().end()) break;
        first = followed->second.change;
        changes.back().source = first.source;
        arrival.staged = first.staged;
      }
      arrivals.push_back(std::move(arrival));
    }
  });
  for (std::size_t i = 0; i < arrivals.size(); ++i) {
    if (const auto mailbox = dependencies_.mailbox_by_name(changes[i].destination))
      arrivals[i].target.mailbox = mailbox->replica.identity().id;
    if (changes[i].replaces.uid.value != 0) arrivals[i].target.replaces = from_journal(changes[i].replaces);
    if (changes[i].source.uid.value != 0) arrivals[i].source = from_journal(changes[i].source);
  }
  return arrivals;
}

void Changes::await_change(ChangeId change, Completion<Arrival> finished) {
  const bool waits = state_.with_lock([&](State& state) {
    auto* pending = state.ledger.find(change);
    if (const auto concluding = state.concluding.find(change); concluding != state.concluding.end())
      pending = concluding->second.get();
    if (pending == nullptr) return false;
    pending->finished.push_back(finished);
    return true;
  });
  if (!waits) return finished(fail(ENOENT, "the change has ended"));
  dispatch_soon({});
}

}  // namespace imapfs::sync

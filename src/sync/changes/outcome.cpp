// What the answer to a batch means for each of its changes: ended, to be looked up, to be sent again, or to be sent in
// smaller batches.

#include <algorithm>

#include "imapfs/base/telemetry.hpp"
#include "sync/changes/changes.hpp"

namespace imapfs::sync {
namespace {

using Outcome = BatchItem::Outcome;

/// Refused commands about the changes of one batch: enough to single out a few messages among thousands.
constexpr unsigned most_refusals = 64;
constexpr unsigned most_attempts = 8;
/// With a server whose answers make no sense.
constexpr unsigned few_attempts = 3;
constexpr SteadyClock::duration longest_pause = std::chrono::seconds(30);

SteadyClock::duration growing(SteadyClock::duration first, unsigned times, SteadyClock::duration longest) {
  return std::min<SteadyClock::duration>(first * (1 << std::min(times, 10u)), longest);
}

/// The answer was no IMAP, or without end: the connection is lost, and the next one will hear the same.
bool makes_no_sense(const Error& error) { return error.scope >= Scope::session && error.errnum == EIO; }

/// The server was not reached, or has not answered; nothing was refused.
bool is_about_reaching(const Error& error) {
  return error.scope >= Scope::session || error.errnum == ECANCELED || error.errnum == EINTR;
}

Error sent_in_vain() {
  return {EIO, Scope::message, Retry::never, "it was sent several times, and the server has not done it"};
}

/// Said of the mailbox, whatever the message. Over quota is not: a smaller message may still fit.
bool is_about_all(const Error& error) {
  if (error.errnum == EDQUOT) return false;
  return error.scope == Scope::mailbox || error.errnum == EROFS || error.errnum == EACCES || error.errnum == EOPNOTSUPP;
}

Error interrupted() { return {EINTR, Scope::message, Retry::never, "interrupted"}; }

}  // namespace

void Changes::classify(const std::shared_ptr<ChangeBatch>& batch, const Result<void>& result,
                       std::vector<Ending>& endings) {
  std::vector<ChangeId> again;
  std::vector<ChangeId> look_up;
  std::vector<ChangeId> undecided;
  for (auto& item : batch->items()) {
    const auto id = item.change.id;
    switch (item.outcome) {
      case Outcome::done:
        endings.push_back({id, true, item.arrived, {}, item.keeps_staged});
        if (item.keeps_staged) give_up_staged(item.change, changed_since_sent());
        break;
      case Outcome::refused: endings.push_back({id, false, {}, item.error}); break;
      case Outcome::look_up: look_up.push_back(id); break;
      case Outcome::again: again.push_back(id); break;
      case Outcome::none: undecided.push_back(id); break;
    }
  }
  if (!again.empty()) send_again(batch, again, endings);
  const Perseverance usual{most_attempts, std::chrono::seconds(1), longest_pause};
  if (!look_up.empty()) {
    const Error error{EIO, Scope::message, Retry::later, "the server does not tell what became of the message"};
    try_later(look_up, batch, true, error, usual, endings);
  }
  if (undecided.empty()) return;
  const bool unknown = batch->look_up() || batch->sent();
  const auto error = result ? Error{EIO, Scope::request, Retry::later, "no outcome"} : result.error();
  if (makes_no_sense(error)) {
    // What may have been done is looked up some more, for that ends when it was sent in vain too often.
    const Perseverance quick{unknown ? most_attempts : few_attempts, std::chrono::milliseconds(100),
                             std::chrono::seconds(1)};
    return try_later(undecided, batch, unknown, error, quick, endings);
  }
  if (is_about_reaching(error)) {
    const auto failures = state_.with_lock([](State& state) { return state.failures++; });
    const auto pause = failures == 0 ? SteadyClock::duration{}
                                     : growing(std::chrono::milliseconds(200), failures, longest_pause);
    telemetry::info("{} changes wait for the server: {}", undecided.size(), telemetry::printable(error.what));
    return put_back(undecided, unknown, batch->hold, pause);
  }
  if (error.retry != Retry::never) return try_later(undecided, batch, unknown, error, usual, endings);
  if (undecided.size() == 1 || is_about_all(error)) {
    for (const auto id : undecided) endings.push_back({id, false, {}, error});
    return;
  }
  split(undecided, batch, error, endings);
}

/// Nothing has happened to them, so what they are marked with is void. An append is not sent again without its user.
void Changes::send_again(const std::shared_ptr<ChangeBatch>& batch, const std::vector<ChangeId>& ids,
                         std::vector<Ending>& endings) {
  if (batch->items().front().change.kind == store::JournalChange::Kind::append) {
    for (const auto& item : batch->items())
      if (item.outcome == Outcome::again) give_up_staged(item.change, interrupted());
    for (const auto id : ids) endings.push_back({id, false, {}, interrupted()});
    return;
  }
  std::vector<ChangeId> willing;
  state_.with_lock([&](State& state) {
    for (const auto id : ids) {
      auto* const pending = state.ledger.find(id);
      if (pending == nullptr) continue;
      // Where answers made no sense, it is the server, and not the network.
      if (++pending->sent_in_vain >= (pending->attempts > 0 ? few_attempts : most_attempts))
        endings.push_back({id, false, {}, sent_in_vain()});
      else willing.push_back(id);
    }
  });
  if (const auto cleared = dependencies_.journal.clear_sent(willing); !cleared)
    telemetry::warning("journal: {}", telemetry::printable(cleared.error().what));
  put_back(willing, false, nullptr, {});
}

void Changes::try_later(const std::vector<ChangeId>& ids, const std::shared_ptr<ChangeBatch>& batch, bool look_up,
                        const Error& error, const Perseverance& perseverance, std::vector<Ending>& endings) {
  std::vector<ChangeId> willing;
  unsigned attempts = 0;
  state_.with_lock([&](State& state) {
    for (const auto id : ids) {
      auto* const pending = state.ledger.find(id);
      if (pending == nullptr) continue;
      if (++pending->attempts >= perseverance.attempts) {
        endings.push_back({id, false, {}, error});
        continue;
      }
      attempts = std::max(attempts, pending->attempts);
      willing.push_back(id);
    }
  });
  if (willing.empty()) return;
  telemetry::info("{} changes are tried again: {}", willing.size(), telemetry::printable(error.what));
  const bool at_once = look_up && attempts <= 1;
  put_back(
      willing, look_up, batch->hold,
      at_once ? SteadyClock::duration{} : growing(perseverance.first_pause, attempts - 1, perseverance.longest_pause));
}

void Changes::put_back(const std::vector<ChangeId>& ids, bool look_up, const std::shared_ptr<ArrivalGuard>& hold,
                       SteadyClock::duration pause) {
  // A hold that is given up reveals rows: not with the lock held.
  std::vector<std::shared_ptr<ArrivalGuard>> given_up;
  state_.with_lock([&](State& state) {
    for (const auto id : ids) {
      auto* const pending = state.ledger.find(id);
      if (pending == nullptr) continue;
      pending->look_up = look_up;
      given_up.push_back(std::exchange(pending->hold, look_up ? hold : nullptr));
    }
    state.ledger.put_back(ids, pause);
  });
}

/// One bad message must not fail the others.
void Changes::split(const std::vector<ChangeId>& ids, const std::shared_ptr<ChangeBatch>& batch, const Error& error,
                    std::vector<Ending>& endings) {
  // RFC 6851 §3.3: a MOVE that was refused may have moved some.
  const bool look_up = batch->look_up() || batch->used_move();
  const bool too_many = state_.with_lock([&](State& state) {
    std::shared_ptr<unsigned> refusals;
    for (const auto id : ids) {
      const auto* const pending = state.ledger.find(id);
      if (pending != nullptr && !refusals) refusals = pending->refusals;
    }
    if (!refusals) refusals = std::make_shared<unsigned>(0);
    if (++*refusals > most_refusals) return true;
    const auto halves = state.groups += 2;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      auto* const pending = state.ledger.find(ids[i]);
      if (pending == nullptr) continue;
      pending->refusals = refusals;
      pending->group = i < ids.size() / 2 ? halves - 1 : halves;
    }
    return false;
  });
  if (too_many) {
    for (const auto id : ids) endings.push_back({id, false, {}, error});
    return;
  }
  telemetry::debug("{} changes were refused together and are tried in halves: {}", ids.size(),
                   telemetry::printable(error.what));
  if (!look_up && batch->sent())
    if (const auto cleared = dependencies_.journal.clear_sent(ids); !cleared)
      telemetry::warning("journal: {}", telemetry::printable(cleared.error().what));
  put_back(ids, look_up, batch->hold, {});
}

}  // namespace imapfs::sync

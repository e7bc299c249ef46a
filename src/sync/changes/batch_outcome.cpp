#include "sync/changes/batch_outcome.hpp"

#include <algorithm>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "sync/changes/change_errors.hpp"

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
bool makes_no_sense(const Error& error) { return error.lost_connection() && error.errnum == EIO; }

/// The server was not reached, or has not answered; nothing was refused.
bool is_about_reaching(const Error& error) {
  return error.lost_connection() || error.errnum == ECANCELED || error.errnum == EINTR;
}

Error sent_in_vain() {
  return {EIO, Scope::message, Retry::never, "it was sent several times, and the server has not done it"};
}

Error not_told() { return {EIO, Scope::message, Retry::later, "the server does not tell what became of the message"}; }

/// Said of the mailbox, whatever the message. Over quota is not: a smaller message may still fit.
bool is_about_all(const Error& error) {
  if (error.errnum == EDQUOT) return false;
  return error.scope == Scope::mailbox || error.errnum == EROFS || error.errnum == EACCES || error.errnum == EOPNOTSUPP;
}

Error interrupted() { return {EINTR, Scope::message, Retry::never, "interrupted"}; }

void refuse_all(const std::vector<ChangeId>& ids, const Error& error, ChangeResults& results) {
  for (const auto id : ids) results.push_back(ChangeResult::refused(id, error));
}

}  // namespace

BatchOutcome::BatchOutcome(store::Journal& journal, SharedChangeTable& table) : journal_(journal), table_(table) {}

ChangeResults BatchOutcome::classify(const ChangeBatch& batch, const Result<void>& result) {
  ChangeResults results;
  Ids again;
  Ids look_up;
  Ids undecided;
  for (const auto& item : batch.items()) {
    const auto id = item.change.id;
    switch (item.outcome) {
      case Outcome::done:
        results.push_back({id, true, item.arrived, {}, item.keeps_staged});
        if (item.keeps_staged) refuse_staged(item.change, changed_since_sent());
        break;
      case Outcome::refused: results.push_back(ChangeResult::refused(id, item.error)); break;
      case Outcome::look_up: look_up.push_back(id); break;
      case Outcome::again: again.push_back(id); break;
      case Outcome::none: undecided.push_back(id); break;
    }
  }
  if (!again.empty()) send_again(batch, again, results);
  const Perseverance usual{most_attempts, std::chrono::seconds(1), longest_pause};
  if (!look_up.empty()) try_later(batch, look_up, true, not_told(), usual, results);
  const auto error = result ? Error{EIO, Scope::request, Retry::later, "no outcome"} : result.error();
  if (!undecided.empty()) classify_undecided(batch, undecided, error, results);
  if (result) forget_failures();
  return results;
}

/// By the Error with which the batch has ended.
void BatchOutcome::classify_undecided(const ChangeBatch& batch, const Ids& ids, const Error& error,
                                      ChangeResults& results) {
  const bool unknown = batch.look_up() || batch.sent();
  if (makes_no_sense(error)) {
    // What may have been done is looked up some more, for that ends when it was sent in vain too often.
    const Perseverance quick{unknown ? most_attempts : few_attempts, std::chrono::milliseconds(100),
                             std::chrono::seconds(1)};
    return try_later(batch, ids, unknown, error, quick, results);
  }
  if (is_about_reaching(error)) return wait_for_server(batch, ids, unknown, error);
  if (error.retry != Retry::never) {
    const Perseverance usual{most_attempts, std::chrono::seconds(1), longest_pause};
    return try_later(batch, ids, unknown, error, usual, results);
  }
  if (ids.size() == 1 || is_about_all(error)) return refuse_all(ids, error, results);
  split(batch, ids, error, results);
}

void BatchOutcome::wait_for_server(const ChangeBatch& batch, const Ids& ids, bool look_up, const Error& error) {
  const auto failures = failures_++;
  const auto pause = failures == 0 ? SteadyClock::duration{}
                                   : growing(std::chrono::milliseconds(200), failures, longest_pause);
  telemetry::info("{} changes wait for the server: {}", ids.size(), telemetry::printable(error.what));
  put_back(ids, look_up, batch.guard(), pause);
}

/// Nothing has happened to them, so what they are marked with is void. An append is not sent again without its user.
void BatchOutcome::send_again(const ChangeBatch& batch, const Ids& ids, ChangeResults& results) {
  if (batch.first().kind == store::JournalChange::Kind::append) return give_up_appends(batch, results);
  Ids willing;
  table_.with_lock([&](ChangeTable& table) {
    for (const auto id : ids) {
      auto* const pending = table.queue.find(id);
      if (pending == nullptr) continue;
      // Where answers made no sense, it is the server, and not the network.
      if (++pending->sent_in_vain >= (pending->attempts > 0 ? few_attempts : most_attempts))
        results.push_back(ChangeResult::refused(id, sent_in_vain()));
      else willing.push_back(id);
    }
  });
  clear_sent(willing);
  put_back(willing, false, nullptr, {});
}

void BatchOutcome::give_up_appends(const ChangeBatch& batch, ChangeResults& results) {
  for (const auto& item : batch.items()) {
    if (item.outcome != Outcome::again) continue;
    refuse_staged(item.change, interrupted());
    results.push_back(ChangeResult::refused(item.change.id, interrupted()));
  }
}

void BatchOutcome::try_later(const ChangeBatch& batch, const Ids& ids, bool look_up, const Error& error,
                             const Perseverance& perseverance, ChangeResults& results) {
  Ids willing;
  unsigned attempts = 0;
  table_.with_lock([&](ChangeTable& table) {
    for (const auto id : ids) {
      auto* const pending = table.queue.find(id);
      if (pending == nullptr) continue;
      if (++pending->attempts >= perseverance.attempts) {
        results.push_back(ChangeResult::refused(id, error));
        continue;
      }
      attempts = std::max(attempts, pending->attempts);
      willing.push_back(id);
    }
  });
  if (willing.empty()) return;
  telemetry::info("{} changes are tried again: {}", willing.size(), telemetry::printable(error.what));
  const bool at_once = look_up && attempts <= 1;
  const auto pause = at_once ? SteadyClock::duration{}
                             : growing(perseverance.first_pause, attempts - 1, perseverance.longest_pause);
  put_back(willing, look_up, batch.guard(), pause);
}

void BatchOutcome::put_back(const Ids& ids, bool look_up, const std::shared_ptr<ArrivalGuard>& guard,
                            SteadyClock::duration pause) {
  std::vector<std::shared_ptr<ArrivalGuard>> given_up;  // Destroyed without the lock.
  table_.with_lock([&](ChangeTable& table) {
    for (const auto id : ids) {
      auto* const pending = table.queue.find(id);
      if (pending == nullptr) continue;
      pending->look_up = look_up;
      given_up.push_back(std::exchange(pending->guard, look_up ? guard : nullptr));
    }
    table.queue.put_back(ids, pause);
  });
}

/// One bad message must not fail the others.
void BatchOutcome::split(const ChangeBatch& batch, const Ids& ids, const Error& error, ChangeResults& results) {
  if (!divide(ids)) return refuse_all(ids, error, results);
  telemetry::debug("{} changes were refused together and are tried in halves: {}", ids.size(),
                   telemetry::printable(error.what));
  // RFC 6851 §3.3: a MOVE that was refused may have moved some.
  const bool look_up = batch.look_up() || batch.used_move();
  if (!look_up && batch.sent()) clear_sent(ids);
  put_back(ids, look_up, batch.guard(), {});
}

/// Into two groups. False if the batch they were part of was refused too often.
bool BatchOutcome::divide(const Ids& ids) {
  return table_.with_lock([&](ChangeTable& table) {
    std::shared_ptr<unsigned> refusals;
    for (const auto id : ids) {
      const auto* const pending = table.queue.find(id);
      if (pending != nullptr && !refusals) refusals = pending->refusals;
    }
    if (!refusals) refusals = std::make_shared<unsigned>(0);
    if (++*refusals > most_refusals) return false;
    const auto halves = groups_ += 2;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      auto* const pending = table.queue.find(ids[i]);
      if (pending == nullptr) continue;
      pending->refusals = refusals;
      pending->group = i < ids.size() / 2 ? halves - 1 : halves;
    }
    return true;
  });
}

void BatchOutcome::clear_sent(const Ids& ids) {
  if (const auto cleared = journal_.clear_sent(ids); !cleared)
    telemetry::warning("journal: {}", telemetry::printable(cleared.error().what));
}

/// The file of an upload of an earlier run that has not come: its user is gone, or will be told by the file itself.
void BatchOutcome::refuse_staged(const store::JournalChange& change, const Error& reason) {
  const auto staged = journal_.staged();
  if (!staged) return;
  for (auto file : *staged) {
    if (file.id != change.staged || file.state == store::StagedFile::State::queued) continue;
    file.state = store::StagedFile::State::refused;
    file.reason = reason.what;
    if (const auto updated = journal_.update(file); !updated)
      telemetry::warning("journal: {}", telemetry::printable(updated.error().what));
  }
}

}  // namespace imapfs::sync

// How changes end: recorded in the journal first, then shown, then whoever waits is told.

#include <algorithm>
#include <ctime>

#include "imapfs/base/exception_barrier.hpp"
#include "imapfs/base/telemetry.hpp"
#include "sync/changes/changes.hpp"

namespace imapfs::sync {
namespace {

using Kind = store::JournalChange::Kind;

/// Ended changes whose arrivals are remembered, for those who still name them by the change.
constexpr std::size_t remembered = 65'536;
constexpr std::size_t most_untold = 16;
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
void hand_on_settlers(const PendingChange& ended, PendingChange& follow_up) {
  follow_up.settlers = ended.settlers;
  for (const auto& settler : follow_up.settlers) ++settler->remaining;
}

}  // namespace

void Changes::end(std::vector<Ending> endings, const std::shared_ptr<ArrivalGuard>& hold) {
  if (endings.empty()) return;
  add_dependents(endings);
  std::vector<PendingChange> next;
  auto record = record_of(endings, next);
  if (const auto finished = dependencies_.journal.finish(record); !finished) {
    // Carried out, but not written down: a restart would look it up. Until the disk takes it, the change is still under
    // way.
    telemetry::error("journal: {}", telemetry::printable(finished.error().what));
    state_.lock()->unrecorded.push_back({std::move(endings), hold});
    return dependencies_.later(journal_retry, [this] { post([this] { record_again(); }); });
  }
  for (std::size_t i = 0; i < next.size(); ++i) next[i].change.id = record.next[i].id;
  apply(endings, std::move(next), hold);
}

void Changes::record_again() {
  std::vector<Unrecorded> unrecorded;
  state_.lock()->unrecorded.swap(unrecorded);
  for (auto& again : unrecorded) end(std::move(again.endings), again.hold);
}

void Changes::add_dependents(std::vector<Ending>& endings) {
  std::set<ChangeId> known;
  for (const auto& ending : endings) known.insert(ending.id);
  state_.with_lock([&](State& state) {
    for (std::size_t i = 0, given = endings.size(); i < given; ++i) {
      const auto ending = endings[i];
      const auto* const pending = state.ledger.find(ending.id);
      if (pending == nullptr) continue;
      const bool lost = ending.succeeded && !pending->change.destination.empty() && ending.arrived.uid.value == 0;
      if (ending.succeeded && !lost) continue;
      const auto useless = lost ? state.ledger.followers(ending.id) : state.ledger.dependents(ending.id);
      for (const auto id : useless)
        if (known.insert(id).second) endings.push_back({id, false, {}, lost ? not_found_again() : not_carried_out()});
    }
    std::erase_if(endings, [&](const Ending& ending) { return state.ledger.find(ending.id) == nullptr; });
  });
}

store::Journal::Ended Changes::record_of(const std::vector<Ending>& endings, std::vector<PendingChange>& next) {
  store::Journal::Ended record;
  const auto trash = trash_mailbox(*dependencies_.tree());
  state_.with_lock([&](State& state) {
    for (const auto& ending : endings) {
      const auto& change = state.ledger.find(ending.id)->change;
      record.changes.push_back({ending.id, ending.arrived, change.file_name, ending.succeeded, ending.keeps_staged});
      if (!leads_to_removal(change, ending.succeeded)) continue;
      PendingChange removal;
      removal.change.source = change.replaces;
      set_removal(removal.change, removal_from_string(change.removal).value_or(Removal::flag), trash);
      next.push_back(std::move(removal));
    }
  });
  for (auto& removal : next) {
    describe(removal);
    removal.accepted_at = std::time(nullptr);
    record.next.push_back(removal.change);
  }
  return record;
}

void Changes::remember(ChangeId id, const store::JournalLocation& arrived, State& state) {
  const auto key = [](const store::JournalLocation& place) {
    return LocationKey{place.mailbox, place.uid_validity.value, place.uid.value};
  };
  state.ended[id] = arrived;
  if (arrived.uid.value != 0) state.ours.insert(key(arrived));
  if (state.ended.size() <= remembered) return;
  state.ours.erase(key(state.ended.begin()->second));
  state.ended.erase(state.ended.begin());
}

void Changes::apply(const std::vector<Ending>& endings, std::vector<PendingChange> next,
                    const std::shared_ptr<ArrivalGuard>& hold) {
  std::vector<std::pair<PendingChange, Error>> refused;
  std::vector<Come> come;
  std::vector<PendingChange> done;
  std::map<std::string, UidSet> to_hide;
  std::map<std::string, UidSet> to_flag;
  state_.with_lock([&](State& state) {
    // In the order of their causes, see record_of().
    auto removal = next.begin();
    for (const auto& ending : endings) {
      const auto& change = state.ledger.find(ending.id)->change;
      const bool brings = !change.destination.empty();
      for (const auto follower : ending.arrived.uid.value == 0 || !brings ? std::vector<ChangeId>{}
                                                                          : state.ledger.direct_followers(ending.id)) {
        const auto& next_change = state.ledger.find(follower)->change;
        if (takes_away(next_change))
          (next_change.kind == Kind::flag ? to_flag : to_hide)[ending.arrived.mailbox].add(ending.arrived.uid,
                                                                                           ending.arrived.uid);
      }
      auto pending = state.ledger.end(ending.id, ending.succeeded ? ending.arrived : store::JournalLocation{});
      if (leads_to_removal(pending.change, ending.succeeded)) hand_on_settlers(pending, *removal++);
      if (!ending.succeeded) {
        ++state.refused;
        refused.emplace_back(std::move(pending), ending.error);
      } else if (brings) {
        remember(ending.id, ending.arrived, state);
        come.push_back({std::make_shared<PendingChange>(std::move(pending)), ending.arrived, ending.keeps_staged});
        state.concluding[ending.id] = come.back().pending;
      } else {
        done.push_back(std::move(pending));
      }
    }
    for (auto& follow_up : next) state.ledger.add(std::move(follow_up));
  });
  for (const auto& [name, uids] : to_hide)
    if (const auto mailbox = dependencies_.mailbox_by_name(name)) mailbox->replica.own_changes().hide(uids);
  for (const auto& [name, uids] : to_flag)
    if (const auto mailbox = dependencies_.mailbox_by_name(name))
      mailbox->replica.own_changes().hide_into_deleted(uids);
  show_carried_out(done);
  roll_back(refused);
  for (const auto& item : come)
    if (const auto accepted = std::exchange(item.pending->accepted, nullptr)) accepted(item.pending->change.id);
  for (auto& pending : done) {
    if (const auto accepted = std::exchange(pending.accepted, nullptr)) accepted(pending.change.id);
    finish(pending, arrival_of(pending, pending.change.source));
  }
  for (auto& [pending, error] : refused) {
    if (const auto accepted = std::exchange(pending.accepted, nullptr)) {
      accepted(fail(error));
      pending.finished.clear();
    }
    finish(pending, fail(error));
  }
  sync_destination(std::move(come), hold);
  if (!next.empty()) dispatch_soon(std::chrono::milliseconds(0));
  resume_twins();
}

/// Flags that were set: the table has them already, and where messages are listed follows from them.
void Changes::show_carried_out(const std::vector<PendingChange>& done) {
  std::map<std::string, UidSet> flagged;
  for (const auto& pending : done) {
    const auto& source = pending.change.source;
    if (pending.change.kind != Kind::flag) continue;
    auto& uids = flagged[source.mailbox];
    if (!takes_away(pending.change)) continue;
    own_removals_.flagged(source);
    // What was removed from .deleted meanwhile is not to be seen there again.
    const bool leaves = state_.with_lock([&](State& state) {
      const auto changes = state.ledger.changes_of(source);
      return std::any_of(changes.begin(), changes.end(), [](const auto* change) { return takes_away(*change); });
    });
    if (!leaves) uids.add(source.uid, source.uid);
  }
  for (const auto& [name, uids] : flagged) {
    const auto mailbox = dependencies_.mailbox_by_name(name);
    if (!mailbox) continue;
    if (!uids.empty()) mailbox->replica.own_changes().show_again(uids);
    mailbox->replica.news().publish();
  }
}

/// A promise could not be kept: the messages are back, and everybody who can hear it is told.
void Changes::roll_back(const std::vector<std::pair<PendingChange, Error>>& refused) {
  std::map<std::string, UidSet> shown;
  std::map<std::string, UidSet> deleted;
  for (const auto& [pending, error] : refused) {
    const auto& change = pending.change;
    const auto show = [&](const store::JournalLocation& place) {
      if (place.uid.value != 0) shown[place.mailbox].add(place.uid, place.uid);
    };
    show(change.replaces);
    if (takes_away(change)) show(change.source);
    if (is_restore(change) && change.source.uid.value != 0)
      deleted[change.source.mailbox].add(change.source.uid, change.source.uid);
  }
  for (const auto& [name, uids] : deleted) {
    const auto mailbox = dependencies_.mailbox_by_name(name);
    if (!mailbox) continue;
    take_flag_change(mailbox->replica, uids, deleted_flag(FlagChange::Kind::add));
    mailbox->replica.news().publish();
  }
  for (const auto& [name, uids] : shown) {
    const auto mailbox = dependencies_.mailbox_by_name(name);
    if (!mailbox) continue;
    mailbox->replica.own_changes().show_again(uids);
    mailbox->replica.news().publish();
  }
  for (const auto& [pending, error] : refused) report(pending, error);
}

void Changes::report(const PendingChange& pending, const Error& error) {
  // Somebody waits for the word and will say it.
  if (pending.accepted || pending.change.kind == Kind::append) return;
  telemetry::error("{} {}: {}", pending.operation, telemetry::printable(pending.path),
                   telemetry::printable(error.what));
  dependencies_.listener.on_change_refused(pending.operation, pending.path, error);
  if (error.errnum == EACCES || error.errnum == EROFS)
    for (const auto& name : {pending.change.source.mailbox, pending.change.destination})
      if (const auto mailbox = dependencies_.mailbox_by_name(name)) dependencies_.ask_rights(mailbox);
  const auto id_of = [&](const std::string& name) {
    const auto mailbox = dependencies_.mailbox_by_name(name);
    return mailbox ? mailbox->replica.identity().id : MailboxId{};
  };
  const Told told{id_of(pending.change.source.mailbox), id_of(pending.change.destination), error};
  state_.with_lock([&](State& state) {
    if (state.untold.size() < most_untold) state.untold.push_back(told);
  });
}

// -- arrivals --

void Changes::sync_destination(std::vector<Come> come, const std::shared_ptr<ArrivalGuard>& hold) {
  std::map<std::string, std::vector<Come>> by_destination;
  for (auto& item : come) {
    by_destination[item.pending->change.destination].push_back(std::move(item));
  }
  for (auto& [name, items] : by_destination) {
    const auto destination = dependencies_.mailbox_by_name(name);
    // What replaces another message is to be seen before that goes. Its row is there by the answer of APPEND.
    const bool at_once = destination && std::all_of(items.begin(), items.end(), [&](const Come& item) {
                           const bool replaces = item.pending->change.replaces.uid.value != 0;
                           return replaces && destination->replica.messages().find(item.arrived.uid).has_value();
                         });
    auto show = [this, destination, items = std::move(items), hold](const Result<void>&) {
      post([this, destination, items, hold] { publish_arrivals(destination, items); });
    };
    if (destination && destination->replica.table()->complete() && !at_once && !stopping_)
      dependencies_.bring_in_step(destination, std::move(show));
    else show({});
  }
}

void Changes::publish_arrivals(const MailboxPointer& destination, const std::vector<Come>& come) {
  if (destination) {
    std::map<UidValidity, std::vector<MailboxReplica::OwnArrival>> own;
    state_.with_lock([&](State& state) {
      for (const auto& item : come) {
        const auto changes = state.ledger.changes_of(item.arrived);
        // On its way out again: it is not to be seen.
        const bool leaves = std::any_of(changes.begin(), changes.end(),
                                        [](const auto* change) { return takes_away(*change); });
        if (item.arrived.uid.value != 0 && !leaves)
          own[item.arrived.uid_validity].push_back({item.arrived.uid, item.pending->change.file_name});
      }
    });
    // Nobody may have selected it so far: what came is known by this UIDVALIDITY, above and to changes that follow.
    const auto placed = std::find_if(come.begin(), come.end(),
                                     [](const Come& item) { return item.arrived.uid.value != 0; });
    if (placed != come.end() && destination->replica.table()->uid_validity().value == 0)
      destination->replica.note_validity(placed->arrived.uid_validity);
    hide_replaced(come);
    for (const auto& [validity, arrivals] : own) {
      destination->replica.own_changes().begin_arrivals();
      destination->replica.own_changes().end_arrivals(validity, arrivals);
    }
    destination->replica.news().publish();
  }
  for (const auto& item : come) {
    state_.lock()->concluding.erase(item.pending->change.id);
    const Result<Arrival> superseded = fail(changed_since_sent());
    finish(*item.pending, item.keeps_staged ? superseded : arrival_of(*item.pending, item.arrived));
  }
}

/// What uploads have replaced, whose names go on to what has come. Its removal may have ended already.
void Changes::hide_replaced(const std::vector<Come>& come) const {
  for (const auto& item : come) {
    const auto& replaced = item.pending->change.replaces;
    const auto mailbox = replaced.uid.value != 0 ? dependencies_.mailbox_by_name(replaced.mailbox) : nullptr;
    if (mailbox && mailbox->replica.table()->place(replaced.uid) == MessageTable::Place::listed)
      mailbox->replica.own_changes().hide(UidSet::single(replaced.uid));
  }
}

Result<Arrival> Changes::arrival_of(const PendingChange& pending, const store::JournalLocation& arrived) const {
  Arrival arrival;
  arrival.message = from_journal(arrived);
  arrival.file_name = pending.change.file_name;
  const auto mailbox = dependencies_.mailbox_by_name(arrived.mailbox);
  if (mailbox && arrived.uid.value != 0)
    if (const auto known = mailbox->replica.messages().find(arrived.uid)) arrival.file_name = known->file_name;
  return arrival;
}

void Changes::finish(PendingChange& pending, const Result<Arrival>& result) {
  std::vector<Completion<Arrival>> finished;
  std::vector<Completion<void>> followed_by;
  std::vector<std::pair<std::shared_ptr<DrainWaiter>, std::optional<Error>>> settled;
  state_.with_lock([&](State& state) {
    finished.swap(pending.finished);
    followed_by.swap(pending.followed_by);
    for (const auto& settler : pending.settlers) {
      if (--settler->remaining > 0 || !settler->done) continue;
      state.settlers.erase(settler);
      settled.emplace_back(settler, take_untold(state, settler->mailbox));
    }
  });
  // One that throws must not take the others along.
  const auto tell = [](const auto& completion, const auto& outcome) {
    (void)run_contained("journal", [&] { completion(outcome); });
  };
  for (const auto& call : finished) tell(call, result);
  for (const auto& then : followed_by) tell(then, Result<void>{});
  for (auto& [settler, untold] : settled) {
    const auto done = std::exchange(settler->done, nullptr);
    tell(done, untold ? Result<void>(fail(std::move(*untold))) : Result<void>{});
  }
}

}  // namespace imapfs::sync

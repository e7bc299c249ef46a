// How changes are accepted: what may be done is checked at once, the rest happens on the thread "journal", for all that
// have come meanwhile in one transaction.

#include <algorithm>
#include <ctime>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/sync/errors.hpp"
#include "sync/changes/changes.hpp"

namespace imapfs::sync {
namespace {

using Kind = store::JournalChange::Kind;

tl::unexpected<Error> stale() {
  return fail(ESTALE, Scope::message, Retry::never, "the message is not there any more");
}

Result<void> allow(const MailboxRights& rights, bool right, std::string_view what, const std::string& path) {
  if (rights.read_only) return fail(EROFS, Scope::mailbox, Retry::never, "{} is read-only", telemetry::printable(path));
  if (right) return {};
  return fail(EACCES, Scope::mailbox, Retry::never, "no right to {} in {}", what, telemetry::printable(path));
}

}  // namespace

void Changes::copy_message(const ChangeSource& source, const ArrivalTarget& target, ChangeReply reply) {
  submit({Wish::copy, source, target, std::move(reply)});
}

void Changes::move_message(const ChangeSource& source, const ArrivalTarget& target, ChangeReply reply) {
  submit({Wish::move, source, target, std::move(reply)});
}

void Changes::remove_message(const ChangeSource& source, ChangeReply reply) {
  submit({Wish::remove, source, {}, std::move(reply)});
}

void Changes::expunge_message(const ChangeSource& source, ChangeReply reply) {
  submit({Wish::expunge, source, {}, std::move(reply)});
}

void Changes::restore_message(const ChangeSource& source, const std::string& file_name, ChangeReply reply) {
  if (source.message.uid.value == 0) return restore_now(source, file_name, std::move(reply));
  // In .deleted it may be seen before it is flagged.
  after_changes_of(source.message, [this, source, file_name, reply = std::move(reply)](const Result<void>& ended) {
    if (!ended) return reply.accepted(fail(ended.error()));
    restore_now(source, file_name, reply);
  });
}

void Changes::restore_now(const ChangeSource& source, const std::string& file_name, ChangeReply reply) {
  ArrivalTarget target;
  target.file_name = file_name;
  submit({Wish::restore, source, target, std::move(reply)});
}

void Changes::give_name(const MessageLocation& message, const std::string& name, const MessageLocation& replaces,
                        Completion<void> done) {
  Submission removal{Wish::remove, {replaces, {}}, {}, {}};
  if (replaces.uid.value != 0)
    if (auto allowed = check(removal); !allowed) return done(fail(std::move(allowed).error()));
  removal.reply.accepted = [done](const Result<ChangeId>& accepted) {
    if (!accepted) return done(fail(accepted.error()));
    done({});
  };
  post([this, message, name, removal = std::move(removal)] {
    const bool being_restored = state_.with_lock([&](State& state) {
      const auto changes = state.ledger.changes_of(to_journal(message));
      return std::any_of(changes.begin(), changes.end(), [](const auto* change) { return is_restore(*change); });
    });
    if (!being_restored) return give_name_now(message, name, removal);
    // At its end a restoration gives the name it was accepted with.
    after_changes_of(message, [this, message, name, removal](const Result<void>& ended) {
      if (!ended) return removal.reply.accepted(fail(ended.error()));
      post([this, message, name, removal] { give_name_now(message, name, removal); });
    });
  });
}

void Changes::give_name_now(const MessageLocation& message, const std::string& name, const Submission& removal) {
  const auto mailbox = dependencies_.mailbox(message.mailbox);
  const auto& answer = removal.reply.accepted;
  if (!mailbox || mailbox->replica.table()->uid_validity() != message.uid_validity) return answer(stale());
  // The name first: at no moment is there neither the old message nor the new one.
  const auto named = dependencies_.journal.set_local_name(to_journal(message), name);
  if (!named) return answer(fail(named.error()));
  const auto& replaces = removal.source.message;
  mailbox->replica.own_changes().set_local_name(message.uid, name,
                                                replaces.mailbox == message.mailbox ? replaces.uid : Uid{});
  mailbox->replica.news().publish();
  if (removal.source.message.uid.value == 0) return answer(ChangeId{});
  accept({removal});
}

void Changes::submit(Submission submission) {
  const auto refuse = [&](Error error) { submission.reply.accepted(fail(std::move(error))); };
  if (auto allowed = check(submission); !allowed) return refuse(std::move(allowed).error());
  const bool room = !stopping_ && state_.with_lock([&](State& state) {
    if (state.ledger.size() + state.submissions.size() >= ChangeQueue::limit) return false;
    state.submissions.push_back(std::move(submission));
    return true;
  });
  if (room) return wake();
  if (stopping_) return refuse({ECANCELED, Scope::account, Retry::never, "the account is not running any more"});
  refuse({EAGAIN, Scope::account, Retry::later, "too many changes are waiting for the server"});
}

Result<void> Changes::check(const Submission& submission) const {
  if (!dependencies_.online()) return fail(EHOSTUNREACH, Scope::session, Retry::later, "no connection to the server");
  auto from = submission.source.message.mailbox;
  if (submission.source.brought_by.value != 0) {
    const auto name = state_.with_lock([&](const State& state) {
      const auto& changes = state.ledger.changes();
      const auto bringing = changes.find(submission.source.brought_by);
      return bringing == changes.end() ? std::string() : bringing->second.change.destination;
    });
    if (const auto mailbox = dependencies_.mailbox_by_name(name)) from = mailbox->replica.identity().id;
  }
  if (const auto mailbox = dependencies_.mailbox(from)) {
    const auto& identity = mailbox->replica.identity();
    const auto rights = mailbox->replica.rights().current();
    if (submission.wish != Wish::copy)
      IMAPFS_TRY(allow(rights, rights.remove_messages, "remove messages", identity.path));
    if (submission.wish == Wish::expunge) {
      if (!dependencies_.capabilities().has("UIDPLUS"))
        return fail(EOPNOTSUPP, "the server cannot expunge single messages (no UIDPLUS)");
      IMAPFS_TRY(allow(rights, rights.expunge, "expunge messages", identity.path));
    }
    if (submission.wish == Wish::remove) IMAPFS_TRY(removal_in(identity.name));
  } else if (submission.source.brought_by.value == 0) {
    return fail(no_such_mailbox());
  }
  if (submission.wish != Wish::copy && submission.wish != Wish::move) return {};
  const auto target = dependencies_.mailbox(submission.target.mailbox);
  if (!target) return fail(no_such_mailbox());
  const auto rights = target->replica.rights().current();
  const auto& identity = target->replica.identity();
  IMAPFS_TRY(allow(rights, rights.insert, "put messages", identity.path));
  if (submission.target.replaces.uid.value == 0) return {};
  IMAPFS_TRY(allow(rights, rights.remove_messages, "remove messages", identity.path));
  IMAPFS_TRY(removal_in(identity.name));
  return {};
}

Result<Removal> Changes::removal_in(const std::string& mailbox) const {
  return plan_removal(dependencies_.settings.removal, dependencies_.capabilities(), mailbox,
                      trash_mailbox(*dependencies_.tree()));
}

store::JournalLocation Changes::to_journal(const MessageLocation& location) const {
  const auto mailbox = dependencies_.mailbox(location.mailbox);
  if (!mailbox || location.uid.value == 0) return {};
  return {mailbox->replica.identity().name, location.uid_validity, location.uid};
}

MessageLocation Changes::from_journal(const store::JournalLocation& location) const {
  const auto mailbox = dependencies_.mailbox_by_name(location.mailbox);
  return {mailbox ? mailbox->replica.identity().id : MailboxId{}, location.uid_validity, location.uid};
}

/// What is known of the source, for people and to recognise it by.
void Changes::describe(PendingChange& pending) const {
  auto& change = pending.change;
  pending.operation = operation_of(change);
  const bool is_append = change.kind == Kind::append;
  const auto mailbox = dependencies_.mailbox_by_name(is_append ? change.destination : change.source.mailbox);
  auto name = change.file_name;
  if (mailbox && change.source.uid.value != 0) {
    if (const auto known = mailbox->replica.messages().find(change.source.uid)) {
      name = known->file_name;
      pending.message_flags = known->flags;
      if (change.size == 0) change.size = known->size;
      if (!change.internal_date) change.internal_date = known->internal_date;
    } else {
      name = fmt::format("{}.eml", change.source.uid.value);
    }
  }
  pending.path = mailbox ? mailbox->replica.identity().path + "/" + name : name;
}

// -- on the thread "journal" --

void Changes::accept(std::vector<Submission> submissions) {
  std::vector<PendingChange> prepared;
  std::set<LocationKey> moving;
  for (auto& submission : submissions) {
    const auto source = to_journal(submission.source.message);
    const LocationKey key{source.mailbox, source.uid_validity.value, source.uid.value};
    // About a message that the same transaction moves: that one needs its id first.
    if (submission.source.brought_by.value == 0 && moving.contains(key)) {
      commit(std::exchange(prepared, {}));
      moving.clear();
    }
    auto pending = prepare(submission);
    if (!pending) {
      submission.reply.accepted(fail(std::move(pending).error()));
      continue;
    }
    if (pending->change.kind == Kind::move) moving.insert(key);
    prepared.push_back(std::move(*pending));
  }
  commit(std::move(prepared));
}

Result<void> Changes::resolve_source(const ChangeSource& source, store::JournalChange& change) {
  auto message = to_journal(source.message);
  if (source.brought_by.value != 0) {
    const bool waits = state_.with_lock([&](State& state) {
      const auto ended = state.ended.find(source.brought_by);
      if (ended != state.ended.end()) message = ended->second;
      auto* pending = state.ledger.find(source.brought_by);
      if (pending == nullptr) return false;
      if (pending->change.destination.empty()) {
        // It brings nothing: the message stays where it is.
        message = pending->change.source;
        if (message.uid.value != 0) return false;
        change.follows = state.ledger.moving(pending->change.follows);
      } else {
        change.follows = state.ledger.moving(source.brought_by);
      }
      pending = state.ledger.find(change.follows);
      if (pending == nullptr) return false;
      change.source.mailbox = pending->change.destination;
      change.size = pending->change.size;
      change.internal_date = pending->change.internal_date;
      change.message_id = pending->change.message_id;
      return true;
    });
    if (waits) return {};
  }
  if (message.uid.value == 0) return stale();
  const auto moving = state_.with_lock([&](const State& state) {
    const auto id = state.ledger.moving(message);
    if (id.value != 0) change.source.mailbox = state.ledger.changes().at(id).change.destination;
    return id;
  });
  if (moving.value != 0) {
    change.follows = moving;
    return {};
  }
  const auto mailbox = dependencies_.mailbox_by_name(message.mailbox);
  if (!mailbox || mailbox->replica.table()->uid_validity() != message.uid_validity) return stale();
  change.source = message;
  return {};
}

Result<PendingChange> Changes::prepare(Submission& submission) {
  PendingChange pending;
  auto& change = pending.change;
  IMAPFS_TRY(resolve_source(submission.source, change));
  const auto& target = submission.target;
  switch (submission.wish) {
    case Wish::copy:
    case Wish::move: {
      change.kind = submission.wish == Wish::copy ? Kind::copy : Kind::move;
      const auto destination = dependencies_.mailbox(target.mailbox);
      if (!destination) return fail(no_such_mailbox());
      change.destination = destination->replica.identity().name;
      change.file_name = target.file_name;
      change.replaces = to_journal(target.replaces);
      if (change.replaces.uid.value != 0) change.removal = to_string(IMAPFS_TRY(removal_in(change.replaces.mailbox)));
      break;
    }
    case Wish::remove:
      set_removal(change, IMAPFS_TRY(removal_in(change.source.mailbox)), trash_mailbox(*dependencies_.tree()));
      break;
    case Wish::expunge: change.kind = Kind::expunge; break;
    case Wish::restore:
      change.kind = Kind::flag;
      change.flags = deleted_flag(FlagChange::Kind::remove);
      change.file_name = target.file_name;
      break;
  }
  describe(pending);
  pending.accepted_at = std::time(nullptr);
  pending.accepted = std::move(submission.reply.accepted);
  if (submission.reply.finished) pending.finished.push_back(std::move(submission.reply.finished));
  return pending;
}

void Changes::commit(std::vector<PendingChange> prepared) {
  if (prepared.empty()) return;
  std::vector<store::JournalChange> changes;
  changes.reserve(prepared.size());
  for (const auto& pending : prepared) changes.push_back(pending.change);
  if (const auto added = dependencies_.journal.add(changes); !added) {
    for (const auto& pending : prepared) pending.accepted(fail(added.error()));
    return;
  }
  show_effect(changes);
  note_own_removals(changes);
  const bool write_behind = dependencies_.settings.write_behind;
  std::vector<std::pair<Completion<ChangeId>, ChangeId>> replies;
  state_.with_lock([&](State& state) {
    for (std::size_t i = 0; i < prepared.size(); ++i) {
      auto& pending = prepared[i];
      pending.change.id = changes[i].id;
      if (write_behind) replies.emplace_back(std::exchange(pending.accepted, nullptr), changes[i].id);
      state.ledger.add(std::move(pending));
    }
  });
  for (const auto& [accepted, id] : replies) accepted(id);
  if (write_behind) dispatch_soon(patience());
  else dispatch();
}

void Changes::note_own_removals(const std::vector<store::JournalChange>& changes) {
  std::set<std::string> mailboxes;
  for (const auto& change : changes) {
    if (is_restore(change)) own_removals_.forget(change.source);
    if (!change.removal.empty() && change.replaces.uid.value == 0) mailboxes.insert(change.source.mailbox);
  }
  const auto tree = dependencies_.tree();
  for (const auto& name : mailboxes) {
    const auto mailbox = dependencies_.mailbox_by_name(name);
    const auto* const node = mailbox ? tree->find(mailbox->replica.identity().id) : nullptr;
    if (node != nullptr) own_removals_.removed(name, node->delimiter);
  }
}

/// The user sees at once what has been accepted.
void Changes::show_effect(const std::vector<store::JournalChange>& changes) {
  std::map<std::string, UidSet> hidden;
  std::map<std::string, UidSet> flagged;
  std::map<std::string, std::vector<const store::JournalChange*>> restored;
  const auto hide = [](std::map<std::string, UidSet>& where, const store::JournalLocation& location) {
    if (location.uid.value != 0) where[location.mailbox].add(location.uid, location.uid);
  };
  for (const auto& change : changes) {
    hide(hidden, change.replaces);
    if (takes_away(change)) hide(change.kind == Kind::flag ? flagged : hidden, change.source);
    if (is_restore(change) && change.source.uid.value != 0) restored[change.source.mailbox].push_back(&change);
  }
  for (const auto& [name, uids] : hidden) {
    const auto mailbox = dependencies_.mailbox_by_name(name);
    if (!mailbox) continue;
    mailbox->replica.own_changes().hide(uids);
    mailbox->replica.news().publish();
  }
  for (const auto& [name, uids] : flagged) {
    const auto mailbox = dependencies_.mailbox_by_name(name);
    if (!mailbox) continue;
    mailbox->replica.own_changes().hide_into_deleted(uids);
    mailbox->replica.news().publish();
  }
  for (const auto& [name, messages] : restored) {
    const auto mailbox = dependencies_.mailbox_by_name(name);
    if (!mailbox) continue;
    auto& replica = mailbox->replica;
    std::vector<MailboxReplica::OwnArrival> own;
    UidSet uids;
    for (const auto* change : messages) {
      own.push_back({change->source.uid, change->file_name});
      uids.add(change->source.uid, change->source.uid);
    }
    // Hidden while its flag changes, and then shown as our own: the kernel has made this change itself.
    replica.own_changes().hide(uids);
    take_flag_change(replica, uids, messages.front()->flags);
    replica.own_changes().begin_arrivals();
    replica.own_changes().end_arrivals(messages.front()->source.uid_validity, own);
    replica.news().publish();
  }
}

}  // namespace imapfs::sync

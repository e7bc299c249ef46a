#include "sync/changes/acceptor.hpp"

#include <ctime>
#include <set>

#include "imapfs/sync/errors.hpp"
#include "sync/changes/change_errors.hpp"

namespace imapfs::sync {
namespace {

using Kind = store::JournalChange::Kind;

tl::unexpected<Error> message_is_gone() {
  return fail(ESTALE, Scope::message, Retry::never, "the message is not there any more");
}

}  // namespace

Acceptor::Acceptor(Dependencies dependencies) : dependencies_(std::move(dependencies)) {}

void Acceptor::restore(const ChangeSource& source, const std::string& file_name, ChangeReply reply) {
  if (source.message.uid.value == 0) return restore_now(source, file_name, std::move(reply));
  dependencies_.waiters.after(source.message,
                              [this, source, file_name, reply = std::move(reply)](const Result<void>& ended) {
                                if (!ended) return reply.accepted(fail(ended.error()));
                                restore_now(source, file_name, reply);
                              });
}

void Acceptor::restore_now(const ChangeSource& source, const std::string& file_name, ChangeReply reply) {
  ArrivalTarget target;
  target.file_name = file_name;
  submit({ChangeRequestKind::restore, source, target, std::move(reply)});
}

void Acceptor::submit(ChangeRequest request) {
  if (auto allowed = dependencies_.rights.check(request); !allowed)
    return request.reply.accepted(fail(std::move(allowed).error()));
  if (dependencies_.thread.stopping()) return request.reply.accepted(fail(not_running()));
  const auto pending = dependencies_.table.with_lock([](ChangeTable& table) { return table.queue.size(); });
  const bool room = waiting_.with_lock([&](std::vector<ChangeRequest>& waiting) {
    if (pending + waiting.size() >= ChangeQueue::limit) return false;
    waiting.push_back(std::move(request));
    return true;
  });
  if (!room)
    return request.reply.accepted(
        fail(EAGAIN, Scope::account, Retry::later, "too many changes are waiting for the server"));
  dependencies_.thread.wake();
}

void Acceptor::accept_submitted() {
  std::vector<ChangeRequest> requests;
  waiting_.lock()->swap(requests);
  if (!requests.empty()) accept(std::move(requests));
}

void Acceptor::close() {
  std::vector<ChangeRequest> requests;
  waiting_.lock()->swap(requests);
  for (auto& request : requests)
    if (request.reply.accepted) request.reply.accepted(fail(not_running()));
}

void Acceptor::accept(std::vector<ChangeRequest> requests) {
  std::vector<PendingChange> prepared;
  std::set<LocationKey> moving;
  for (auto& request : requests) {
    const auto key = key_of(dependencies_.locations.to_journal(request.source.message));
    // An earlier request of the same transaction moves this message: commit that move first so that it has an id.
    if (request.source.brought_by.value == 0 && moving.contains(key)) {
      commit(std::exchange(prepared, {}));
      moving.clear();
    }
    auto pending = prepare(request);
    if (!pending) {
      request.reply.accepted(fail(std::move(pending).error()));
      continue;
    }
    if (pending->change.kind == Kind::move) moving.insert(key);
    prepared.push_back(std::move(*pending));
  }
  commit(std::move(prepared));
}

// -- one change --

Result<PendingChange> Acceptor::prepare(ChangeRequest& request) {
  PendingChange pending;
  auto& change = pending.change;
  IMAPFS_TRY(resolve_source(request.source, change));
  switch (request.kind) {
    case ChangeRequestKind::copy:
    case ChangeRequestKind::move:
      change.kind = request.kind == ChangeRequestKind::copy ? Kind::copy : Kind::move;
      IMAPFS_TRY(set_target(change, request.target));
      break;
    case ChangeRequestKind::remove:
      set_removal(change, IMAPFS_TRY(dependencies_.removals.plan(change.source.mailbox)),
                  dependencies_.removals.trash());
      break;
    case ChangeRequestKind::expunge: change.kind = Kind::expunge; break;
    case ChangeRequestKind::restore:
      change.kind = Kind::flag;
      change.flags = deleted_flag(FlagChange::Kind::remove);
      change.file_name = request.target.file_name;
      break;
  }
  dependencies_.locations.describe(pending);
  pending.accepted_at = std::time(nullptr);
  pending.accepted = std::move(request.reply.accepted);
  if (request.reply.finished) pending.finished.push_back(std::move(request.reply.finished));
  return pending;
}

Result<void> Acceptor::set_target(store::JournalChange& change, const ArrivalTarget& target) {
  const auto destination = dependencies_.locations.mailbox(target.mailbox);
  if (!destination) return fail(no_such_mailbox());
  change.destination = destination->replica.identity().name;
  change.file_name = target.file_name;
  change.replaces = dependencies_.locations.to_journal(target.replaces);
  if (change.replaces.uid.value != 0)
    change.removal = to_string(IMAPFS_TRY(dependencies_.removals.plan(change.replaces.mailbox)));
  return {};
}

/// The message where it is, or the change that has to bring it first.
Result<void> Acceptor::resolve_source(const ChangeSource& source, store::JournalChange& change) {
  auto message = dependencies_.locations.to_journal(source.message);
  if (source.brought_by.value != 0) {
    if (const auto ended = dependencies_.own_arrivals.place_of(source.brought_by)) message = *ended;
    if (follow_bringing(source.brought_by, message, change)) return {};
  }
  if (message.uid.value == 0) return message_is_gone();
  if (follow_move(message, change)) return {};
  const auto mailbox = dependencies_.locations.mailbox(message.mailbox);
  if (!mailbox || mailbox->replica.table()->uid_validity() != message.uid_validity) return message_is_gone();
  change.source = message;
  return {};
}

/// True: `change` has to wait for the message that `bringing`, or a move after it, brings. Else `message` is where it
/// stays, if that is known by now.
bool Acceptor::follow_bringing(ChangeId bringing, store::JournalLocation& message, store::JournalChange& change) {
  return dependencies_.table.with_lock([&](ChangeTable& table) {
    const auto& queue = table.queue;
    const auto* pending = queue.find(bringing);
    if (pending == nullptr) return false;
    if (pending->change.destination.empty()) {
      // It brings nothing: the message stays where it is.
      message = pending->change.source;
      if (message.uid.value != 0) return false;
      change.follows = queue.order().moving(pending->change.follows);
    } else {
      change.follows = queue.order().moving(bringing);
    }
    pending = queue.find(change.follows);
    if (pending == nullptr) return false;
    change.source.mailbox = pending->change.destination;
    change.size = pending->change.size;
    change.internal_date = pending->change.internal_date;
    change.message_id = pending->change.message_id;
    return true;
  });
}

/// True: a move that has not ended takes the message along, and `change` has to wait for that.
bool Acceptor::follow_move(const store::JournalLocation& message, store::JournalChange& change) {
  return dependencies_.table.with_lock([&](ChangeTable& table) {
    const auto moving = table.queue.order().moving(message);
    if (moving.value == 0) return false;
    change.source.mailbox = table.queue.changes().at(moving).change.destination;
    change.follows = moving;
    return true;
  });
}

// -- one transaction --

void Acceptor::commit(std::vector<PendingChange> prepared) {
  if (prepared.empty()) return;
  std::vector<store::JournalChange> changes;
  changes.reserve(prepared.size());
  for (const auto& pending : prepared) changes.push_back(pending.change);
  if (const auto added = dependencies_.journal.add(changes); !added) {
    for (const auto& pending : prepared) pending.accepted(fail(added.error()));
    return;
  }
  dependencies_.effects.show(changes);
  note_own_removals(changes);
  add(std::move(prepared), changes);
  if (dependencies_.write_behind) dependencies_.runner.dispatch_when_gathered();
  else dependencies_.runner.dispatch();
}

/// To the queue, and tells the users unless they are to wait for the server.
void Acceptor::add(std::vector<PendingChange> prepared, const std::vector<store::JournalChange>& changes) {
  std::vector<std::pair<Completion<ChangeId>, ChangeId>> replies;
  dependencies_.table.with_lock([&](ChangeTable& table) {
    for (std::size_t i = 0; i < prepared.size(); ++i) {
      auto& pending = prepared[i];
      pending.change.id = changes[i].id;
      if (dependencies_.write_behind) replies.emplace_back(std::exchange(pending.accepted, nullptr), changes[i].id);
      table.queue.add(std::move(pending));
    }
  });
  for (const auto& [accepted, id] : replies) accepted(id);
}

void Acceptor::note_own_removals(const std::vector<store::JournalChange>& changes) {
  std::set<std::string> mailboxes;
  for (const auto& change : changes) {
    if (is_restore(change)) dependencies_.own_removals.forget(change.source);
    if (!change.removal.empty() && change.replaces.uid.value == 0) mailboxes.insert(change.source.mailbox);
  }
  const auto tree = dependencies_.tree();
  for (const auto& name : mailboxes) {
    const auto mailbox = dependencies_.locations.mailbox(name);
    const auto* const node = mailbox ? tree->find(mailbox->replica.identity().id) : nullptr;
    if (node != nullptr) dependencies_.own_removals.removed(name, node->delimiter);
  }
}

}  // namespace imapfs::sync

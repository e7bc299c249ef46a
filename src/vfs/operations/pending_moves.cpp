#include "vfs/operations/pending_moves.hpp"

#include <utility>

namespace imapfs::vfs {

void PendingMoves::move(const NamedFile& file, const sync::ArrivalTarget& target, Reply<void> reply) {
  // Names of a mailbox that was never listed cost a question each: whoever moves one message there will move more.
  const auto table = context_.account.table(target.mailbox);
  const bool first = context_.entries.empty(target.mailbox);
  if (first && table && !table->complete()) context_.account.freshen(target.mailbox, [](Result<void>) {});
  context_.interest.add(target.mailbox);

  const auto change = std::make_shared<sync::ChangeId>();
  sync::ChangeReply answers;
  answers.accepted = [this, file, target, change, reply = std::move(reply)](Result<sync::ChangeId> id) {
    if (!id) return reply(fail(std::move(id).error()));
    *change = *id;
    accepted(file, target, *id);
    reply({});
  };
  answers.finished = [this, file, change](Result<sync::Arrival> arrival) { ended(file, *change, arrival); };
  context_.account.move_message(source_of(file), target, std::move(answers));
}

void PendingMoves::accepted(const NamedFile& file, const sync::ArrivalTarget& target, sync::ChangeId change) {
  LocalEntry entry;
  entry.kind = LocalEntry::Kind::pending;
  entry.node = file.node;
  entry.generation = file.generation;
  entry.mailbox = target.mailbox;
  entry.name = target.file_name;
  entry.meta = file.meta;
  entry.meta.uid = Uid{0};
  entry.meta.file_name = target.file_name;
  entry.source = file.message;
  entry.change = change;
  context_.entries.remove(file.node);
  // What had the name before is replaced.
  if (const auto before = context_.entries.find(target.mailbox, target.file_name))
    context_.entries.remove(before->node);
  context_.entries.add(std::move(entry));
}

void PendingMoves::ended(const NamedFile& file, sync::ChangeId change, const Result<sync::Arrival>& arrival) {
  if (arrival && arrival->message.uid.value != 0) {
    context_.entries.arrived(file.node, file.generation, arrival->message, change);
    const auto table = context_.account.table(arrival->message.mailbox);
    const auto entry = context_.entries.find(file.node);
    if (entry && entry->kind == LocalEntry::Kind::arrived && table && taken_over(*table, *entry)) {
      context_.entries.remove(file.node);
    }
    return;
  }
  // Refused: the account shows the message where it was, as news. Arrived nobody knows where: it comes as news, under a
  // name of its own.
  if (const auto gone = context_.entries.remove_pending(file.node, change)) {
    publisher_.name_gone(gone->mailbox, gone->name, gone->node);
  }
}

NamedFile PendingMoves::arrived(const NamedFile& file, const MessageLocation& message) const {
  NamedFile there = file;
  there.kind = NamedFile::Kind::message;
  there.message = message;
  there.meta.uid = message.uid;
  return there;
}

void PendingMoves::await(const NamedFile& file, Completion<NamedFile> done) {
  if (file.kind != NamedFile::Kind::pending) return done(file);
  context_.account.await_change(file.change, [this, file, done = std::move(done)](Result<sync::Arrival> arrival) {
    if (arrival && arrival->message.uid.value != 0) {
      context_.entries.arrived(file.node, file.generation, arrival->message, file.change);
      return done(arrived(file, arrival->message));
    }
    // It had ended before we asked, or it was refused.
    if (const auto message = context_.entries.message_of(file.node)) return done(arrived(file, *message));
    if (!arrival) return done(fail(std::move(arrival).error().while_doing("wait for the message to arrive")));
    done(fail(EAGAIN, Scope::message, Retry::later, "it is not known yet where the message has arrived"));
  });
}

}  // namespace imapfs::vfs

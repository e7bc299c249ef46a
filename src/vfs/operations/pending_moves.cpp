#include "vfs/operations/pending_moves.hpp"

#include <utility>

#include "imapfs/base/on_success.hpp"

namespace imapfs::vfs {

void PendingMoves::move(const NamedFile& file, const sync::ArrivalTarget& target, Reply<void> reply) {
  // Names of a mailbox that was never listed cost a question each: whoever moves one message there will move more.
  const auto table = dependencies_.account.mailboxes().table(target.mailbox);
  const bool first = dependencies_.entries.empty(target.mailbox);
  if (first && table && !table->complete())
    dependencies_.account.mailboxes().freshen(target.mailbox, [](Result<void>) {});
  dependencies_.seen_directories.add(target.mailbox);

  const auto change = std::make_shared<sync::ChangeId>();
  sync::ChangeReply answers;
  answers.accepted = on_success(reply, [this, file, target, change, reply](sync::ChangeId id) {
    *change = id;
    accepted(file, target, id);
    reply({});
  });
  answers.finished = [this, file, change](Result<sync::Arrival> arrival) { ended(file, *change, arrival); };
  dependencies_.account.changes().move(source_of(file), target, std::move(answers));
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
  dependencies_.entries.remove(file.node);
  // What had the name before is replaced.
  if (const auto before = dependencies_.entries.find(target.mailbox, target.file_name))
    dependencies_.entries.remove(before->node);
  dependencies_.entries.add(std::move(entry));
}

void PendingMoves::ended(const NamedFile& file, sync::ChangeId change, const Result<sync::Arrival>& arrival) {
  if (arrival && arrival->message.uid.value != 0) {
    dependencies_.entries.arrived(file.node, file.generation, arrival->message, change);
    const auto table = dependencies_.account.mailboxes().table(arrival->message.mailbox);
    const auto entry = dependencies_.entries.find(file.node);
    if (entry && entry->kind == LocalEntry::Kind::arrived && table && taken_over(*table, *entry)) {
      dependencies_.entries.remove(file.node);
    }
    return;
  }
  // Refused: the account shows the message where it was, as news. Arrived nobody knows where: it comes as news, under a
  // name of its own.
  if (const auto gone = dependencies_.entries.remove_pending(file.node, change)) {
    kernel_.name_gone(gone->mailbox, gone->name, gone->node);
  }
}

void PendingMoves::await(const NamedFile& file, Completion<NamedFile> done) {
  if (file.kind != NamedFile::Kind::pending) return done(file);
  dependencies_.nodes.await_arrival(
      file.node, file.generation, file.change,
      on_success(done, [file, done](const MessageLocation& message) { done(at(file, message)); }));
}

}  // namespace imapfs::vfs

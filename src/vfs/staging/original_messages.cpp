#include "vfs/staging/original_messages.hpp"

#include <cerrno>
#include <chrono>
#include <memory>
#include <utility>

namespace imapfs::vfs {

namespace {

/// A move that takes longer waits for a connection: whoever closes the file is not kept until there is one.
constexpr auto longest_move = std::chrono::seconds(20);
/// Between the end of a change and the moment when its outcome is known here.
constexpr auto moment = std::chrono::milliseconds(50);

}  // namespace

void OriginalMessages::refresh(OriginalMessage& original) const {
  if (const auto moved = use_.aliases.message_of(original.node)) original.message = *moved;
  const auto table = use_.account.mailboxes().table(original.message.mailbox);
  if (!table || table->uid_validity() != original.message.uid_validity) return;
  if (const auto meta = table->find(original.message.uid)) original.meta = *meta;
}

void OriginalMessages::locate_source(StagedFile& file) const {
  if (!file.original || file.copying) return;
  refresh(*file.original);
  file.source = file.original->message;
}

void OriginalMessages::judge_name(StagedFile& file) const {
  if (!file.message_gone || !file.original) return;
  refresh(*file.original);
  const auto& message = file.original->message;
  const auto table = use_.account.mailboxes().table(message.mailbox);
  const bool same = table && table->uid_validity() == message.uid_validity;
  file.nameless = !same || table->place(message.uid) != sync::MessageTable::Place::listed;
  file.message_gone = file.nameless;
}

void OriginalMessages::message_gone(NodeId node) const {
  const auto file = use_.files.find(node);
  if (file && file->original) file->message_gone = true;
  if (!file) use_.holds.note_gone(node);
}

void OriginalMessages::message_renamed(NodeId node, const std::string& name) const {
  const auto file = use_.files.find(node);
  if (file && file->original) file->original->meta.file_name = name;
}

std::optional<LocalEntry> OriginalMessages::on_its_way(NodeId node) const {
  auto local = use_.entries.find(node);
  return local && local->kind == LocalEntry::Kind::pending ? local : std::nullopt;
}

void OriginalMessages::follow(const StagedFilePtr& file, const std::function<void(Result<void>)>& job) const {
  const auto local = file->original ? on_its_way(file->node) : std::nullopt;
  if (!local) return job({});
  file->busy = true;
  const auto known = [this, file, job, ended = std::make_shared<bool>(false)](Result<void> place) {
    if (std::exchange(*ended, true)) return;
    file->busy = false;
    job(std::move(place));
    if (!file->busy) use_.files.go_on(file);
  };
  use_.thread.later(longest_move, [known] {
    known(fail(ETIMEDOUT, Scope::message, Retry::later, "the message is still on its way to another mailbox"));
  });
  const auto change = local->change;
  use_.account.changes().await_change(
      change, use_.thread.completion<sync::Arrival>([this, file, known, change](Result<sync::Arrival> arrival) {
        if (arrival && arrival->message.uid.value != 0) {
          use_.entries.arrived(file->node, file->generation, arrival->message, change);
          return known({});
        }
        const auto unknown = fail(EAGAIN, Scope::message, Retry::later,
                                  "it is not known where the message has arrived");
        if (arrival) return known(unknown);
        // Refused: it is where it was. Or the change has ended before we asked, and what came of it is about to be
        // told.
        use_.thread.later(moment, [this, known, unknown, node = file->node] {
          known(on_its_way(node) ? Result<void>(unknown) : Result<void>());
        });
      }));
}

}  // namespace imapfs::vfs

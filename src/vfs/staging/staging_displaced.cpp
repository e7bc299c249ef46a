// Files that take the name of a message: what they inherit, and what becomes of the message if an editor has made a
// backup of it.

#include <algorithm>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/vfs/node_id.hpp"
#include "vfs/staging/staging_implementation.hpp"

namespace imapfs::vfs {

/// Flags and date of what had the name; the message itself is replaced if it is a backup by now.
void Staging::Implementation::inherit(const DisplacedMessage& displaced, Destination& destination) const {
  Original former{displaced.node, displaced.generation, displaced.message, displaced.meta};
  refresh(former);
  destination.flags = flags_to_give(former.meta.flags);
  destination.internal_date = displaced.meta.internal_date;
  if (is_still_backup(displaced)) destination.replaces = displaced.message;
}

/// Whether it has the backup's name yet: somebody may have given it another, or removed it.
bool Staging::Implementation::is_still_backup(const DisplacedMessage& displaced) const {
  if (displaced.backup.empty()) return false;
  const auto mailbox = displaced.message.mailbox;
  if (const auto entry = around_.entries.find(mailbox, displaced.backup)) {
    return entry->kind == LocalEntry::Kind::arrived && entry->message == displaced.message;
  }
  const auto table = around_.account.table(mailbox);
  if (!table || table->uid_validity() != displaced.message.uid_validity) return false;
  const auto meta = table->find_by_name(displaced.backup);
  return meta && meta->uid == displaced.message.uid;
}

/// With the octets of a message that is a backup and will be replaced, in a file of their own; null if there is no such
/// message.
void Staging::Implementation::with_backup(const FilePtr& file, const Destination& destination,
                                          const Completion<FilePtr>& then) {
  const auto& displaced = file->displaced;
  if (!displaced || displaced->backup.empty() || !(destination.replaces == displaced->message)) return then(FilePtr());
  const auto backup = std::make_shared<File>();
  backup->generation = displaced->generation;
  backup->mailbox = displaced->message.mailbox;
  backup->name = displaced->backup;
  backup->own = true;
  backup->source = displaced->message;
  backup->source_size = displaced->meta.size;
  fetch(backup, [this, backup, then](Result<void> fetched) {
    if (fetched) return then(backup);
    telemetry::warning("{} stays a message on the server: {}", telemetry::printable(path_of(*backup)),
                       telemetry::printable(fetched.error().what));
    then(fail(std::move(fetched).error()));
  });
}

/// The message is replaced: its backup is a file of this machine, under the node that the kernel knows. It has the
/// flags and the date that it had as a message, which its successor has now, for whoever makes a message of it again.
void Staging::Implementation::keep_backup(const FilePtr& backup, const DisplacedMessage& displaced,
                                          const Destination& successor) {
  const bool open = files_.contains(displaced.node);
  backup->node = open ? staged_node(static_cast<std::uint32_t>(backup->row.id.value)) : displaced.node;
  backup->dirty = true;
  backup->row.flags = successor.flags;
  backup->row.internal_date = displaced.meta.internal_date;
  backup->changed = Timestamp{displaced.meta.internal_date, 0};
  backup->source = {};
  backup->source_size = backup->size();
  backup->content.reset();
  around_.entries.remove(displaced.node);
  around_.aliases.stand_alone(backup->node);
  LocalEntry entry;
  entry.kind = LocalEntry::Kind::staged;
  entry.node = backup->node;
  entry.generation = backup->generation;
  entry.mailbox = backup->mailbox;
  entry.name = backup->name;
  if (!around_.entries.add(entry)) return drop(backup);
  files_[backup->node] = backup;
  show(*backup);
  if (auto kept = set_state(*backup, store::StagedFile::State::local); !kept) {
    telemetry::warning("{} would be in the outbox after a restart: {}", telemetry::printable(path_of(*backup)),
                       kept.error().what);
  }
  if (open) around_.publisher.kernel().name_gone(backup->mailbox, backup->name, displaced.node);
}

void Staging::Implementation::take_place(const Original& own, const std::string& name,
                                         const std::optional<Original>& target, const Reply<bool>& reply) {
  const auto oldest = SteadyClock::now() - DisplacedMessages::memory;
  const auto known = std::find_if(uploaded_.begin(), uploaded_.end(), [&](const Uploaded& uploaded) {
    return uploaded.node == own.node && uploaded.since >= oldest;
  });
  auto file = find(own.node);
  const auto displaced = target ? std::nullopt : displaced_.find(own.message.mailbox, name);
  const bool fresh = file ? file->own && file->original && !file->dirty : known != uploaded_.end();
  if (!fresh || (!target && !displaced)) return reply(false);
  if (!file) file = reopen(*known, own.message);
  when_idle(file, [this, file, own, name, target, displaced, reply] {
    Destination destination{own.message.mailbox, name, {}, {}, {}};
    file->displaced = displaced;
    if (displaced) inherit(*displaced, destination);
    if (target) {
      auto replaced = *target;
      refresh(replaced);
      destination.replaces = replaced.message;
      destination.flags = flags_to_give(replaced.meta.flags);
      destination.internal_date = replaced.meta.internal_date;
    }
    // Flags that a user has given to the new one are its own.
    auto present = own;
    refresh(present);
    const auto given = flags_to_give(present.meta.flags);
    if (given.to_string() != around_.settings.append_flags.to_string()) destination.flags = given;
    replace_by_own(file, destination, reply);
  });
}

/// Uploaded once more, as what it takes the place of; what it was before is of use to nobody then.
void Staging::Implementation::replace_by_own(const FilePtr& file, const Destination& destination,
                                             const Reply<bool>& reply) {
  const auto finish = [this, file, reply](Result<bool> done) {
    reply(std::move(done));
    if (file->handles.empty() && !file->busy) last_release(file);
  };
  with_content(file, [this, file, destination, finish](Result<void> ready) {
    if (!ready) return finish(fail(std::move(ready).error().while_doing("replace the message")));
    file->dirty = true;
    count(*file);
    const auto first = file->original->message;
    upload(file, destination, [this, file, destination, first, finish](Result<sync::Arrival> arrived) {
      if (!arrived) {
        if (file->has_row()) (void)around_.journal->unstage(std::exchange(file->row.id, {}));
        file->dirty = false;
        file->displaced.reset();
        return finish(fail(std::move(arrived).error().while_doing("replace the message")));
      }
      around_.entries.rename(file->node, destination.mailbox, destination.name);
      // By the policy, and for good where the server can (UIDPLUS).
      const auto ignored = [](const Result<sync::ChangeId>&) {};
      around_.account.remove_message({first, {}}, {ignored, {}});
      around_.account.expunge_message({first, {}}, {ignored, {}});
      finish(true);
    });
  });
}

}  // namespace imapfs::vfs

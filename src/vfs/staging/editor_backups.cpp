#include "vfs/staging/editor_backups.hpp"

#include <memory>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/vfs/node_id.hpp"

namespace imapfs::vfs {

namespace {

/// A file that holds what the message holds. Its node is known when it is kept.
StagedFilePtr backup_of(const DisplacedMessage& displaced) {
  auto backup = std::make_shared<StagedFile>();
  backup->generation = displaced.generation;
  backup->mailbox = displaced.message.mailbox;
  backup->name = displaced.backup;
  backup->own = true;
  backup->source = displaced.message;
  backup->source_size = displaced.meta.size;
  return backup;
}

LocalEntry entry_of_backup(const StagedFile& backup) {
  LocalEntry entry;
  entry.kind = LocalEntry::Kind::staged;
  entry.node = backup.node;
  entry.generation = backup.generation;
  entry.mailbox = backup.mailbox;
  entry.name = backup.name;
  return entry;
}

}  // namespace

void EditorBackups::fetch(const StagedFile& file, const UploadDestination& destination,
                          const Completion<StagedFilePtr>& then) const {
  const auto& displaced = file.displaced;
  if (!displaced || displaced->backup.empty() || !(destination.replaces == displaced->message)) {
    return then(StagedFilePtr());
  }
  const auto backup = backup_of(*displaced);
  use_.loader.fetch(backup, [this, backup, then](Result<void> fetched) {
    if (fetched) return then(backup);
    telemetry::warning("{} stays a message on the server: {}", telemetry::printable(use_.places.path_of(*backup)),
                       telemetry::printable(fetched.error().what));
    then(fail(std::move(fetched).error()));
  });
}

void EditorBackups::keep(const StagedFilePtr& backup, const DisplacedMessage& displaced,
                         const UploadDestination& successor) const {
  const bool open = use_.files.find(displaced.node) != nullptr;
  backup->node = open ? staged_node(static_cast<std::uint32_t>(backup->row.id.value)) : displaced.node;
  backup->dirty = true;
  backup->row.flags = successor.flags;
  backup->row.internal_date = displaced.meta.internal_date;
  backup->changed = Timestamp{displaced.meta.internal_date, 0};
  backup->close_content();
  use_.entries.remove(displaced.node);
  use_.aliases.stand_alone(backup->node);
  if (!use_.entries.add(entry_of_backup(*backup))) return use_.files.drop(backup);
  use_.files.add(backup);
  if (auto kept = use_.outbox.set_state(backup->row, Outbox::State::local); !kept) {
    telemetry::warning("{} would be in the outbox after a restart: {}",
                       telemetry::printable(use_.places.path_of(*backup)), kept.error().what);
  }
  if (open) use_.kernel.name_removed(backup->mailbox, backup->name, displaced.node);
}

}  // namespace imapfs::vfs

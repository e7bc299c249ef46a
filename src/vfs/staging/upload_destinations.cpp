#include "vfs/staging/upload_destinations.hpp"

#include <cerrno>
#include <utility>

namespace imapfs::vfs {

FlagSet UploadDestinations::flags_to_give(FlagSet flags) {
  flags.remove("\\Recent");
  flags.remove("\\Deleted");
  return flags;
}

UploadDestination UploadDestinations::of(StagedFile& file) const {
  UploadDestination destination{file.mailbox, file.name, {}, file.row.flags, file.row.internal_date};
  if (!file.original && file.displaced) inherit(*file.displaced, destination);
  if (file.flags_given) destination.flags = file.row.flags;
  if (file.original) {
    use_.originals.refresh(*file.original);
    file.mailbox = file.original->message.mailbox;
    file.name = file.original->meta.file_name;
    destination = {file.mailbox, file.name, file.original->message, flags_to_give(file.original->meta.flags),
                   file.original->meta.internal_date};
  }
  if (file.replaced && !file.original) {
    use_.originals.refresh(*file.replaced);
    destination.replaces = file.replaced->message;
  }
  if (file.time) destination.internal_date = file.time->seconds;
  return destination;
}

void UploadDestinations::inherit(const DisplacedMessage& displaced, UploadDestination& destination) const {
  OriginalMessage former{displaced.node, displaced.generation, displaced.message, displaced.meta};
  use_.originals.refresh(former);
  destination.flags = flags_to_give(former.meta.flags);
  destination.internal_date = displaced.meta.internal_date;
  if (is_still_backup(displaced)) destination.replaces = displaced.message;
}

bool UploadDestinations::is_still_backup(const DisplacedMessage& displaced) const {
  if (displaced.backup.empty()) return false;
  const auto mailbox = displaced.message.mailbox;
  if (const auto entry = use_.entries.find(mailbox, displaced.backup)) {
    return entry->kind == LocalEntry::Kind::arrived && entry->message == displaced.message;
  }
  const auto table = use_.mailboxes.table(mailbox);
  if (!table || table->uid_validity() != displaced.message.uid_validity) return false;
  const auto meta = table->find_by_name(displaced.backup);
  return meta && meta->uid == displaced.message.uid;
}

void UploadDestinations::with_present_flags(const UploadDestination& destination,
                                            const Completion<UploadDestination>& then) const {
  const auto& replaced = destination.replaces;
  const auto table = use_.mailboxes.table(replaced.mailbox);
  const bool elsewhere = !table || table->uid_validity() != replaced.uid_validity;
  if (replaced.uid.value == 0 || elsewhere || table->find(replaced.uid)) return then(destination);
  use_.mailboxes.find_message(replaced.mailbox, replaced.uid,
                              use_.thread.completion<MessageMeta>([destination, then](const Result<MessageMeta>& meta) {
                                auto present = destination;
                                if (meta) present.flags = flags_to_give(meta->flags);
                                // One that is gone leaves the flags that it had.
                                if (!meta && meta.error().errnum != ENOENT) return then(fail(meta.error()));
                                then(std::move(present));
                              }));
}

}  // namespace imapfs::vfs

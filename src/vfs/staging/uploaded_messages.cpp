#include "vfs/staging/uploaded_messages.hpp"

#include "vfs/nodes/timestamps.hpp"

namespace imapfs::vfs {

namespace {

MessageMeta meta_of_upload(const UploadDestination& destination, std::uint64_t canonical_size,
                           const sync::Arrival& arrival) {
  MessageMeta meta;
  meta.uid = arrival.message.uid;
  meta.internal_date = destination.internal_date.value_or(whole_second_now().seconds);
  meta.size = canonical_size;
  meta.size_is_exact = true;
  meta.flags = destination.flags;
  meta.file_name = arrival.file_name.empty() ? destination.name : arrival.file_name;
  return meta;
}

}  // namespace

/// It holds nothing any more that the server does not have; the journal has forgotten it.
void UploadedMessages::clean(StagedFile& file) const {
  use_.outbox.unlist(file.row.id);
  file.row.id = {};
  file.row.state = Outbox::State::open;
  file.row.replaces = {};
  file.replaced.reset();
  file.dirty = false;
  file.reported = false;
  file.displaced.reset();
  file.reserved = 0;
  file.own = true;
  file.attempts = 0;
}

/// The server did not say where it is: it shows as news, under a name of its own.
void UploadedMessages::arrived_somewhere(StagedFile& file) const {
  use_.entries.remove(file.node);
  use_.kernel.name_removed(file);
  file.nameless = true;
  file.original.reset();
  use_.shown.show(file);
}

void UploadedMessages::arrived(const StagedFilePtr& file, const UploadDestination& destination,
                               std::uint64_t canonical_size, const sync::Arrival& arrival) const {
  clean(*file);
  use_.displaced.taken(destination.mailbox, destination.name);
  if (canonical_size != file->size()) file->recoded = true;
  if (!file->original) use_.places.place(file, destination.mailbox, destination.name);
  if (arrival.message.uid.value == 0) return arrived_somewhere(*file);
  const auto meta = meta_of_upload(destination, canonical_size, arrival);
  file->original = OriginalMessage{file->node, file->generation, arrival.message, meta};
  file->source = arrival.message;
  file->source_size = canonical_size;
  file->body.reset();
  file->time.reset();
  file->changed = Timestamp{meta.internal_date, 0};
  show_entry(*file, destination);
  use_.entries.arrived(file->node, file->generation, arrival.message);
  use_.shown.show(*file);
}

/// Until its row has come the name must not be missing.
void UploadedMessages::show_entry(const StagedFile& file, const UploadDestination& destination) const {
  LocalEntry entry;
  entry.kind = LocalEntry::Kind::arrived;
  entry.node = file.node;
  entry.generation = file.generation;
  entry.mailbox = destination.mailbox;
  entry.name = destination.name;
  entry.meta = file.original->meta;
  entry.message = file.original->message;
  const auto table = use_.mailboxes.table(destination.mailbox);
  const bool listed = table && table->find(entry.message.uid);
  if (!use_.entries.update(entry) && !listed) use_.entries.add(entry);
}

}  // namespace imapfs::vfs

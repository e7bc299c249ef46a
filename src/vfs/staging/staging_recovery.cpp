#include "vfs/staging/staging_recovery.hpp"

#include <cerrno>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/vfs/node_id.hpp"

namespace imapfs::vfs {

namespace {

/// Added to a change's id: no staged file ever has such a number.
constexpr std::uint32_t pending_nodes = 0x80000000U;

std::optional<MailboxId> mailbox_called(const sync::MailboxTree& tree, const std::string& server_name) {
  for (const auto& [id, node] : tree.nodes()) {
    if (node.selectable && node.name == server_name) return id;
  }
  return std::nullopt;
}

/// The message in whose place the file was renamed or written.
std::optional<OriginalMessage> replaced_by(const sync::MailboxTree& tree, const Outbox::Row& row) {
  const auto mailbox = row.replaces.uid.value != 0 ? mailbox_called(tree, row.replaces.mailbox) : std::nullopt;
  if (!mailbox) return std::nullopt;
  OriginalMessage replaced;
  replaced.node = message_node(*mailbox, row.replaces.uid);
  replaced.message = {*mailbox, row.replaces.uid_validity, row.replaces.uid};
  replaced.meta.uid = row.replaces.uid;
  replaced.meta.flags = row.flags;
  return replaced;
}

/// The kernel has no node for it yet.
LocalEntry entry_of_arrival(const sync::PendingArrival& arrival) {
  LocalEntry entry;
  entry.kind = LocalEntry::Kind::pending;
  entry.node = staged_node(pending_nodes | static_cast<std::uint32_t>(arrival.change.value));
  entry.mailbox = arrival.target.mailbox;
  entry.name = arrival.target.file_name;
  entry.meta = arrival.meta;
  entry.meta.file_name = entry.name;
  entry.source = arrival.source;
  entry.change = arrival.change;
  return entry;
}

}  // namespace

void StagingRecovery::recover() const {
  auto rows = use_.outbox.rows();
  if (!rows) {
    return telemetry::warning("files that an earlier process staged are not seen: {}", rows.error().what);
  }
  const auto pending = recover_pending();
  use_.directories.recover(*rows);
  for (const auto& row : *rows) recover_file(row, pending);
}

/// What the account carries on with; those that are uploads are for the files to wait for.
StagingRecovery::PendingUploads StagingRecovery::recover_pending() const {
  PendingUploads uploads;
  for (const auto& arrival : use_.account.changes().pending_arrivals()) {
    if (arrival.staged.value != 0) {
      uploads[arrival.staged] = arrival.change;
    } else {
      await_arrival(arrival);
    }
  }
  return uploads;
}

/// A move or copy of an earlier process.
void StagingRecovery::await_arrival(const sync::PendingArrival& arrival) const {
  const auto entry = entry_of_arrival(arrival);
  // Without a name of its own it has none before it is there.
  if (entry.name.empty() || !use_.entries.add(entry)) return;
  use_.account.changes().await_change(
      arrival.change, use_.thread.completion<sync::Arrival>(
                          [this, entry](const Result<sync::Arrival>& there) { arrived(entry, there); }));
}

void StagingRecovery::arrived(const LocalEntry& entry, const Result<sync::Arrival>& arrived) const {
  if (!arrived || arrived->message.uid.value == 0) {
    if (use_.entries.remove_pending(entry.node, entry.change)) {
      use_.kernel.name_removed(entry.mailbox, entry.name, entry.node);
    }
    return;
  }
  auto there = use_.entries.find(entry.node);
  if (there && there->change == entry.change) {
    there->meta.uid = arrived->message.uid;
    use_.entries.update(*there);
  }
  use_.entries.arrived(entry.node, entry.generation, arrived->message, entry.change);
}

/// Null if it cannot be read, or is empty and so of use to nobody.
StagedFilePtr StagingRecovery::load(const Outbox::Row& row) const {
  auto file = std::make_shared<StagedFile>();
  file->row = row;
  file->node = staged_node(static_cast<std::uint32_t>(row.id.value));
  // One that this process has made since.
  if (use_.files.find(file->node)) return nullptr;
  if (auto there = use_.loader.open(*file); !there) {
    telemetry::warning("a staged file of an earlier process cannot be read: {}", there.error().what);
    return nullptr;
  }
  if (file->size() == 0) {
    use_.files.drop(file);
    return nullptr;
  }
  file->name = row.name;
  file->dirty = true;
  file->changed = Timestamp{row.changed_at, 0};
  if (row.internal_date) file->time = Timestamp{*row.internal_date, 0};
  use_.limits.count(*file);
  file->close_content();
  return file;
}

void StagingRecovery::recover_file(const Outbox::Row& row, const PendingUploads& pending) const {
  const auto file = load(row);
  if (!file) return;
  const auto mailbox = mailbox_called(*use_.account.mailboxes().tree(), row.mailbox);
  file->mailbox = mailbox.value_or(MailboxId{0});
  use_.files.add(file);

  if (FilePlaces::is_in_directory(row) && place_in_directory(file)) return;
  const auto change = pending.find(row.id);
  if (mailbox && change != pending.end()) return await_upload(file, change->second);
  if (row.state == Outbox::State::local && mailbox) return use_.places.place(file, *mailbox, file->name);
  if (row.state == Outbox::State::queued && mailbox) return queue(file);
  to_outbox(*file, mailbox.has_value());
}

bool StagingRecovery::place_in_directory(const StagedFilePtr& file) const {
  const auto found = use_.places.find(file->row);
  if (found && is_local_directory(found->first) && !use_.entries.find(found->first, found->second)) {
    use_.places.place(file, found->first, found->second);
    use_.shown.show(*file);
    return true;
  }
  file->row.name.erase(0, file->row.name.rfind('/') + 1);
  file->name = file->row.name;
  return false;
}

void StagingRecovery::queue(const StagedFilePtr& file) const {
  file->named = true;
  use_.places.place(file, file->mailbox, file->name);
  file->replaced = replaced_by(*use_.account.mailboxes().tree(), file->row);
  use_.queue.attempt(file);
}

void StagingRecovery::to_outbox(StagedFile& file, bool has_mailbox) const {
  const bool refused = file.row.state == Outbox::State::refused;
  std::string reason = file.row.reason;
  if (!refused) {
    reason = has_mailbox || file.row.mailbox.empty() ? "imapfs ended before the file was complete"
                                                     : "the mailbox " + file.row.mailbox + " is not there any more";
  }
  use_.refused.list(file, reason);
  if (refused) return;
  telemetry::warning("{} of an earlier run was not uploaded: it is in .imapfs/outbox",
                     telemetry::printable(use_.places.path_of(file)));
  if (auto kept = use_.outbox.set_state(file.row, Outbox::State::refused, reason); !kept) {
    telemetry::warning("the journal does not know that it is in the outbox: {}", kept.error().what);
  }
}

/// The account carries on with an upload that an earlier process had begun.
void StagingRecovery::await_upload(const StagedFilePtr& file, sync::ChangeId change) const {
  use_.places.place(file, file->mailbox, file->name);
  file->busy = true;
  use_.shown.show(*file);
  use_.account.changes().await_change(
      change, use_.thread.completion<sync::Arrival>(
                  [this, file](const Result<sync::Arrival>& arrived) { upload_ended(file, arrived); }));
}

void StagingRecovery::upload_ended(const StagedFilePtr& file, const Result<sync::Arrival>& arrived) const {
  // The server was asked and does not have it. Nobody is there to be told, and it was promised.
  const bool promised = file->row.state == Outbox::State::queued;
  if (!arrived && promised && arrived.error().errnum == EINTR) {
    use_.files.go_on(file);
    return use_.queue.attempt(file);
  }
  const UploadDestination destination{file->mailbox, file->name, {}, file->row.flags, file->row.internal_date};
  if (arrived) {
    use_.uploaded.arrived(file, destination, file->size(), *arrived);
    file->recoded = true;
  } else {
    use_.refused.report(*file, destination, arrived.error());
  }
  use_.files.go_on(file);
  use_.waiters.check();
}

}  // namespace imapfs::vfs

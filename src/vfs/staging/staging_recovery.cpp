// What an earlier process left in the staging directory.

#include <map>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/vfs/node_id.hpp"
#include "vfs/staging/staging_implementation.hpp"

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
std::optional<Staging::Original> replaced_by(const sync::MailboxTree& tree, const store::StagedFile& row) {
  const auto mailbox = row.replaces.uid.value != 0 ? mailbox_called(tree, row.replaces.mailbox) : std::nullopt;
  if (!mailbox) return std::nullopt;
  Staging::Original replaced;
  replaced.node = message_node(*mailbox, row.replaces.uid);
  replaced.message = {*mailbox, row.replaces.uid_validity, row.replaces.uid};
  replaced.meta.uid = row.replaces.uid;
  replaced.meta.flags = row.flags;
  return replaced;
}

}  // namespace

/// A move or copy of an earlier process that the account carries on with. The kernel has no node for it yet.
void Staging::Implementation::await_arrival(const sync::PendingArrival& arrival) {
  LocalEntry entry;
  entry.kind = LocalEntry::Kind::pending;
  entry.node = staged_node(pending_nodes | static_cast<std::uint32_t>(arrival.change.value));
  entry.mailbox = arrival.target.mailbox;
  entry.name = arrival.target.file_name;
  entry.meta = arrival.meta;
  entry.meta.file_name = entry.name;
  entry.source = arrival.source;
  entry.change = arrival.change;
  // Without a name of its own it has none before it is there.
  if (entry.name.empty() || !around_.entries.add(entry)) return;
  around_.account.await_change(arrival.change, on_thread<sync::Arrival>([this, entry](Result<sync::Arrival> arrived) {
                                 if (arrived && arrived->message.uid.value != 0) {
                                   auto there = around_.entries.find(entry.node);
                                   if (there && there->change == entry.change) {
                                     there->meta.uid = arrived->message.uid;
                                     around_.entries.update(*there);
                                   }
                                   return around_.entries.arrived(entry.node, entry.generation, arrived->message,
                                                                  entry.change);
                                 }
                                 if (around_.entries.remove_pending(entry.node, entry.change)) {
                                   around_.publisher.kernel().name_gone(entry.mailbox, entry.name, entry.node);
                                 }
                               }));
}

void Staging::Implementation::recover() {
  auto rows = around_.journal->staged();
  if (!rows) {
    return telemetry::warning("files that an earlier process staged are not seen: {}", rows.error().what);
  }
  std::map<store::StagedId, sync::ChangeId> pending;
  for (const auto& arrival : around_.account.pending_arrivals()) {
    if (arrival.staged.value != 0) {
      pending[arrival.staged] = arrival.change;
    } else {
      await_arrival(arrival);
    }
  }
  recover_directories(*rows);
  for (const auto& row : *rows) recover(row, pending);
}

void Staging::Implementation::recover(const store::StagedFile& row,
                                      const std::map<store::StagedId, sync::ChangeId>& pending) {
  using State = store::StagedFile::State;
  auto file = std::make_shared<File>();
  file->row = row;
  file->node = staged_node(static_cast<std::uint32_t>(row.id.value));
  // One that this process has made since.
  if (find(file->node)) return;
  if (auto there = open_content(*file); !there) {
    return telemetry::warning("a staged file of an earlier process cannot be read: {}", there.error().what);
  }
  if (file->size() == 0) return drop(file);
  const auto mailbox = mailbox_called(*around_.account.tree(), row.mailbox);
  file->mailbox = mailbox.value_or(MailboxId{0});
  file->name = row.name;
  file->dirty = true;
  file->changed = Timestamp{row.changed_at, 0};
  if (row.internal_date) file->time = Timestamp{*row.internal_date, 0};
  count(*file);
  file->source_size = file->size();
  file->content.reset();
  files_[file->node] = file;
  show(*file);

  if (is_in_directory(row) && recover_in_directory(file)) return;
  const auto change = pending.find(row.id);
  if (mailbox && change != pending.end()) return await_upload(file, change->second);
  if (row.state == State::local && mailbox) return place(file, *mailbox, row.name);
  if (row.state == State::queued && mailbox) {
    file->named = true;
    place(file, *mailbox, row.name);
    file->replaced = replaced_by(*around_.account.tree(), row);
    return try_queued(file);
  }
  std::string reason = row.reason;
  if (row.state != State::refused) {
    reason = mailbox || row.mailbox.empty() ? "imapfs ended before the file was complete"
                                            : "the mailbox " + row.mailbox + " is not there any more";
  }
  list_in_outbox(*file, reason);
  if (row.state == State::refused) return;
  telemetry::warning("{} of an earlier run was not uploaded: it is in .imapfs/outbox",
                     telemetry::printable(path_of(*file)));
  if (auto kept = set_state(*file, State::refused, reason); !kept) {
    telemetry::warning("the journal does not know that it is in the outbox: {}", kept.error().what);
  }
}

/// The account carries on with an upload that an earlier process had begun.
void Staging::Implementation::await_upload(const FilePtr& file, sync::ChangeId change) {
  place(file, file->mailbox, file->name);
  file->busy = true;
  show(*file);
  around_.account.await_change(
      change, on_thread<sync::Arrival>([this, file](Result<sync::Arrival> arrived) {
        // The server was asked and does not have it. Nobody is there to be told, and it was promised.
        const bool promised = file->row.state == store::StagedFile::State::queued;
        if (!arrived && promised && arrived.error().errnum == EINTR) {
          go_on(file);
          return try_queued(file);
        }
        const Destination destination{file->mailbox, file->name, {}, file->row.flags, file->row.internal_date};
        if (arrived) {
          sync::Upload upload;
          upload.canonical_size = file->size();
          uploaded(file, destination, upload, *arrived);
          file->recoded = true;
        } else {
          report_failure(file, destination, arrived.error());
        }
        go_on(file);
        check_settled();
      }));
}

}  // namespace imapfs::vfs

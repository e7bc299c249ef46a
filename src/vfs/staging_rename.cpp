// Renaming and removing of staged files.

#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/vfs/node_tree.hpp"
#include "staging_implementation.hpp"

namespace imapfs::vfs {

namespace {

/// The kernel looks the names up again and comes back with what the file is by now.
Error a_message_by_now() { return Error{ESTALE, Scope::message, Retry::now, "the file is on the server by now"}; }

}  // namespace

void Staging::Implementation::rename(NodeId node, MailboxId mailbox, const std::string& name,
                                     const std::optional<Original>& replaces, const Reply<void>& reply) {
  const auto file = find(node);
  if (!file) return reply(fail(a_message_by_now()));
  when_idle(file, [this, file, mailbox, name, replaces, reply] { rename_idle(file, mailbox, name, replaces, reply); });
}

void Staging::Implementation::rename_idle(const FilePtr& file, MailboxId mailbox, const std::string& name,
                                          const std::optional<Original>& replaces, const Reply<void>& reply) {
  if (file->original && !file->dirty) return reply(fail(a_message_by_now()));
  if (auto allowed = check_rights(mailbox, replaces.has_value()); !allowed) {
    return reply(fail(std::move(allowed).error()));
  }
  const bool replaces_message = replaces && replaces->message.uid.value != 0;
  if (file->size() == 0 && replaces_message) {
    return reply(fail(EINVAL, Scope::message, Retry::never, "an empty file cannot take the place of a message"));
  }
  if (file->size() == 0 || (is_temporary_name(name) && !replaces_message)) {
    return reply(rename_only(file, mailbox, name));
  }
  if (file->failed) return reply(fail(*file->failed));
  const auto before = std::exchange(file->displaced, std::nullopt);
  if (!replaces_message) file->displaced = displaced_.find(mailbox, name);
  auto destination = destination_of(*file);
  destination.mailbox = mailbox;
  destination.name = name;
  if (replaces_message) {
    auto replaced = *replaces;
    refresh(replaced);
    destination.replaces = replaced.message;
    destination.flags = replaced.meta.flags;
    destination.flags.remove("\\Recent");
    destination.flags.remove("\\Deleted");
    if (!file->time) destination.internal_date = replaced.meta.internal_date;
  }
  upload(file, destination, [this, file, destination, before, reply](Result<sync::Arrival> arrived) {
    if (arrived) return reply({});
    file->displaced = before;
    // The old name stays, in the journal too.
    if (file->has_row()) {
      file->row.mailbox = server_name(file->mailbox);
      file->row.name = file->name;
      file->row.replaces = {};
      (void)around_.journal->update(file->row);
    }
    report_failure(file, destination, arrived.error());
    reply(fail(std::move(arrived).error().while_doing("upload")));
  });
}

Result<void> Staging::Implementation::rename_only(const FilePtr& file, MailboxId mailbox, const std::string& name) {
  auto row = file->row;
  row.mailbox = server_name(mailbox);
  row.name = name;
  row.state = store::StagedFile::State::open;
  row.reason.clear();
  IMAPFS_TRY(around_.journal->update(row));
  file->row = std::move(row);
  shown_.with_lock([&](Shown& shown) { shown.outbox.erase(file->row.id); });
  place(file, mailbox, name);
  show(*file);
  file->displaced = displaced_.find(mailbox, name);
  file->named = false;
  file->told = false;
  if (file->handles.empty()) last_release(file);
  check_settled();
  return {};
}

/// Makes it known by this name. A staged file that had it is gone.
void Staging::Implementation::place(const FilePtr& file, MailboxId mailbox, const std::string& name) {
  file->mailbox = mailbox;
  file->name = name;
  const auto present = around_.entries.find(file->node);
  if (present && present->mailbox == mailbox && present->name == name) return;
  if (!present) {
    LocalEntry entry;
    entry.kind = LocalEntry::Kind::staged;
    entry.node = file->node;
    entry.generation = file->generation;
    entry.mailbox = mailbox;
    // Taken by nobody else, or rename() below displaces whoever has it.
    entry.name = outbox_name(file->row);
    around_.entries.add(entry);
  }
  const auto displaced = around_.entries.rename(file->node, mailbox, name);
  if (!displaced || displaced->kind != LocalEntry::Kind::staged) return;
  const auto other = find(displaced->node);
  if (!other) return;
  other->nameless = true;
  if (other->handles.empty() && !other->busy) drop(other);
}

void Staging::Implementation::remove(NodeId node, const Reply<void>& reply) {
  const auto file = find(node);
  if (!file) return reply(fail(a_message_by_now()));
  when_idle(file, [this, file, reply] {
    if (file->original && !file->has_row()) return reply(fail(a_message_by_now()));
    around_.entries.remove(file->node);
    file->nameless = true;
    if (file->handles.empty()) drop(file);
    check_settled();
    reply({});
  });
}

}  // namespace imapfs::vfs

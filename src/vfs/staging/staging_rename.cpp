// Renaming and removing of staged files.

#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/vfs/node_id.hpp"
#include "vfs/staging/local_directories.hpp"
#include "vfs/staging/staging_implementation.hpp"

namespace imapfs::vfs {

namespace {

/// The kernel looks the names up again and comes back with what the file is by now.
Error a_message_by_now() { return Error{ESTALE, Scope::message, Retry::now, "the file is on the server by now"}; }

}  // namespace

void Staging::Implementation::rename(const Caller& caller, NodeId node, MailboxId mailbox, const std::string& name,
                                     const std::optional<Original>& replaces, const Reply<void>& reply) {
  const auto file = find(node);
  if (!file) return reply(fail(a_message_by_now()));
  when_idle(file, [this, caller, file, mailbox, name, replaces, reply] {
    if (!caller.waits()) return reply(fail(given_up()));
    Destination wanted;
    wanted.mailbox = mailbox;
    wanted.name = name;
    rename_idle(caller, file, wanted, replaces, reply);
  });
}

void Staging::Implementation::rename_idle(const Caller& caller, const FilePtr& file, const Destination& wanted,
                                          const std::optional<Original>& replaces, const Reply<void>& reply) {
  if (file->original && !file->dirty) return reply(fail(a_message_by_now()));
  if (auto allowed = check_rights(wanted.mailbox, replaces.has_value()); !allowed) {
    return reply(fail(std::move(allowed).error()));
  }
  const bool replaces_message = replaces && replaces->message.uid.value != 0;
  if (file->size() == 0 && replaces_message) {
    return reply(fail(EINVAL, Scope::message, Retry::never, "an empty file cannot take the place of a message"));
  }
  if (file->size() == 0 || (stays_local(wanted.mailbox, wanted.name) && !replaces_message)) {
    return reply(rename_only(file, wanted.mailbox, wanted.name));
  }
  if (file->failed) return reply(fail(*file->failed));
  // It is not whole yet: whoever writes it uploads it when he closes it.
  if (!file->original && !replaces_message && file->is_being_written()) {
    return reply(rename_only(file, wanted.mailbox, wanted.name));
  }
  file->replaced.reset();
  const auto before = std::exchange(file->displaced, std::nullopt);
  if (!replaces_message) file->displaced = displaced_.find(wanted.mailbox, wanted.name);
  auto destination = destination_of(*file);
  destination.mailbox = wanted.mailbox;
  destination.name = wanted.name;
  std::optional<Original> replaced;
  if (replaces_message) {
    replaced = replaces;
    refresh(*replaced);
    destination.replaces = replaced->message;
    if (!file->flags_given) destination.flags = flags_to_give(replaced->meta.flags);
    if (!file->time) destination.internal_date = replaced->meta.internal_date;
  }
  upload_renamed(caller,
                 std::make_shared<RenamingUpload>(RenamingUpload{file, destination, replaced, before, reply, false}));
}

void Staging::Implementation::upload_renamed(const Caller& caller, const std::shared_ptr<RenamingUpload>& renaming) {
  upload(renaming->file, renaming->destination, [this, renaming](const Result<sync::Arrival>& arrived) {
    if (renaming->answered) return queued_ended(renaming->file, renaming->destination, arrived);
    renaming->answered = true;
    renamed(*renaming, arrived);
  });
  // A new version of a message would go back to where that is if it had to be tried again.
  if (renaming->answered || renaming->file->original || caller.answer_by == Deadline::max()) return;
  later(caller.answer_by - SteadyClock::now(), [this, weak = std::weak_ptr(renaming)] {
    if (const auto waiting = weak.lock()) answer_renaming(*waiting);
  });
}

void Staging::Implementation::renamed(const RenamingUpload& renaming, const Result<sync::Arrival>& arrived) {
  const auto& file = renaming.file;
  if (arrived) {
    // Whoever still has it open to write goes on with the octets as he wrote them, until he closes it.
    if (file->handles.empty()) show_message(file);
    return renaming.reply({});
  }
  file->displaced = renaming.displaced_before;
  // The old name stays, in the journal too.
  if (file->has_row()) {
    set_place(file->row, file->mailbox, file->name);
    file->row.replaces = {};
    (void)around_.journal->update(file->row);
  }
  report_failure(file, renaming.destination, arrived.error());
  auto error = arrived.error();
  renaming.reply(fail(std::move(error).while_doing("upload")));
}

/// The upload takes too long to be waited for: from here on the file is one that was promised.
void Staging::Implementation::answer_renaming(RenamingUpload& renaming) {
  if (renaming.answered) return;
  if (auto queued = queue_renamed(renaming); !queued) {
    // Then the deadline answers, and the upload ends as one that somebody waits for.
    return telemetry::warning("{} cannot be queued: {}", telemetry::printable(path_of(*renaming.file)),
                              telemetry::printable(queued.error().what));
  }
  renaming.answered = true;
  telemetry::info("{} waits for its upload", telemetry::printable(path_of(*renaming.file)));
  renaming.reply({});
}

Result<void> Staging::Implementation::queue_renamed(const RenamingUpload& renaming) {
  auto& file = *renaming.file;
  const auto& destination = renaming.destination;
  IMAPFS_TRY(open_content(file));
  IMAPFS_TRY(file.content->sync());
  auto row = file.row;
  row.state = store::StagedFile::State::queued;
  row.mailbox = server_name(destination.mailbox);
  row.name = destination.name;
  row.flags = destination.flags;
  row.internal_date = destination.internal_date;
  if (const auto& replaced = renaming.replaced) {
    row.replaces = {server_name(replaced->message.mailbox), replaced->message.uid_validity, replaced->message.uid};
  }
  IMAPFS_TRY(around_.journal->update(row));
  IMAPFS_TRY(around_.journal->sync());
  file.row = std::move(row);
  file.attempts = 0;
  file.replaced = renaming.replaced;
  shown_.with_lock([&](Shown& shown) { shown.outbox.erase(file.row.id); });
  place(renaming.file, destination.mailbox, destination.name);
  show(file);
  return {};
}

Result<void> Staging::Implementation::rename_only(const FilePtr& file, MailboxId mailbox, const std::string& name) {
  auto row = file->row;
  set_place(row, mailbox, name);
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

void Staging::Implementation::remove(const Caller& caller, NodeId node, const Reply<void>& reply) {
  const auto file = find(node);
  if (!file) return reply(fail(a_message_by_now()));
  when_idle(file, [this, caller, file, reply] {
    if (!caller.waits()) return reply(fail(given_up()));
    if (file->original && !file->has_row()) return reply(fail(a_message_by_now()));
    around_.entries.remove(file->node);
    file->nameless = true;
    if (file->handles.empty()) drop(file);
    check_settled();
    reply({});
  });
}

}  // namespace imapfs::vfs

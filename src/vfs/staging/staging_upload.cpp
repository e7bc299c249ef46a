// From a written file to a message on the server.

#include <fmt/format.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/vfs/node_id.hpp"
#include "vfs/staging/local_directories.hpp"
#include "vfs/staging/staging_implementation.hpp"
#include "vfs/staging/staging_inspection.hpp"

namespace imapfs::vfs {

/// Of the old version or of the message that is replaced: what the new one gets.
FlagSet Staging::Implementation::flags_to_give(FlagSet flags) {
  flags.remove("\\Recent");
  flags.remove("\\Deleted");
  return flags;
}

void Staging::Implementation::flush(const Caller& caller, NodeId node, HandleId handle, const Reply<void>& reply) {
  const auto file = find(node);
  if (!file) return reply({});
  const auto open = file->handles.find(handle);
  if (open != file->handles.end()) {
    if (!open->second.writes) return reply({});
    const pid_t opener = open->second.process;
    // A child that inherited the descriptor ends; who opened it may still be writing.
    if (opener != 0 && caller.process != 0 && caller.process != opener) return reply({});
    if (!caller.killed) open->second.flushed = true;
  }
  if (caller.killed) {
    if (is_others_work(*file, handle)) return reply({});
    // Its last call may still be on its way: it waits for octets of the message, and nobody waits for it any more.
    when_idle(file, [this, file] {
      if (file->dirty)
        file->failed = Error{ECANCELED, Scope::message, Retry::never,
                             "the program that wrote it was killed: it may be a part"};
      else show_message(file);
    });
    return reply({});
  }
  // A flush of a clean handle never fails: nobody expects close(2) to do so.
  if (!file->dirty && !file->failed) {
    show_message(file);
    return reply({});
  }
  when_idle(file, [this, file, handle, reply] {
    if (expects_more(*file, handle)) return reply({});
    upload_for(file, [this, file, reply](Result<void> uploaded) {
      if (uploaded) show_message(file);
      reply(std::move(uploaded));
    });
  });
}

void Staging::Implementation::fsync(NodeId node, const Reply<void>& reply) {
  const auto file = find(node);
  if (!file || (!file->dirty && !file->failed)) return reply({});
  if (file->failed || (!has_temporary_name(*file) && !file->nameless)) return upload_for(file, reply);
  when_idle(file, [this, file, reply] {
    auto durable = open_content(*file);
    if (durable) durable = file->content->sync();
    if (durable) durable = around_.journal->sync();
    reply(std::move(durable));
  });
}

/// Somebody waits for the server's word.
void Staging::Implementation::upload_for(const FilePtr& file, const Reply<void>& reply) {
  when_idle(file, [this, file, reply] {
    if (file->failed) {
      const auto error = *file->failed;
      report_partial(file);
      return reply(fail(error));
    }
    judge_name(*file);
    if (!file->dirty || file->nameless || file->size() == 0 || has_temporary_name(*file)) return reply({});
    follow_message(file, [this, file, reply](Result<void> found) {
      const auto destination = destination_of(*file);
      const auto ended = [this, file, destination, reply](Result<sync::Arrival> arrived) {
        if (arrived) return reply({});
        report_failure(file, destination, arrived.error());
        reply(fail(std::move(arrived).error().while_doing("upload")));
      };
      if (!found) return ended(fail(std::move(found).error()));
      upload(file, destination, ended);
    });
  });
}

/// A part of what was to be written is wanted by nobody: it goes where files go that the server refuses.
void Staging::Implementation::report_partial(const FilePtr& file) {
  if (file->nameless || file->reported || !file->dirty || file->size() == 0) return;
  report_failure(file, destination_of(*file), *file->failed);
  fail_settling(file->node, *file->failed);
}

/// What the message is by now: flags may have been set and names given since it was opened.
void Staging::Implementation::refresh(Original& original) const {
  if (const auto moved = around_.aliases.message_of(original.node)) original.message = *moved;
  const auto table = around_.account.table(original.message.mailbox);
  if (!table || table->uid_validity() != original.message.uid_validity) return;
  if (const auto meta = table->find(original.message.uid)) original.meta = *meta;
}

Staging::Implementation::Destination Staging::Implementation::destination_of(File& file) const {
  Destination destination{file.mailbox, file.name, {}, file.row.flags, file.row.internal_date};
  if (!file.original && file.displaced) inherit(*file.displaced, destination);
  if (file.flags_given) destination.flags = file.row.flags;
  if (file.original) {
    refresh(*file.original);
    file.mailbox = file.original->message.mailbox;
    file.name = file.original->meta.file_name;
    destination = {file.mailbox, file.name, file.original->message, flags_to_give(file.original->meta.flags),
                   file.original->meta.internal_date};
  }
  if (file.replaced && !file.original) {
    refresh(*file.replaced);
    destination.replaces = file.replaced->message;
  }
  if (file.time) destination.internal_date = file.time->seconds;
  return destination;
}

/// Looks at the file and brings its row up to date.
Result<sync::Upload> Staging::Implementation::prepare(File& file, const Destination& destination) {
  IMAPFS_TRY(open_content(file));
  if (auto missing = missing_octets(file)) return fail(std::move(*missing));
  const auto inspected = IMAPFS_TRY(inspect(*file.content));
  const auto limit = around_.account.append_limit();
  if (limit && inspected.canonical_size > *limit) {
    return fail(EFBIG, Scope::message, Retry::never, "{} octets with CRLF line ends, the server takes at most {}",
                inspected.canonical_size, *limit);
  }
  auto row = file.row;
  if (row.state != store::StagedFile::State::queued) row.state = store::StagedFile::State::open;
  row.mailbox = server_name(destination.mailbox);
  row.name = destination.name;
  row.flags = destination.flags;
  row.internal_date = destination.internal_date;
  row.replaces = {};
  if (destination.replaces.uid.value != 0) {
    row.replaces = {server_name(destination.replaces.mailbox), destination.replaces.uid_validity,
                    destination.replaces.uid};
  }
  row.changed_at = file.changed.seconds;
  IMAPFS_TRY(around_.journal->update(row));
  file.row = std::move(row);
  return sync::Upload{file.row.id,
                      {destination.mailbox, destination.name, destination.replaces},
                      destination.flags,
                      destination.internal_date,
                      inspected.canonical_size,
                      inspected.message_id};
}

void Staging::Implementation::upload(const FilePtr& file, const Destination& destination,
                                     const Completion<sync::Arrival>& done) {
  file->busy = true;
  const auto finish = [this, file, done](Result<sync::Arrival> arrived) {
    done(std::move(arrived));
    go_on(file);
    check_settled();
  };
  with_present_flags(destination, [this, file, finish](Result<Destination> present) {
    if (!present) return finish(fail(std::move(present).error()));
    with_backup(file, *present, [this, file, finish, destination = *present](Result<FilePtr> backup) mutable {
      // Without a copy of its own the backup stays the message that it is.
      if (!backup) destination.replaces = {};
      upload_to(file, destination, backup ? *backup : nullptr, finish);
    });
  });
}

void Staging::Implementation::upload_to(const FilePtr& file, const Destination& destination, const FilePtr& backup,
                                        const Completion<sync::Arrival>& finish) {
  auto prepared = prepare(*file, destination);
  if (!prepared) {
    if (backup) drop(backup);
    return finish(fail(std::move(prepared).error()));
  }
  around_.account.upload(*prepared, on_thread<sync::Arrival>([this, file, destination, backup, upload = *prepared,
                                                              finish](Result<sync::Arrival> arrived) {
    if (backup && arrived) keep_backup(backup, *file->displaced, destination);
    if (backup && !arrived) drop(backup);
    if (arrived) uploaded(file, destination, upload, *arrived);
    finish(std::move(arrived));
  }));
}

/// The table of a mailbox that was never listed does not know the message: then the account is asked, for what was
/// known when it was opened or uploaded may lack flags that were set since.
void Staging::Implementation::with_present_flags(const Destination& destination, const Completion<Destination>& then) {
  const auto& replaced = destination.replaces;
  const auto table = around_.account.table(replaced.mailbox);
  const bool elsewhere = !table || table->uid_validity() != replaced.uid_validity;
  if (replaced.uid.value == 0 || elsewhere || table->find(replaced.uid)) return then(destination);
  around_.account.find_message(replaced.mailbox, replaced.uid,
                               on_thread<MessageMeta>([destination, then](const Result<MessageMeta>& meta) {
                                 auto present = destination;
                                 if (meta) present.flags = flags_to_give(meta->flags);
                                 // One that is gone leaves the flags that it had.
                                 if (!meta && meta.error().errnum != ENOENT) return then(fail(meta.error()));
                                 then(std::move(present));
                               }));
}

/// The node stands for the new message from here on; the octets stay for those who have the file open.
void Staging::Implementation::uploaded(const FilePtr& file, const Destination& destination, const sync::Upload& upload,
                                       const sync::Arrival& arrival) {
  shown_.with_lock([&](Shown& shown) { shown.outbox.erase(file->row.id); });
  file->row.id = {};
  file->row.state = store::StagedFile::State::open;
  file->row.replaces = {};
  file->replaced.reset();
  file->dirty = false;
  file->reported = false;
  file->displaced.reset();
  displaced_.taken(destination.mailbox, destination.name);
  file->reserved = 0;
  file->own = true;
  file->attempts = 0;
  if (upload.canonical_size != file->size()) file->recoded = true;
  if (!file->original) place(file, destination.mailbox, destination.name);
  if (arrival.message.uid.value == 0) {
    // The server did not say where it is: it shows as news, under a name of its own.
    around_.entries.remove(file->node);
    name_removed(*file);
    file->nameless = true;
    file->original.reset();
    return show(*file);
  }
  MessageMeta meta;
  meta.uid = arrival.message.uid;
  meta.internal_date = destination.internal_date.value_or(now().seconds);
  meta.size = upload.canonical_size;
  meta.size_is_exact = true;
  meta.flags = destination.flags;
  meta.file_name = arrival.file_name.empty() ? destination.name : arrival.file_name;
  file->original = Original{file->node, file->generation, arrival.message, meta};
  file->source = arrival.message;
  file->source_size = upload.canonical_size;
  file->body.reset();
  file->time.reset();
  file->changed = Timestamp{meta.internal_date, 0};
  LocalEntry entry;
  entry.kind = LocalEntry::Kind::arrived;
  entry.node = file->node;
  entry.generation = file->generation;
  entry.mailbox = destination.mailbox;
  entry.name = destination.name;
  entry.meta = meta;
  entry.message = arrival.message;
  // Until its row has come the name must not be missing.
  const auto table = around_.account.table(destination.mailbox);
  const bool listed = table && table->find(arrival.message.uid);
  if (!around_.entries.update(entry) && !listed) around_.entries.add(entry);
  around_.entries.arrived(file->node, file->generation, arrival.message);
  show(*file);
}

Result<void> Staging::Implementation::set_state(File& file, store::StagedFile::State state, const std::string& reason) {
  auto row = file.row;
  row.state = state;
  row.reason = reason;
  IMAPFS_TRY(around_.journal->update(row));
  file.row = std::move(row);
  return {};
}

std::string Staging::Implementation::outbox_name(const store::StagedFile& row) {
  return fmt::format("{}-{}", row.id.value, row.name);
}

void Staging::Implementation::list_in_outbox(const File& file, const std::string& reason) {
  OutboxEntry entry;
  entry.node = staged_node(static_cast<std::uint32_t>(file.row.id.value));
  entry.name = outbox_name(file.row);
  entry.mailbox = file.mailbox;
  entry.status = {file.size(), file.time.value_or(file.changed)};
  entry.reason = reason;
  shown_.with_lock([&](Shown& shown) { shown.outbox[file.row.id] = entry; });
}

/// The user learns of it here, from whoever waited, and from the outbox.
void Staging::Implementation::report_failure(const FilePtr& file, const Destination& destination, const Error& error) {
  file->reported = true;
  const auto tree = around_.account.tree();
  const auto* mailbox = tree->find(destination.mailbox);
  const auto path = fmt::format("{}/{}", mailbox ? mailbox->path : file->row.mailbox, destination.name);
  nlohmann::json event = {{"event", "upload-refused"},
                          {"path", path},
                          {"name", destination.name},
                          {"reason", telemetry::printable(error.what)}};
  // What a tool will try again under its temporary name, or give up and remove, is no matter for the outbox.
  if (file->has_row() && !has_temporary_name(*file)) {
    if (auto kept = set_state(*file, store::StagedFile::State::refused, error.what); !kept) {
      telemetry::warning("the journal does not know that {} was refused: {}", telemetry::printable(path),
                         kept.error().what);
    }
    list_in_outbox(*file, error.what);
    event["outbox"] = outbox_name(file->row);
  }
  telemetry::warning("{} was not uploaded: {}", telemetry::printable(path), telemetry::printable(error.what, 1000));
  around_.publisher.events().append(event);
}

}  // namespace imapfs::vfs

// Operations on files: opening, reading, writing. Their attributes are in filesystem_attributes.cpp.

#include <fcntl.h>
#include <linux/falloc.h>

#include <utility>

#include "imapfs/sync/errors.hpp"
#include "imapfs/vfs/filesystem.hpp"
#include "vfs/operations/filesystem_views.hpp"
#include "vfs/staging/local_directories.hpp"

namespace imapfs::vfs {

namespace {

bool may_change_it(int flags) { return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0; }

/// A message or a file that becomes one.
bool is_mail(NodeId node) {
  const auto meaning = decode_node(node);
  return meaning && (meaning->kind == NodeKind::message || meaning->kind == NodeKind::staged);
}

Error not_writable() { return Error{EACCES, Scope::request, Retry::never, "this file cannot be written"}; }

}  // namespace

/// The message that a node stands for, as something to be changed or copied. One that is on its way is waited for.
void Filesystem::original(NodeId node, Completion<Message> done) {
  const auto local = views_->entries.find(node);
  if (local && local->kind == LocalEntry::Kind::pending) {
    return account_.await_change(
        local->change, [this, node, pending = *local, done = std::move(done)](const Result<sync::Arrival>& arrival) {
          if (arrival && arrival->message.uid.value != 0) {
            views_->entries.arrived(node, pending.generation, arrival->message, pending.change);
          }
          const auto now = views_->entries.find(node);
          if (now && now->kind == LocalEntry::Kind::pending) {
            return done(fail(EBUSY, Scope::message, Retry::later, "the message is still on its way here"));
          }
          original(node, done);
        });
  }
  const auto meaning = meaning_of(node);
  const auto table = meaning ? account_.table(meaning->mailbox) : nullptr;
  if (!table || meaning->kind != NodeKind::message || meaning->index == 0) {
    return done(fail(ESTALE, Scope::message, Retry::never, "no such message"));
  }
  Message original;
  original.node = node;
  original.message = {meaning->mailbox, table->uid_validity(), meaning->uid()};
  const auto kernel = views_->entries.node_of(original.message);
  original.generation = kernel ? kernel->generation : original.message.uid_validity.value;
  if (original.generation == 0) original.generation = 1;
  if (auto meta = table->find(meaning->uid())) {
    original.meta = std::move(*meta);
    return done(std::move(original));
  }
  if (local && local->kind == LocalEntry::Kind::arrived) {
    original.meta = local->meta;
    return done(std::move(original));
  }
  account_.find_message(meaning->mailbox, meaning->uid(),
                        [original, done = std::move(done)](Result<MessageMeta> meta) mutable {
                          if (!meta) return done(fail(std::move(meta).error().while_doing("find the message")));
                          original.meta = std::move(*meta);
                          done(std::move(original));
                        });
}

void Filesystem::open(const Caller& caller, NodeId node, int flags, Reply<OpenResult> reply) {
  auto file = target(node);
  if (!file) return reply(fail(std::move(file).error()));
  if (may_change_it(flags)) return open_for_writing(caller, node, flags, std::move(reply));
  auto* const staging = views_->staging.get();
  // Who reads while another writes sees what is written, as on any file system.
  if (staging && is_mail(node) && staging->status(node)) {
    return open_staged(caller, node, flags, std::move(reply));
  }
  if (!staging) return file->view->open(caller, file->node, flags, std::move(reply));
  auto shown = [this, staging, node, reply = std::move(reply)](Result<OpenResult> opened) {
    if (!opened && opened.error().errnum == ENOENT) {
      // Another client has removed it before its row came: no news of that will come.
      if (const auto gone = views_->entries.remove_arrived(node)) publisher_.name_gone(gone->mailbox, gone->name, node);
    }
    if (opened && staging->take_stale_pages(node)) {
      opened->keep_cache = false;
      opened->size_corrected = true;
      opened->whole.reset();
    }
    reply(std::move(opened));
  };
  file->view->open(caller, file->node, flags, std::move(shown));
}

/// A file that is staged now, and may be a message before it is open.
void Filesystem::open_staged(const Caller& caller, NodeId node, int flags, Reply<OpenResult> reply) {
  auto& staging = *views_->staging;
  staging.open_staged(caller, node, flags,
                      [this, &staging, caller, node, flags, reply = std::move(reply)](Result<OpenResult> opened) {
                        const bool arrived = !opened && opened.error().errnum == ESTALE && !staging.status(node);
                        if (arrived && views_->entries.message_of(node)) return open(caller, node, flags, reply);
                        reply(std::move(opened));
                      });
}

void Filesystem::open_for_writing(const Caller& caller, NodeId node, int flags, Reply<OpenResult> reply) {
  if (auto writable = check_writable("open for writing"); !writable) return reply(fail(std::move(writable).error()));
  if (!is_mail(node)) return reply(fail(not_writable()));
  auto& staging = *views_->staging;
  // What is staged of a message on its way is of where it was made, and it may have been moved on since.
  const auto local = views_->entries.find(node);
  const bool pending = local && local->kind == LocalEntry::Kind::pending;
  if (!pending && staging.status(node)) return open_staged(caller, node, flags, std::move(reply));
  original(node, [&staging, caller, flags, reply = std::move(reply)](Result<Message> message) {
    if (!message) return reply(fail(std::move(message).error()));
    if (message->meta.flags.has(SystemFlag::deleted)) {
      return reply(fail(EPERM, Scope::message, Retry::never, "a deleted message is not changed: move it back first"));
    }
    staging.open_message(caller, *message, flags, reply);
  });
}

namespace {

/// Of a file in a local directory, by its name.
Result<std::optional<NodeId>> local_file(const sync::Account& account, const LocalEntries& entries, MailboxId directory,
                                         const std::string& name) {
  if (const auto local = entries.find(directory, name)) {
    if (local->kind == LocalEntry::Kind::directory) return fail(EEXIST, "there is a directory of that name");
    return local->node;
  }
  if (shown_mailbox(account, entries, directory)) return fail(EPERM, "messages come to the trash by being moved there");
  if (is_note_of_another(account, entries, directory, name))
    return fail(EEXIST, "a message in the trash has this name");
  return std::optional<NodeId>();
}

}  // namespace

void Filesystem::create(const Caller& caller, NodeId parent, const std::string& name, mode_t,
                        Reply<CreateResult> reply) {
  if (auto writable = check_writable("create a message"); !writable) return reply(fail(std::move(writable).error()));
  if (auto valid = check_name(name); !valid) return reply(fail(std::move(valid).error()));
  const auto meaning = decode_node(parent);
  if (meaning && meaning->kind == NodeKind::deleted) {
    return reply(fail(EPERM, "messages come to .deleted by being deleted"));
  }
  if (meaning && meaning->kind == NodeKind::local_directory) {
    auto present = local_file(account_, views_->entries, meaning->mailbox, name);
    if (!present) return reply(fail(std::move(present).error()));
    if (*present) return create_existing(caller, **present, std::move(reply));
    return views_->staging->create(caller, meaning->mailbox, name, std::move(reply));
  }
  if (meaning && meaning->kind == NodeKind::by_uid) return reply(fail(EPERM, "the server gives UIDs"));
  if (!meaning || (meaning->kind != NodeKind::mailbox && parent != root_node)) {
    return reply(fail(EACCES, "nothing can be created here"));
  }
  const auto tree = account_.tree();
  const auto* mailbox = resolve_mailbox(*tree, *meaning);
  if (!mailbox) return reply(fail(sync::no_such_mailbox()));
  const auto table = account_.table(mailbox->id);
  if (parent == root_node || !table) {
    return reply(fail(EPERM, Scope::mailbox, Retry::never, "this directory holds mailboxes only, no messages"));
  }
  if (name == deleted_directory_name || name == uid_directory_name || mailbox->children.contains(name)) {
    return reply(fail(EEXIST, "there is a directory of that name"));
  }
  // The kernel has looked the name up a moment ago: what is here has come since.
  std::optional<NodeId> existing;
  if (const auto local = views_->entries.find(mailbox->id, name)) {
    if (local->kind == LocalEntry::Kind::directory) return reply(fail(EEXIST, "there is a directory of that name"));
    existing = local->node;
  } else if (const auto meta = table->find_by_name(name)) {
    const auto kernel = views_->entries.node_of({mailbox->id, table->uid_validity(), meta->uid});
    existing = kernel ? kernel->node : message_node(mailbox->id, meta->uid);
  }
  if (existing) return create_existing(caller, *existing, std::move(reply));
  views_->staging->create(caller, mailbox->id, name, std::move(reply));
}

/// As open(2) with O_CREAT for a file that is there.
void Filesystem::create_existing(const Caller& caller, NodeId node, Reply<CreateResult> reply) {
  open_for_writing(caller, node, O_RDWR, [this, node, reply = std::move(reply)](Result<OpenResult> opened) {
    if (!opened) return reply(fail(std::move(opened).error()));
    auto file = target(node);
    if (!file) return reply(fail(std::move(file).error()));
    file->view->entry(file->node, [this, node, open = *opened, reply](Result<Entry> entry) {
      if (entry) return reply(CreateResult{*entry, open});
      views_->staging->release(node, open.handle);
      reply(fail(std::move(entry).error()));
    });
  });
}

void Filesystem::read(const Caller& caller, const ReadRequest& request, Reply<ReadResult> reply) {
  auto file = target(request.node);
  if (!file) return reply(fail(std::move(file).error()));
  auto* const staging = views_->staging.get();
  if (staging && is_mail(request.node) && (Staging::owns(request.handle) || staging->status(request.node))) {
    const bool own = Staging::owns(request.handle);
    return staging->read(request, [this, caller, request, own, reply = std::move(reply)](Result<ReadResult> result) {
      // Uploaded and closed by its writer a moment ago: a reader of the message reads the message.
      if (own || result || result.error().errnum != ESTALE) return reply(std::move(result));
      auto message = target(request.node);
      if (!message) return reply(std::move(result));
      message->view->read(caller, message->node, request, reply);
    });
  }
  file->view->read(caller, file->node, request, std::move(reply));
}

void Filesystem::write(const Caller&, const WriteRequest& request, Reply<std::size_t> reply) {
  if (auto writable = check_writable("write"); !writable) return reply(fail(std::move(writable).error()));
  if (!is_mail(request.node)) return reply(fail(not_writable()));
  views_->staging->write(request, std::move(reply));
}

void Filesystem::flush(const Caller& caller, NodeId node, HandleId handle, Reply<void> reply) {
  if (!views_->staging || !is_mail(node) || !Staging::owns(handle)) return reply({});
  views_->staging->flush(caller, node, handle, std::move(reply));
}

void Filesystem::fsync(const Caller& caller, NodeId node, HandleId handle, Reply<void> reply) {
  if (!views_->staging || !is_mail(node)) return reply({});
  views_->staging->fsync(caller, node, handle, [this, node, reply = std::move(reply)](Result<void> synced) {
    if (!synced) return reply(std::move(synced));
    // One that is still staged has a temporary name or is empty: it is as safe as it can be.
    const auto local = views_->entries.find(node);
    if (local && local->kind == LocalEntry::Kind::staged) return reply({});
    const auto meaning = meaning_of(node);
    const auto mailbox = local ? local->mailbox : meaning ? meaning->mailbox : MailboxId{0};
    if (mailbox.value == 0) return reply({});
    account_.drain(mailbox, reply);
  });
}

void Filesystem::fsyncdir(const Caller&, NodeId node, Reply<void> reply) {
  const auto meaning = decode_node(node);
  const bool in_tree = meaning && (meaning->kind == NodeKind::mailbox || meaning->kind == NodeKind::deleted ||
                                   meaning->kind == NodeKind::by_uid);
  if (!views_->staging || (!in_tree && node != root_node)) return reply({});
  views_->staging->outbox().drain([this, mailbox = meaning->mailbox, reply = std::move(reply)](Result<void> uploaded) {
    if (!uploaded) return reply(std::move(uploaded));
    account_.drain(mailbox, [this, mailbox, reply](Result<void> settled) {
      reply(settled ? views_->staging->outbox().check(mailbox) : std::move(settled));
    });
  });
}

void Filesystem::release(NodeId node, HandleId handle) {
  if (views_->staging && is_mail(node) && Staging::owns(handle)) return views_->staging->release(node, handle);
  if (auto file = target(node)) file->view->release(file->node, handle);
}

void Filesystem::copy_file_range(const Caller&, const CopyRangeRequest& request, Reply<std::size_t> reply) {
  if (auto writable = check_writable("copy"); !writable) return reply(fail(std::move(writable).error()));
  auto& staging = *views_->staging;
  const auto meaning = meaning_of(request.source);
  const auto local = views_->entries.find(request.source);
  const bool pending = local && local->kind == LocalEntry::Kind::pending;
  const auto table = meaning && meaning->kind == NodeKind::message ? account_.table(meaning->mailbox) : nullptr;
  // EXDEV: cp copies octets then, without a word.
  auto no_copy = fail(EXDEV, "no copy that the server can make");
  if (!is_mail(request.target) || !Staging::owns(request.target_handle)) return reply(std::move(no_copy));
  // The octets of a copy on its way are nowhere but on the server, whatever is staged of it.
  if (pending) return staging.copy_message(request, {{local->source, local->change}, local->meta}, std::move(reply));
  if (!table || staging.status(request.source)) return reply(std::move(no_copy));
  const MessageLocation message{meaning->mailbox, table->uid_validity(), meaning->uid()};
  if (const auto meta = table->find(message.uid))
    return staging.copy_message(request, {{message, {}}, *meta}, std::move(reply));
  account_.find_message(
      message.mailbox, message.uid,
      [this, &staging, request, message, no_copy, reply = std::move(reply)](Result<MessageMeta> meta) {
        if (!meta) return reply(no_copy);
        // The question may have told UIDVALIDITY.
        const auto known = account_.table(message.mailbox);
        const auto validity = known ? known->uid_validity() : message.uid_validity;
        staging.copy_message(request, {{{message.mailbox, validity, message.uid}, {}}, *meta}, reply);
      });
}

void Filesystem::fallocate(const Caller&, NodeId node, HandleId handle, int mode, std::uint64_t offset,
                           std::uint64_t length, Reply<void> reply) {
  if (auto writable = check_writable("allocate"); !writable) return reply(fail(std::move(writable).error()));
  if (!is_mail(node) || !Staging::owns(handle)) return reply(fail(not_writable()));
  // Room that does not show in the size: restic says so how long the file will be.
  if (mode == FALLOC_FL_KEEP_SIZE) return views_->staging->reserve(node, offset + length, std::move(reply));
  if (mode != 0) return reply(fail(EOPNOTSUPP, "only room for octets can be allocated"));
  views_->staging->allocate(node, offset, length, std::move(reply));
}

}  // namespace imapfs::vfs

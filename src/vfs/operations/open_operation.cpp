#include "vfs/operations/open_operation.hpp"

#include <fcntl.h>

#include <utility>

#include "imapfs/base/on_success.hpp"
#include "imapfs/sync/errors.hpp"
#include "vfs/operations/writable.hpp"
#include "vfs/staging/local_directories.hpp"

namespace imapfs::vfs {

namespace {

bool may_change_it(int flags) { return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0; }

Error directory_has_the_name() {
  return Error{EEXIST, Scope::request, Retry::never, "there is a directory of that name"};
}

}  // namespace

void OpenOperation::open(const Caller& caller, NodeId node, int flags, Reply<OpenResult> reply) {
  auto file = views_.find(node);
  if (!file) return reply(fail(std::move(file).error()));
  if (may_change_it(flags)) return open_for_writing(caller, node, flags, std::move(reply));
  if (!dependencies_.staging) return file->view->open(caller, file->node, flags, std::move(reply));
  // Who reads while another writes sees what is written, as on any file system.
  if (is_mail(node) && dependencies_.staging->status(node)) return open_staged(caller, node, flags, std::move(reply));
  file->view->open(caller, file->node, flags, [this, node, reply = std::move(reply)](Result<OpenResult> opened) {
    opened_message(node, std::move(opened), reply);
  });
}

void OpenOperation::opened_message(NodeId node, Result<OpenResult> opened, const Reply<OpenResult>& reply) {
  if (!opened && opened.error().errnum == ENOENT) {
    // Another client has removed it before its row came: no news of that will come.
    if (const auto gone = dependencies_.entries.remove_arrived(node))
      kernel_.name_gone(gone->mailbox, gone->name, node);
  }
  if (opened && dependencies_.staging->take_stale_pages(node)) {
    opened->keep_cache = false;
    opened->size_corrected = true;
    opened->whole.reset();
  }
  reply(std::move(opened));
}

/// A file that is staged now, and may be a message before it is open.
void OpenOperation::open_staged(const Caller& caller, NodeId node, int flags, Reply<OpenResult> reply) {
  dependencies_.staging->open_staged(
      caller, node, flags, [this, caller, node, flags, reply = std::move(reply)](Result<OpenResult> opened) {
        const bool gone = !opened && opened.error().errnum == ESTALE && !dependencies_.staging->status(node);
        const auto now = gone ? dependencies_.nodes.resolve(node) : std::nullopt;
        if (now && now->aliased) return open(caller, node, flags, reply);
        reply(std::move(opened));
      });
}

void OpenOperation::open_for_writing(const Caller& caller, NodeId node, int flags, Reply<OpenResult> reply) {
  if (auto writable = check_writable(dependencies_.staging, "open for writing"); !writable) {
    return reply(fail(std::move(writable).error()));
  }
  if (!is_mail(node)) return reply(fail(not_writable()));
  auto& staging = *dependencies_.staging;
  // What is staged of a message on its way is of where it was made, and it may have been moved on since.
  const auto meaning = dependencies_.nodes.resolve(node);
  const bool pending = meaning && meaning->kind == NodeMeaning::Kind::pending;
  if (!pending && staging.status(node)) return open_staged(caller, node, flags, std::move(reply));
  with_original(node, on_success(reply, [&staging, caller, flags, reply](const Staging::Original& original) {
                  if (original.meta.flags.has(SystemFlag::deleted)) {
                    return reply(fail(EPERM, Scope::message, Retry::never,
                                      "a deleted message is not changed: move it back first"));
                  }
                  staging.open_message(caller, original, flags, reply);
                }));
}

/// The message that a node stands for, as something to be changed. One that is on its way is waited for.
void OpenOperation::with_original(NodeId node, Completion<Staging::Original> done) {
  const auto meaning = dependencies_.nodes.resolve(node);
  if (meaning && meaning->kind == NodeMeaning::Kind::pending) {
    const auto& pending = *meaning->entry;
    return dependencies_.nodes.await_arrival(
        node, pending.generation, pending.change, [this, node, done = std::move(done)](const Result<MessageLocation>&) {
          const auto now = dependencies_.nodes.resolve(node);
          if (now && now->kind == NodeMeaning::Kind::pending) {
            return done(fail(EBUSY, Scope::message, Retry::later, "the message is still on its way here"));
          }
          with_original(node, done);
        });
  }
  const bool found = meaning && meaning->kind == NodeMeaning::Kind::message && meaning->message.uid.value != 0;
  if (!found || !dependencies_.account.mailboxes().table(meaning->message.mailbox)) {
    return done(fail(ESTALE, Scope::message, Retry::never, "no such message"));
  }
  describe_original(Node{node, *meaning}, std::move(done));
}

void OpenOperation::describe_original(const Node& node, Completion<Staging::Original> done) {
  const auto& message = node.meaning.message;
  Staging::Original original;
  original.node = node.id;
  original.message = message;
  const auto kernel = dependencies_.nodes.kernel_node(message);
  original.generation = kernel ? kernel->generation : generation_of(message.uid_validity);
  const auto table = dependencies_.account.mailboxes().table(message.mailbox);
  if (auto meta = table ? table->find(message.uid) : std::nullopt) {
    original.meta = std::move(*meta);
    return done(std::move(original));
  }
  if (node.meaning.entry) {
    original.meta = node.meaning.entry->meta;
    return done(std::move(original));
  }
  dependencies_.account.mailboxes().find_message(
      message.mailbox, message.uid, on_success(done, "find the message", [original, done](MessageMeta meta) mutable {
        original.meta = std::move(meta);
        done(std::move(original));
      }));
}

// -- create --

void OpenOperation::create(const Caller& caller, NodeId parent, const std::string& name, Reply<CreateResult> reply) {
  if (auto writable = check_writable(dependencies_.staging, "create a message"); !writable) {
    return reply(fail(std::move(writable).error()));
  }
  if (auto valid = check_name(name); !valid) return reply(fail(std::move(valid).error()));
  const auto directory = dependencies_.nodes.resolve(parent);
  const auto kind = directory ? directory->kind : NodeMeaning::Kind::fixed;
  if (kind == NodeMeaning::Kind::deleted) return reply(fail(EPERM, "messages come to .deleted by being deleted"));
  if (kind == NodeMeaning::Kind::by_uid) return reply(fail(EPERM, "the server gives UIDs"));
  if (kind == NodeMeaning::Kind::local_directory) {
    return create_or_open(caller, directory->mailbox, name, find_in_local_directory(directory->mailbox, name),
                          std::move(reply));
  }
  if (!directory || !directory->is_in_tree()) return reply(fail(EACCES, "nothing can be created here"));
  create_in_tree(caller, *directory, name, std::move(reply));
}

void OpenOperation::create_in_tree(const Caller& caller, const NodeMeaning& directory, const std::string& name,
                                   Reply<CreateResult> reply) {
  const auto tree = dependencies_.account.mailboxes().tree();
  const auto* mailbox = find_mailbox(*tree, directory);
  if (!mailbox) return reply(fail(sync::no_such_mailbox()));
  const auto table = dependencies_.account.mailboxes().table(mailbox->id);
  if (directory.is_root() || !table) {
    return reply(fail(EPERM, Scope::mailbox, Retry::never, "this directory holds mailboxes only, no messages"));
  }
  create_or_open(caller, mailbox->id, name, find_in_mailbox(*mailbox, *table, name), std::move(reply));
}

/// The kernel has looked the name up a moment ago: what is here has come since.
Result<std::optional<NodeId>> OpenOperation::find_in_mailbox(const sync::MailboxNode& mailbox,
                                                             const sync::MessageTable& table,
                                                             const std::string& name) const {
  if (name == deleted_directory_name || name == uid_directory_name || mailbox.children.contains(name)) {
    return fail(directory_has_the_name());
  }
  if (const auto local = dependencies_.entries.find(mailbox.id, name)) {
    if (local->kind == LocalEntry::Kind::directory) return fail(directory_has_the_name());
    return local->node;
  }
  const auto meta = table.find_by_name(name);
  if (!meta) return std::nullopt;
  const auto kernel = dependencies_.nodes.kernel_node({mailbox.id, table.uid_validity(), meta->uid});
  return kernel ? kernel->node : message_node(mailbox.id, meta->uid);
}

Result<std::optional<NodeId>> OpenOperation::find_in_local_directory(MailboxId directory,
                                                                     const std::string& name) const {
  if (const auto local = dependencies_.entries.find(directory, name)) {
    if (local->kind == LocalEntry::Kind::directory) return fail(directory_has_the_name());
    return local->node;
  }
  if (shown_mailbox(dependencies_.account.mailboxes(), dependencies_.entries, directory)) {
    return fail(EPERM, "messages come to the trash by being moved there");
  }
  if (is_note_of_another(dependencies_.account.mailboxes(), dependencies_.entries, directory, name)) {
    return fail(EEXIST, "a message in the trash has this name");
  }
  return std::nullopt;
}

void OpenOperation::create_or_open(const Caller& caller, MailboxId directory, const std::string& name,
                                   Result<std::optional<NodeId>> existing, Reply<CreateResult> reply) {
  if (!existing) return reply(fail(std::move(existing).error()));
  if (*existing) return open_existing(caller, **existing, std::move(reply));
  dependencies_.staging->create(caller, directory, name, std::move(reply));
}

/// As open(2) with O_CREAT for a file that is there.
void OpenOperation::open_existing(const Caller& caller, NodeId node, Reply<CreateResult> reply) {
  open_for_writing(caller, node, O_RDWR, on_success(reply, [this, node, reply](const OpenResult& open) {
                     views_.entry(node, [this, node, open, reply](Result<Entry> entry) {
                       if (entry) return reply(CreateResult{*entry, open});
                       dependencies_.staging->release(node, open.handle);
                       reply(fail(std::move(entry).error()));
                     });
                   }));
}

}  // namespace imapfs::vfs

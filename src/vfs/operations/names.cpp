// The operations that change names: what they mean is in removal.hpp and renaming.hpp.

#include <sys/stat.h>

#include <cstdio>
#include <utility>

#include "imapfs/vfs/filesystem.hpp"
#include "vfs/nodes/entries.hpp"
#include "vfs/operations/filesystem_views.hpp"
#include "vfs/staging/local_directories.hpp"
#include "vfs/staging/temporary_names.hpp"

namespace imapfs::vfs {

namespace {

template <class T>
void refuse_link(const char* what, const Reply<T>& reply) {
  reply(fail(EPERM, "a mailbox holds messages only: {}", what));
}

}  // namespace

Result<void> Filesystem::check_writable(const char* operation) const {
  if (views_->staging) return {};
  return fail(EROFS, "the mount is read-only: {}", operation);
}

void Filesystem::mknod(const Caller& caller, NodeId parent, const std::string& name, mode_t mode, Reply<Entry> reply) {
  const auto announcement = announced(caller, parent, name, Announcement::Kind::created, false);
  if (announcement) return announced_entry(*announcement, std::move(reply));
  if (auto writable = check_writable("create a file"); !writable) return reply(fail(std::move(writable).error()));
  if ((mode & S_IFMT) != S_IFREG && (mode & S_IFMT) != 0) return refuse_link("no devices, pipes and sockets", reply);
  create(caller, parent, name, mode, [this, reply = std::move(reply)](Result<CreateResult> created) {
    if (!created) return reply(fail(std::move(created).error()));
    release(created->entry.node, created->open.handle);
    reply(std::move(created->entry));
  });
}

void Filesystem::mkdir(const Caller& caller, NodeId parent, const std::string& name, mode_t, Reply<Entry> reply) {
  const auto announcement = announced(caller, parent, name, Announcement::Kind::created, true);
  if (announcement) return announced_entry(*announcement, std::move(reply));
  if (auto writable = check_writable("create a mailbox"); !writable) return reply(fail(std::move(writable).error()));
  auto directory = target(parent);
  if (!directory) return reply(fail(std::move(directory).error()));
  const auto above = directory->node.meaning;
  const bool in_tree = above.kind == NodeKind::mailbox || parent == root_node;
  if (!in_tree && above.kind != NodeKind::local_directory)
    return reply(fail(EPERM, "mailboxes cannot be created here"));
  if (auto valid = check_name(name); !valid) return reply(fail(std::move(valid).error()));
  views_->named.find(directory->node, name, [this, above, name, reply = std::move(reply)](Result<NamedFile> present) {
    if (!present) return reply(fail(std::move(present).error()));
    if (present->kind != NamedFile::Kind::nothing) return reply(fail(EEXIST, "the name is taken"));
    if (is_trash_of_file_managers(above.mailbox, name) && !trash_mailbox(*account_.tree())) {
      return reply(fail(EPERM, "the account has no mailbox for what is deleted"));
    }
    if (directory_stays_local(above.mailbox, name))
      return views_->staging->names().make_directory(above.mailbox, name, reply);
    account_.create_mailbox(above.mailbox, name, [this, reply](Result<MailboxId> created) {
      if (!created) return reply(fail(std::move(created).error()));
      const auto tree = account_.tree();
      const auto* mailbox = tree->find(*created);
      if (!mailbox) return reply(fail(ENOENT, Scope::mailbox, Retry::later, "the mailbox is gone again"));
      publisher_.interest().add(*created);
      reply(mailbox_entry(account_, settings_, *mailbox));
    });
  });
}

void Filesystem::unlink(const Caller& caller, NodeId parent, const std::string& name, Reply<void> reply) {
  if (announced(caller, parent, name, Announcement::Kind::removed, false)) return reply({});
  if (auto writable = check_writable("remove a message"); !writable) return reply(std::move(writable));
  auto directory = target(parent);
  if (!directory) return reply(fail(std::move(directory).error()));
  if (views_->linked.take(parent, name) && !views_->entries.find(directory->node.meaning.mailbox, name)) {
    return reply({});
  }
  views_->removal.unlink(caller, directory->node, name, std::move(reply));
}

void Filesystem::rmdir(const Caller& caller, NodeId parent, const std::string& name, Reply<void> reply) {
  if (announced(caller, parent, name, Announcement::Kind::removed, true)) return reply({});
  if (auto writable = check_writable("remove a mailbox"); !writable) return reply(std::move(writable));
  auto directory = target(parent);
  if (!directory) return reply(fail(std::move(directory).error()));
  views_->removal.rmdir(directory->node, name, std::move(reply));
}

void Filesystem::rename(const Caller& caller, const RenameRequest& request, Reply<void> reply) {
  if (auto writable = check_writable("rename"); !writable) return reply(std::move(writable));
  auto from = target(request.parent);
  if (!from) return reply(fail(std::move(from).error()));
  auto to = target(request.new_parent);
  if (!to) return reply(fail(std::move(to).error()));
  if (auto valid = check_name(request.new_name); !valid) return reply(std::move(valid));
  views_->renaming.rename(caller, {from->node, to->node}, request, std::move(reply));
}

// Mail programs deliver so: link(2) from a temporary name to the final one, which must be free, and unlink(2) of the
// first. A message has one name, so the file moves with the link, and the unlink finds its work done.
void Filesystem::link(const Caller& caller, NodeId node, NodeId new_parent, const std::string& new_name,
                      Reply<Entry> reply) {
  if (auto writable = check_writable("link"); !writable) return reply(fail(std::move(writable).error()));
  const auto file = views_->entries.find(node);
  if (!file || file->kind != LocalEntry::Kind::staged || !is_temporary_name(file->name)) {
    return refuse_link("no links", reply);
  }
  const auto parent = mailbox_node(file->mailbox);
  rename(caller, {parent, file->name, new_parent, new_name, RENAME_NOREPLACE},
         [this, caller, parent, name = file->name, new_parent, new_name, reply = std::move(reply)](Result<void> named) {
           if (!named) return reply(fail(std::move(named).error()));
           views_->linked.add(parent, name);
           lookup(caller, new_parent, new_name, reply);
         });
}

void Filesystem::symlink(const Caller&, NodeId, const std::string&, const std::string&, Reply<Entry> reply) {
  if (auto writable = check_writable("create a symbolic link"); !writable) {
    return reply(fail(std::move(writable).error()));
  }
  refuse_link("no links", reply);
}

}  // namespace imapfs::vfs

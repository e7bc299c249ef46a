#include "vfs/operations/remove_operation.hpp"

#include <utility>

#include "imapfs/base/on_success.hpp"
#include "vfs/staging/staging.hpp"

namespace imapfs::vfs {

namespace {

/// What rights say before anything is asked of the server.
Result<void> check_removal(const sync::MailboxRights& rights) {
  if (rights.read_only) return fail(EROFS, Scope::mailbox, Retry::never, "the mailbox is read-only");
  if (!rights.remove_messages) return fail(EACCES, Scope::mailbox, Retry::never, "no right to delete messages here");
  return {};
}

}  // namespace

void RemoveOperation::unlink(const Caller& caller, const Node& parent, const std::string& name, Reply<void> reply) {
  names_.find(parent, name,
              on_success(reply, [this, caller, reply](const NamedFile& file) { remove(caller, file, reply); }));
}

void RemoveOperation::remove(const Caller& caller, const NamedFile& file, Reply<void> reply) {
  if (file.is_directory) return reply(fail(EISDIR, "a directory"));
  switch (file.kind) {
    case NamedFile::Kind::nothing:
    case NamedFile::Kind::mailbox:
    case NamedFile::Kind::directory: return reply(fail(ENOENT, "no such name"));
    case NamedFile::Kind::fixed: return reply(fail(EPERM, "this file cannot be removed"));
    case NamedFile::Kind::staged: return dependencies_.staging->names().remove(caller, file.node, std::move(reply));
    case NamedFile::Kind::pending:
    case NamedFile::Kind::message:
    case NamedFile::Kind::deleted: break;
  }
  if (auto allowed = check_removal(dependencies_.account.mailboxes().rights(file.mailbox)); !allowed) {
    return reply(fail(std::move(allowed).error()));
  }
  // Whoever reads it goes on to its end.
  Job go_on = [this, caller, file, reply = std::move(reply)] {
    messages_.keep_open(file.node, [this, caller, file, reply] {
      dependencies_.staging->names().hold(file.node, [this, caller, file, reply](const Staging::Hold& hold) {
        if (!caller.waits()) return reply(fail(given_up()));
        remove_message(names_.as_it_is_now(file), hold, reply);
      });
    });
  };
  if (!dependencies_.staging->status(file.node)) return go_on();
  // A new version that is being written goes with it.
  dependencies_.staging->names().remove(caller, file.node, [go_on = std::move(go_on)](Result<void>) { go_on(); });
}

void RemoveOperation::remove_message(const NamedFile& file, const Staging::Hold& hold, Reply<void> reply) {
  sync::ChangeReply answers;
  answers.accepted = [this, file, hold, reply = std::move(reply)](Result<sync::ChangeId> change) {
    if (!change) {
      // Between finding it and removing it, it has arrived.
      const auto arrived = names_.arrived(file);
      if (!arrived || change.error().errnum != ENOENT) return reply(fail(std::move(change).error()));
      return remove_message(*arrived, hold, reply);
    }
    removed(file);
    reply({});
  };
  const auto source = source_of(file);
  if (file.kind == NamedFile::Kind::deleted) {
    dependencies_.account.changes().expunge(source, std::move(answers));
  } else {
    dependencies_.account.changes().remove(source, std::move(answers));
  }
}

void RemoveOperation::removed(const NamedFile& file) const {
  dependencies_.entries.remove(file.node);
  if (file.kind == NamedFile::Kind::deleted) return;
  dependencies_.staging->names().message_gone(file.node);
  auto& displaced = dependencies_.staging->names().displaced();
  displaced.left(file.mailbox, file.name, {file.message, file.meta, file.node, file.generation, {}});
}

void RemoveOperation::rmdir(const Node& parent, const std::string& name, Reply<void> reply) {
  names_.find(
      parent, name, on_success(reply, [this, reply](const NamedFile& file) {
        if (file.kind == NamedFile::Kind::nothing) return reply(fail(ENOENT, "no such name"));
        if (!file.is_directory) return reply(fail(ENOTDIR, "not a directory"));
        if (file.kind == NamedFile::Kind::directory)
          return dependencies_.staging->names().remove_directory(file.node, reply);
        if (file.kind != NamedFile::Kind::mailbox) return reply(fail(EPERM, "this directory cannot be removed"));
        for (const auto& local : dependencies_.entries.list(file.mailbox, 0, max_page_entries)) {
          if (local.kind == LocalEntry::Kind::arrived) continue;  // the server knows of it
          return reply(fail(ENOTEMPTY, Scope::mailbox, Retry::later, "{} is here only, or on its way", local.name));
        }
        dependencies_.account.mailbox_changes().remove(file.mailbox, reply);
      }));
}

}  // namespace imapfs::vfs

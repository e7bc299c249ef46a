#include "vfs/operations/make_directory_operation.hpp"

#include <utility>

#include "imapfs/base/on_success.hpp"
#include "vfs/nodes/entries.hpp"
#include "vfs/operations/writable.hpp"
#include "vfs/staging/local_directories.hpp"
#include "vfs/staging/staging.hpp"

namespace imapfs::vfs {

void MakeDirectoryOperation::make(const Node& parent, const std::string& name, Reply<Entry> reply) {
  const auto& above = parent.meaning;
  if (!above.is_in_tree() && above.kind != NodeMeaning::Kind::local_directory) {
    return reply(fail(EPERM, "mailboxes cannot be created here"));
  }
  if (auto valid = check_name(name); !valid) return reply(fail(std::move(valid).error()));
  names_.find(parent, name, on_success(reply, [this, id = above.mailbox, name, reply](const NamedFile& present) {
                if (present.kind != NamedFile::Kind::nothing) return reply(fail(EEXIST, "the name is taken"));
                make_free_name(id, name, reply);
              }));
}

/// The name is free.
void MakeDirectoryOperation::make_free_name(MailboxId parent, const std::string& name, Reply<Entry> reply) {
  auto& account = dependencies_.account;
  if (is_trash_of_file_managers(parent, name) && !trash_mailbox(*account.mailboxes().tree())) {
    return reply(fail(EPERM, "the account has no mailbox for what is deleted"));
  }
  if (directory_stays_local(parent, name))
    return dependencies_.staging->names().make_directory(parent, name, std::move(reply));
  account.mailbox_changes().create(
      parent, name, on_success(reply, [this, reply](MailboxId created) {
        const auto tree = dependencies_.account.mailboxes().tree();
        const auto* mailbox = tree->find(created);
        if (!mailbox) {
          return reply(fail(ENOENT, Scope::mailbox, Retry::later, "the mailbox is gone again"));
        }
        dependencies_.seen_directories.add(created);
        reply(mailbox_entry(dependencies_.account, dependencies_.settings, *mailbox));
      }));
}

}  // namespace imapfs::vfs

#include "vfs/views/deleted.hpp"

#include <sys/stat.h>

#include <utility>

#include "imapfs/base/on_success.hpp"
#include "imapfs/model/identity.hpp"
#include "imapfs/sync/errors.hpp"
#include "vfs/nodes/entries.hpp"

namespace imapfs::vfs {

namespace {

/// The entry of one of its messages: whether it is here may change at any time.
Entry passing_entry(const ViewDependencies& dependencies, const sync::MailboxNode& mailbox,
                    const sync::MessageTable& table, const MessageMeta& meta) {
  auto entry = MessageEntries(dependencies.account, dependencies.settings, mailbox, table.uid_validity(),
                              &dependencies.nodes)
                   .entry(meta);
  entry.entry_timeout = std::chrono::seconds(0);
  return entry;
}

}  // namespace

Entry deleted_directory_entry(const ViewDependencies& dependencies, const sync::MailboxNode& mailbox) {
  auto entry = mailbox_entry(dependencies.account, dependencies.settings, mailbox);
  entry.node = deleted_node(mailbox.id);
  entry.attributes.inode = InodeId{stable_hash(deleted_directory_name, mailbox.inode.value) >> 4};
  entry.attributes.links = 2;
  entry.entry_timeout = std::chrono::seconds(0);
  entry.attribute_timeout = std::chrono::seconds(0);
  return entry;
}

void DeletedView::lookup(const Caller&, const Node& parent, const std::string& name, Reply<Entry> reply) {
  const auto id = parent.meaning.mailbox;
  const auto find = [this, id, name]() -> std::optional<Entry> {
    const auto tree = dependencies_.account.mailboxes().tree();
    const auto* mailbox = tree->find(id);
    const auto table = dependencies_.account.mailboxes().table(id);
    const auto meta = table ? table->find_deleted_by_name(name) : std::nullopt;
    if (!mailbox || !meta) return std::nullopt;
    return passing_entry(dependencies_, *mailbox, *table, *meta);
  };
  if (auto entry = find()) return reply(std::move(*entry));
  dependencies_.account.mailboxes().freshen(id, [find, reply = std::move(reply)](Result<void>) {
    // Whether or not the check worked out: what is in the table now is the best answer there is.
    if (auto entry = find()) return reply(std::move(*entry));
    reply(fail(ENOENT, "no such deleted message"));
  });
}

void DeletedView::entry(const Node& node, Reply<Entry> reply) {
  const auto tree = dependencies_.account.mailboxes().tree();
  const auto* mailbox = tree->find(node.meaning.mailbox);
  if (!mailbox) return reply(fail(sync::no_such_mailbox()));
  reply(deleted_directory_entry(dependencies_, *mailbox));
}

void DeletedView::open_directory(const Caller&, const Node& node, Reply<OpenDirectoryResult> reply) {
  dependencies_.account.mailboxes().freshen(node.meaning.mailbox,
                                            on_success(reply, "bring the mailbox up to date", [reply] {
                                              reply(OpenDirectoryResult{0, false, false});
                                            }));
}

void DeletedView::list(const Caller& caller, const Node& node, const ListRequest& request, Reply<DirectoryPage> reply) {
  const auto id = node.meaning.mailbox;
  const auto tree = dependencies_.account.mailboxes().tree();
  const auto* mailbox = tree->find(id);
  const auto table = dependencies_.account.mailboxes().table(id);
  if (!mailbox || !table) return reply(fail(sync::no_such_mailbox()));
  auto found = page(*mailbox, *table, request);
  if (!found.empty() || table->complete()) return reply(std::move(found));
  dependencies_.account.mailboxes().await_rows(
      id, table->frontier(),
      on_success(reply, "wait for the listing", [=, this] { list(caller, node, request, reply); }));
}

DirectoryPage DeletedView::page(const sync::MailboxNode& mailbox, const sync::MessageTable& table,
                                const ListRequest& request) const {
  DirectoryPage page;
  append_dots(page, request.cookie, request.limit, deleted_directory_entry(dependencies_, mailbox),
              mailbox_entry(dependencies_.account, dependencies_.settings, mailbox));
  for (const Uid uid : table.deleted()) {
    if (message_cookie(uid) <= request.cookie) continue;
    if (page.size() >= request.limit) break;
    const auto meta = table.find(uid);
    if (!meta) continue;
    page.push_back(
        {meta->file_name, message_cookie(uid), request.plus, passing_entry(dependencies_, mailbox, table, *meta)});
  }
  return page;
}

}  // namespace imapfs::vfs

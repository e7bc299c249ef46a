#include "vfs/views/by_uid.hpp"

#include <utility>

#include "imapfs/base/on_success.hpp"
#include "imapfs/mime/names.hpp"
#include "imapfs/model/identity.hpp"
#include "imapfs/sync/errors.hpp"
#include "vfs/nodes/entries.hpp"

namespace imapfs::vfs {

namespace {

/// The entry of a message as it is called here.
Entry unnamed_entry(const ViewDependencies& dependencies, const sync::MailboxNode& mailbox, UidValidity validity,
                    const MessageMeta& meta) {
  auto entry = MessageEntries(dependencies.account, dependencies.settings, mailbox, validity, &dependencies.nodes)
                   .entry(meta);
  show_staged_content(dependencies, entry);
  entry.entry_timeout = std::chrono::seconds(0);
  return entry;
}

}  // namespace

Entry uid_directory_entry(const ViewDependencies& dependencies, const sync::MailboxNode& mailbox) {
  auto entry = mailbox_entry(dependencies.account, dependencies.settings, mailbox);
  entry.node = by_uid_node(mailbox.id);
  entry.attributes.inode = InodeId{stable_hash(uid_directory_name, mailbox.inode.value) >> 4};
  entry.attributes.mode &= ~mode_t{0222};
  entry.attributes.links = 2;
  entry.entry_timeout = std::chrono::seconds(0);
  entry.attribute_timeout = std::chrono::seconds(0);
  return entry;
}

void ByUidView::lookup(const Caller&, const Node& parent, const std::string& name, Reply<Entry> reply) {
  const auto id = parent.meaning.mailbox;
  const auto table = dependencies_.account.mailboxes().table(id);
  const auto uid = mime::NameTemplate::short_form(name);
  if (!table || !uid || table->hidden(*uid)) return reply(fail(sync::no_such_message()));
  auto found = [this, id, reply = std::move(reply)](Result<MessageMeta> meta) {
    if (!meta) return reply(fail(std::move(meta).error().while_doing("find the message")));
    // It is in .deleted.
    if (meta->flags.has(SystemFlag::deleted)) return reply(fail(sync::no_such_message()));
    const auto tree = dependencies_.account.mailboxes().tree();
    const auto* mailbox = tree->find(id);
    // The question may have told UIDVALIDITY.
    const auto known = dependencies_.account.mailboxes().table(id);
    if (!mailbox || !known) return reply(fail(sync::no_such_mailbox()));
    reply(unnamed_entry(dependencies_, *mailbox, known->uid_validity(), *meta));
  };
  if (auto meta = table->find(*uid)) return found(std::move(*meta));
  dependencies_.account.mailboxes().find_message(id, *uid, std::move(found));
}

void ByUidView::entry(const Node& node, Reply<Entry> reply) {
  const auto tree = dependencies_.account.mailboxes().tree();
  const auto* mailbox = tree->find(node.meaning.mailbox);
  if (!mailbox) return reply(fail(sync::no_such_mailbox()));
  reply(uid_directory_entry(dependencies_, *mailbox));
}

void ByUidView::open_directory(const Caller&, const Node& node, Reply<OpenDirectoryResult> reply) {
  dependencies_.account.mailboxes().freshen(node.meaning.mailbox,
                                            on_success(reply, "bring the mailbox up to date", [reply] {
                                              reply(OpenDirectoryResult{0, false, false});
                                            }));
}

void ByUidView::list(const Caller& caller, const Node& node, const ListRequest& request, Reply<DirectoryPage> reply) {
  const auto id = node.meaning.mailbox;
  const auto tree = dependencies_.account.mailboxes().tree();
  const auto* mailbox = tree->find(id);
  const auto table = dependencies_.account.mailboxes().table(id);
  if (!mailbox || !table) return reply(fail(sync::no_such_mailbox()));
  bool at_end = false;
  auto found = page(*mailbox, *table, request, at_end);
  if (!found.empty() || at_end) return reply(std::move(found));
  dependencies_.account.mailboxes().await_rows(
      id, table->frontier(),
      on_success(reply, "wait for the listing", [=, this] { list(caller, node, request, reply); }));
}

DirectoryPage ByUidView::page(const sync::MailboxNode& mailbox, const sync::MessageTable& table,
                              const ListRequest& request, bool& at_end) const {
  DirectoryPage page;
  append_dots(page, request.cookie, request.limit, uid_directory_entry(dependencies_, mailbox),
              mailbox_entry(dependencies_.account, dependencies_.settings, mailbox));
  if (page.size() >= request.limit) return page;
  std::vector<MessageMeta> rows;
  const auto visited = table.visit_after(last_listed_message(request.cookie), request.limit - page.size(),
                                         [&](const auto& row) {
                                           auto& meta = rows.emplace_back();
                                           meta.uid = row.uid;
                                           meta.size = row.size;
                                           meta.internal_date = row.internal_date;
                                           return true;
                                         });
  at_end = visited.at_end;
  for (const auto& meta : rows) {
    page.push_back({mime::NameTemplate::short_form(meta.uid), message_cookie(meta.uid), request.plus,
                    unnamed_entry(dependencies_, mailbox, table.uid_validity(), meta)});
  }
  return page;
}

}  // namespace imapfs::vfs

#include "vfs/views/local_directory.hpp"

#include <algorithm>
#include <utility>

#include "vfs/nodes/entries.hpp"
#include "vfs/staging/local_directories.hpp"
#include "vfs/staging/staging.hpp"

namespace imapfs::vfs {

namespace {

Error no_such_directory() { return Error{ENOENT, Scope::request, Retry::never, "no such local directory"}; }

}  // namespace

std::optional<Entry> staged_or_directory_entry(const ViewDependencies& dependencies, const LocalEntry& local) {
  if (local.kind == LocalEntry::Kind::directory) return local_directory_entry(dependencies.settings, local);
  if (local.kind != LocalEntry::Kind::staged || !dependencies.staging) return std::nullopt;
  const auto status = dependencies.staging->status(local.node);
  if (!status) return std::nullopt;
  auto entry = staged_entry(dependencies.settings, local.node, status->size, status->time);
  entry.generation = local.generation;
  return entry;
}

void append_local_directories(DirectoryPage& page, const ViewDependencies& dependencies, MailboxId mailbox,
                              const ListRequest& request) {
  auto after = std::max(request.cookie, local_cookie(0));
  while (page.size() < request.limit) {
    const auto locals = dependencies.entries.list(mailbox, after, request.limit - page.size());
    if (locals.empty()) return;
    after = locals.back().cookie;
    for (const auto& local : locals) {
      if (auto entry = staged_or_directory_entry(dependencies, local)) {
        page.push_back({local.name, local.cookie, request.plus, std::move(*entry)});
      }
    }
  }
}

void LocalDirectoryView::lookup(const Caller&, const Node& parent, const std::string& name, Reply<Entry> reply) {
  const auto id = parent.meaning.mailbox;
  if (const auto local = dependencies_.entries.find(id, name)) {
    if (auto entry = staged_or_directory_entry(dependencies_, *local)) return reply(std::move(*entry));
  }
  if (const auto shown = shown_mailbox(dependencies_.account.mailboxes(), dependencies_.entries, id)) {
    if (auto entry = message_entry(*shown, name)) return reply(std::move(*entry));
  }
  reply(fail(ENOENT, "no such name"));
}

std::optional<Entry> LocalDirectoryView::message_entry(MailboxId id, const std::string& name) const {
  const auto tree = dependencies_.account.mailboxes().tree();
  const auto* mailbox = tree->find(id);
  const auto table = dependencies_.account.mailboxes().table(id);
  if (!mailbox || !table) return std::nullopt;
  const MessageEntries entries(dependencies_.account, dependencies_.settings, *mailbox, table->uid_validity(),
                               &dependencies_.nodes);
  std::optional<Entry> entry;
  const auto local = dependencies_.entries.find(id, name);
  if (local && local->kind == LocalEntry::Kind::pending) {
    entry = pending_entry(dependencies_.account, dependencies_.settings, *local);
  } else if (local && local->kind == LocalEntry::Kind::arrived && !taken_over(*table, *local)) {
    entry = entries.entry(local->meta);
  } else if (const auto meta = table->find_by_name(name)) {
    entry = entries.entry(*meta);
  }
  if (entry) entry->entry_timeout = std::chrono::seconds(0);
  return entry;
}

void LocalDirectoryView::entry(const Node& node, Reply<Entry> reply) {
  const auto& directory = node.meaning.entry;
  if (!directory) return reply(fail(no_such_directory()));
  reply(local_directory_entry(dependencies_.settings, *directory));
}

NodeId LocalDirectoryView::parent(const Node& node) const {
  const auto& directory = node.meaning.entry;
  return directory ? mailbox_node(directory->mailbox) : root_node;
}

void LocalDirectoryView::open_directory(const Caller&, const Node& node, Reply<OpenDirectoryResult> reply) {
  const auto shown = shown_mailbox(dependencies_.account.mailboxes(), dependencies_.entries, node.meaning.mailbox);
  if (!shown) return reply(OpenDirectoryResult{0, false, false});
  // Without the server what is known of the mailbox is the best answer there is.
  dependencies_.account.mailboxes().freshen(*shown, [reply = std::move(reply)](Result<void>) {
    reply(OpenDirectoryResult{0, false, false});
  });
}

void LocalDirectoryView::list(const Caller&, const Node& node, const ListRequest& request, Reply<DirectoryPage> reply) {
  const auto& directory = node.meaning.entry;
  if (!directory) return reply(fail(no_such_directory()));
  DirectoryPage page;
  auto above = local_directory_entry(dependencies_.settings, *directory);
  above.node = mailbox_node(directory->mailbox);
  append_dots(page, request.cookie, request.limit, local_directory_entry(dependencies_.settings, *directory), above);
  if (const auto shown = shown_mailbox(dependencies_.account.mailboxes(), dependencies_.entries,
                                       node.meaning.mailbox)) {
    append_messages(page, *shown, request);
  }
  append_local_directories(page, dependencies_, node.meaning.mailbox, request);
  reply(std::move(page));
}

void LocalDirectoryView::append_messages(DirectoryPage& page, MailboxId id, const ListRequest& request) const {
  const auto tree = dependencies_.account.mailboxes().tree();
  const auto* mailbox = tree->find(id);
  const auto table = dependencies_.account.mailboxes().table(id);
  if (!mailbox || !table || request.cookie >= local_cookie(0) || page.size() >= request.limit) return;
  const MessageEntries entries(dependencies_.account, dependencies_.settings, *mailbox, table->uid_validity(),
                               &dependencies_.nodes);
  const auto first = page.size();
  table->visit_after(last_listed_message(request.cookie), request.limit - page.size(),
                     [&](const sync::MessageTable::RowView& row) {
                       page.push_back({std::string(row.file_name), message_cookie(row.uid), request.plus,
                                       entries.own_entry(row.uid, row.size, row.internal_date)});
                       return true;
                     });
  for (auto listed = page.begin() + static_cast<std::ptrdiff_t>(first); listed != page.end(); ++listed) {
    entries.use_kernel_node(listed->entry);
    listed->entry.entry_timeout = std::chrono::seconds(0);
  }
}

}  // namespace imapfs::vfs

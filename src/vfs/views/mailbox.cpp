#include "vfs/views/mailbox.hpp"

#include <algorithm>
#include <utility>

#include "imapfs/base/on_success.hpp"
#include "imapfs/sync/errors.hpp"
#include "vfs/nodes/entries.hpp"
#include "vfs/staging/staging.hpp"
#include "vfs/views/by_uid.hpp"
#include "vfs/views/deleted.hpp"
#include "vfs/views/local_directory.hpp"

namespace imapfs::vfs {

namespace {

/// A wait may end with nothing to show when the rows it announced were removed at once. An account that does so
/// without end would otherwise spin here.
constexpr int max_waits_in_vain = 16;

Entry message_entry(const ViewDependencies& dependencies, const sync::MailboxNode& mailbox,
                    const sync::MessageTable& table, const MessageMeta& meta) {
  const MessageEntries entries(dependencies.account, dependencies.settings, mailbox, table.uid_validity(),
                               &dependencies.nodes);
  auto entry = entries.entry(meta);
  show_staged_content(dependencies, entry);
  return entry;
}

std::string_view special_use_name(SpecialUse use) {
  switch (use) {
    case SpecialUse::none: return "";
    case SpecialUse::all: return "\\All";
    case SpecialUse::archive: return "\\Archive";
    case SpecialUse::drafts: return "\\Drafts";
    case SpecialUse::flagged: return "\\Flagged";
    case SpecialUse::junk: return "\\Junk";
    case SpecialUse::sent: return "\\Sent";
    case SpecialUse::trash: return "\\Trash";
    case SpecialUse::important: return "\\Important";
  }
  return "";
}

std::optional<std::string> number(std::optional<std::uint64_t> value) {
  return value ? std::optional(std::to_string(*value)) : std::nullopt;
}

/// The xattrs of a mailbox; nothing for one it does not have.
std::optional<std::string> mailbox_xattr(const sync::Account& account, const sync::MailboxNode& mailbox,
                                         std::string_view name) {
  if (name == "user.imap.mailbox" && !mailbox.name.empty()) return mailbox.name;
  if (name == "user.imap.special-use" && mailbox.special_use != SpecialUse::none) {
    return std::string(special_use_name(mailbox.special_use));
  }
  if (name == "user.imap.unseen") return number(mailbox.status.unseen);
  const auto table = account.mailboxes().table(mailbox.id);
  if (name == "user.imap.uidvalidity") {
    if (table && table->uid_validity().value != 0) return number(table->uid_validity().value);
    return mailbox.status.uid_validity ? number(mailbox.status.uid_validity->value) : std::nullopt;
  }
  if (name == "user.imap.messages") {
    return table && table->complete() ? number(table->size()) : number(mailbox.status.messages);
  }
  return std::nullopt;
}

constexpr std::string_view xattr_candidates[] = {"user.imap.mailbox", "user.imap.special-use", "user.imap.uidvalidity",
                                                 "user.imap.messages", "user.imap.unseen"};

}  // namespace

/// One readdir on its way through the waits.
struct MailboxView::Listing {
  MailboxId mailbox;
  Uid after;
  std::size_t limit = 0;
  bool plus = false;
  int waits = 0;
  Reply<DirectoryPage> reply;
};

void MailboxView::lookup(const Caller& caller, const Node& parent, const std::string& name, Reply<Entry> reply) {
  const auto tree = dependencies_.account.mailboxes().tree();
  const auto* mailbox = tree->find(parent.meaning.mailbox);
  if (!mailbox) return reply(fail(sync::no_such_mailbox()));
  if (!caller.announcer) dependencies_.seen_directories.add(mailbox->id);
  if (auto child = find_child(dependencies_, caller, *tree, *mailbox, name)) return reply(std::move(*child));
  const auto local = dependencies_.entries.find(mailbox->id, name);
  const auto table = dependencies_.account.mailboxes().table(mailbox->id);
  if (!table) {
    auto entry = local ? staged_or_directory_entry(dependencies_, *local) : std::nullopt;
    if (!entry) return reply(fail(ENOENT, "no such name"));
    return reply(std::move(*entry));
  }
  if (name == deleted_directory_name) return reply(deleted_directory_entry(dependencies_, *mailbox));
  if (name == uid_directory_name) return reply(uid_directory_entry(dependencies_, *mailbox));
  if (local) {
    if (auto entry = local_entry(*mailbox, *local)) return reply(std::move(*entry));
  }
  if (const auto meta = table->find_by_name(name)) {
    return reply(message_entry(dependencies_, *mailbox, *table, *meta));
  }
  // Only names given here start with a dot: probes for .hidden, .git, .Trash must not reach the server.
  if (name.starts_with('.')) return reply(fail(ENOENT, "no such name"));
  // A complete table of an unwatched mailbox may be out of date: the account knows, and says ENOENT at once where it is
  // not.
  dependencies_.account.mailboxes().find_message(
      mailbox->id, name,
      on_success(reply, "find the message", [this, tree, mailbox, table, reply](const MessageMeta& meta) {
        reply(message_entry(dependencies_, *mailbox, *table, meta));
      }));
}

/// Nothing for one that the table has taken over, which is dropped.
std::optional<Entry> MailboxView::local_entry(const sync::MailboxNode& mailbox, const LocalEntry& local) const {
  switch (local.kind) {
    case LocalEntry::Kind::staged:
    case LocalEntry::Kind::directory: return staged_or_directory_entry(dependencies_, local);
    case LocalEntry::Kind::pending: return pending_entry(dependencies_.account, dependencies_.settings, local);
    case LocalEntry::Kind::arrived: break;
  }
  const auto table = dependencies_.account.mailboxes().table(mailbox.id);
  if (!table) return std::nullopt;
  if (taken_over(*table, local)) {
    dependencies_.entries.remove(local.node);
    return std::nullopt;
  }
  auto entry = MessageEntries(dependencies_.account, dependencies_.settings, mailbox, table->uid_validity(),
                              &dependencies_.nodes)
                   .entry(local.meta);
  show_staged_content(dependencies_, entry);
  return entry;
}

void MailboxView::entry(const Node& node, Reply<Entry> reply) {
  const auto tree = dependencies_.account.mailboxes().tree();
  const auto* mailbox = tree->find(node.meaning.mailbox);
  if (!mailbox) return reply(fail(sync::no_such_mailbox()));
  reply(mailbox_entry(dependencies_.account, dependencies_.settings, *mailbox));
}

NodeId MailboxView::parent(const Node& node) const {
  const auto tree = dependencies_.account.mailboxes().tree();
  const auto* mailbox = tree->find(node.meaning.mailbox);
  return mailbox ? mailbox_node(mailbox->parent) : root_node;
}

void MailboxView::open_directory(const Caller& caller, const Node& node, Reply<OpenDirectoryResult> reply) {
  const auto tree = dependencies_.account.mailboxes().tree();
  const auto* mailbox = tree->find(node.meaning.mailbox);
  if (!mailbox) return reply(fail(sync::no_such_mailbox()));
  if (!caller.announcer) dependencies_.seen_directories.add(mailbox->id);
  auto done = on_success(reply, "bring the mailbox up to date", [this, id = mailbox->id, reply] {
    const auto now = dependencies_.account.mailboxes().tree();
    const auto* opened = now->find(id);
    if (!opened) return reply(fail(sync::no_such_mailbox()));
    const bool unchanged = versions_.unchanged(dependencies_.account.mailboxes(), *opened);
    reply(OpenDirectoryResult{0, true, unchanged});
  });
  if (dependencies_.account.mailboxes().table(mailbox->id)) {
    dependencies_.account.mailboxes().freshen(mailbox->id, std::move(done));
  } else {
    dependencies_.account.mailboxes().freshen_tree(std::move(done));
  }
}

void MailboxView::list(const Caller& caller, const Node& node, const ListRequest& request, Reply<DirectoryPage> reply) {
  const auto tree = dependencies_.account.mailboxes().tree();
  const auto* mailbox = tree->find(node.meaning.mailbox);
  if (!mailbox) return reply(fail(sync::no_such_mailbox()));
  auto head = list_head(dependencies_, caller, *tree, *mailbox, request);
  if (!head.empty()) return reply(std::move(head));

  if (request.cookie >= local_cookie(0)) {
    DirectoryPage page;
    append_local(page, mailbox->id, request.cookie, Listing{mailbox->id, Uid{0}, request.limit, request.plus, 0, {}});
    return reply(std::move(page));
  }
  list_messages(std::make_shared<Listing>(
      Listing{mailbox->id, last_listed_message(request.cookie), request.limit, request.plus, 0, std::move(reply)}));
}

void MailboxView::list_messages(const std::shared_ptr<Listing>& listing) {
  bool at_end = false;
  auto page = message_page(*listing, at_end);
  if (!page || !page->empty() || at_end) return listing->reply(std::move(page));
  if (listing->waits++ == max_waits_in_vain) {
    return listing->reply(fail(EIO, Scope::mailbox, Retry::later, "the listing does not go on"));
  }
  dependencies_.account.mailboxes().await_rows(
      listing->mailbox, listing->after,
      on_success(listing->reply, "wait for the listing", [this, listing] { list_messages(listing); }));
}

Result<DirectoryPage> MailboxView::message_page(Listing& listing, bool& at_end) const {
  const auto tree = dependencies_.account.mailboxes().tree();
  const auto* mailbox = tree->find(listing.mailbox);
  if (!mailbox) return fail(sync::no_such_mailbox());
  const auto table = dependencies_.account.mailboxes().table(listing.mailbox);
  DirectoryPage page;
  if (!table) {
    at_end = true;
    append_local(page, listing.mailbox, 0, listing);
    return page;
  }
  const MessageEntries entries(dependencies_.account, dependencies_.settings, *mailbox, table->uid_validity(),
                               &dependencies_.nodes);
  page.reserve(std::min(listing.limit, table->size()));
  const auto visited = table->visit_after(listing.after, listing.limit, [&](const sync::MessageTable::RowView& row) {
    listing.after = row.uid;
    page.push_back({std::string(row.file_name), message_cookie(row.uid), listing.plus,
                    entries.own_entry(row.uid, row.size, row.internal_date)});
    return true;
  });
  at_end = visited.at_end;
  for (auto& listed : page) {
    entries.use_kernel_node(listed.entry);
    show_staged_content(dependencies_, listed.entry);
  }
  if (dependencies_.entries.empty(listing.mailbox)) return page;
  std::erase_if(page, [&](const DirectoryEntry& listed) {
    const auto local = dependencies_.entries.find(listing.mailbox, listed.name);
    return local && local->kind != LocalEntry::Kind::arrived;
  });
  if (at_end) append_local(page, listing.mailbox, 0, listing);
  return page;
}

/// Local entries with cookies beyond `after`, up to the listing's limit in all.
void MailboxView::append_local(DirectoryPage& page, MailboxId id, std::uint64_t after, const Listing& listing) const {
  const auto tree = dependencies_.account.mailboxes().tree();
  const auto* mailbox = tree->find(id);
  if (!mailbox) return;
  while (page.size() < listing.limit) {
    const auto locals = dependencies_.entries.list(id, after, listing.limit - page.size());
    if (locals.empty()) return;
    after = locals.back().cookie;
    for (const auto& local : locals) {
      if (auto entry = local_entry(*mailbox, local)) {
        page.push_back({local.name, local.cookie, listing.plus, std::move(*entry)});
      }
    }
  }
}

void MailboxView::xattr(const Node& node, const std::string& name, Reply<std::string> reply) {
  const auto tree = dependencies_.account.mailboxes().tree();
  const auto* mailbox = tree->find(node.meaning.mailbox);
  if (!mailbox) return reply(fail(sync::no_such_mailbox()));
  if (auto value = mailbox_xattr(dependencies_.account, *mailbox, name)) return reply(std::move(*value));
  reply(fail(ENODATA, "no such attribute"));
}

std::vector<std::string> MailboxView::xattr_names(const Node& node) const {
  std::vector<std::string> names;
  const auto tree = dependencies_.account.mailboxes().tree();
  const auto* mailbox = tree->find(node.meaning.mailbox);
  if (!mailbox) return names;
  for (const auto candidate : xattr_candidates) {
    if (mailbox_xattr(dependencies_.account, *mailbox, candidate)) names.emplace_back(candidate);
  }
  return names;
}

}  // namespace imapfs::vfs

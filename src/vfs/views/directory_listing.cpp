#include "vfs/views/directory_listing.hpp"

#include <algorithm>

#include "vfs/nodes/entries.hpp"
#include "vfs/staging/staging.hpp"

namespace imapfs::vfs {

void show_staged_content(const ViewDependencies& dependencies, Entry& entry) {
  const auto status = dependencies.staging ? dependencies.staging->status(entry.node) : std::nullopt;
  if (!status) return;
  const auto here = staged_entry(dependencies.settings, entry.node, status->size, status->time);
  const auto inode = entry.attributes.inode;
  entry.attributes = here.attributes;
  entry.attributes.inode = inode;
  entry.attribute_timeout = here.attribute_timeout;
}

void append_dots(DirectoryPage& page, std::uint64_t cookie, std::size_t limit, const Entry& self, const Entry& parent) {
  if (cookie < cookie_dot && page.size() < limit) page.push_back({".", cookie_dot, false, self});
  if (cookie < cookie_dot_dot && page.size() < limit) page.push_back({"..", cookie_dot_dot, false, parent});
}

void append_children(DirectoryPage& page, const ViewDependencies& dependencies, const Caller& caller,
                     const sync::MailboxTree& tree, const sync::MailboxNode& mailbox, const ListRequest& request) {
  std::vector<const sync::MailboxNode*> children;
  for (const auto& [component, id] : mailbox.children) {
    const auto* child = tree.find(id);
    if (child && mailbox_cookie(id) > request.cookie) children.push_back(child);
  }
  std::sort(children.begin(), children.end(), [](const auto* left, const auto* right) { return left->id < right->id; });
  for (const auto* child : children) {
    if (page.size() >= request.limit) return;
    // From a readdirplus page the kernel can place a watcher without asking us again.
    if (request.plus && !caller.announcer) dependencies.seen_directories.add(child->id);
    page.push_back({child->component, mailbox_cookie(child->id), request.plus,
                    mailbox_entry(dependencies.account, dependencies.settings, *child)});
  }
}

DirectoryPage list_head(const ViewDependencies& dependencies, const Caller& caller, const sync::MailboxTree& tree,
                        const sync::MailboxNode& mailbox, const ListRequest& request) {
  DirectoryPage page;
  if (request.cookie >= message_cookie(Uid{0})) return page;
  const auto* parent = tree.find(mailbox.parent);
  append_dots(page, request.cookie, request.limit, mailbox_entry(dependencies.account, dependencies.settings, mailbox),
              mailbox_entry(dependencies.account, dependencies.settings, parent ? *parent : tree.root()));
  append_children(page, dependencies, caller, tree, mailbox, request);
  return page;
}

std::optional<Entry> find_child(const ViewDependencies& dependencies, const Caller& caller,
                                const sync::MailboxTree& tree, const sync::MailboxNode& mailbox,
                                const std::string& name) {
  const auto found = mailbox.children.find(name);
  const auto* child = found == mailbox.children.end() ? nullptr : tree.find(found->second);
  if (!child) return std::nullopt;
  if (!caller.announcer) dependencies.seen_directories.add(child->id);
  return mailbox_entry(dependencies.account, dependencies.settings, *child);
}

}  // namespace imapfs::vfs

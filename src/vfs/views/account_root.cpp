#include "vfs/views/account_root.hpp"

#include <utility>

#include "imapfs/base/on_success.hpp"
#include "vfs/nodes/entries.hpp"
#include "vfs/views/local_directory.hpp"

namespace imapfs::vfs {

void AccountRootView::lookup(const Caller& caller, const Node&, const std::string& name, Reply<Entry> reply) {
  if (const auto local = dependencies_.entries.find(MailboxId{0}, name)) {
    if (auto entry = staged_or_directory_entry(dependencies_, *local)) return reply(std::move(*entry));
  }
  if (name.starts_with('.')) {
    if (name != control_directory_name) return reply(fail(ENOENT, "no such name"));
    const NodeId node = fixed_node(FixedNode::control_directory);
    return control_.entry(Node{node, *dependencies_.nodes.resolve(node)}, std::move(reply));
  }
  auto tree = dependencies_.account.mailboxes().tree();
  if (auto child = find_child(dependencies_, caller, *tree, tree->root(), name)) return reply(std::move(*child));
  dependencies_.account.mailboxes().freshen_tree([this, caller, name, reply = std::move(reply)](Result<void>) {
    // Whether or not the check worked out: what is in the tree now is the best answer there is.
    const auto fresh = dependencies_.account.mailboxes().tree();
    if (auto child = find_child(dependencies_, caller, *fresh, fresh->root(), name)) return reply(std::move(*child));
    reply(fail(ENOENT, "no such mailbox"));
  });
}

void AccountRootView::entry(const Node&, Reply<Entry> reply) {
  reply(mailbox_entry(dependencies_.account, dependencies_.settings, dependencies_.account.mailboxes().tree()->root()));
}

void AccountRootView::open_directory(const Caller&, const Node&, Reply<OpenDirectoryResult> reply) {
  dependencies_.account.mailboxes().freshen_tree(on_success(reply, "check the mailbox list", [this, reply] {
    const auto tree = dependencies_.account.mailboxes().tree();
    const bool unchanged = versions_.unchanged(dependencies_.account.mailboxes(), tree->root());
    reply(OpenDirectoryResult{0, true, unchanged});
  }));
}

void AccountRootView::list(const Caller& caller, const Node&, const ListRequest& request, Reply<DirectoryPage> reply) {
  const auto tree = dependencies_.account.mailboxes().tree();
  auto page = list_head(dependencies_, caller, *tree, tree->root(), request);
  if (page.empty()) append_local_directories(page, dependencies_, MailboxId{0}, request);
  reply(std::move(page));
}

}  // namespace imapfs::vfs

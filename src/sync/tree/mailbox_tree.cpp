#include "imapfs/sync/mailbox_tree.hpp"

#include <algorithm>
#include <numeric>
#include <set>

#include "imapfs/model/identity.hpp"
#include "sync/tree/tree_builder.hpp"

namespace imapfs::sync {
namespace {

MailboxId next_id(MailboxId id) {
  constexpr std::uint32_t mask = (1U << 28) - 1;
  const auto next = (id.value + 1) & mask;
  return MailboxId{next == 0 ? 1 : next};
}

MailboxNode node_of(const MailboxDraft& draft, const std::string& account) {
  MailboxNode node;
  node.component = draft.component;
  node.path = draft.path;
  node.delimiter = draft.delimiter;
  node.inode = mailbox_inode(account, draft.path);
  if (draft.mailbox != nullptr) {
    node.name = is_inbox(draft.mailbox->name) ? "INBOX" : draft.mailbox->name;
    node.wire_name = draft.mailbox->wire_name;
    node.selectable = draft.mailbox->selectable;
    node.may_have_children = draft.mailbox->may_have_children;
    node.subscribed = draft.mailbox->subscribed;
    node.special_use = draft.mailbox->special_use;
    node.status = draft.mailbox->status;
  }
  return node;
}

/// The drafts by path. Ids are given in this order, so that the same paths always get the same ids.
std::vector<std::size_t> in_path_order(const std::vector<MailboxDraft>& drafts) {
  std::vector<std::size_t> order(drafts.size() - 1);
  std::iota(order.begin(), order.end(), std::size_t{1});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return drafts[a].path < drafts[b].path; });
  return order;
}

/// The kept ids whose paths exist, each at most once.
std::map<std::string_view, MailboxId> kept_ids_of(const std::vector<MailboxDraft>& drafts,
                                                  const MailboxTree::KeptIds& kept) {
  std::map<std::string_view, MailboxId> ids;
  if (kept.empty()) return ids;
  std::set<MailboxId> taken;
  for (const auto index : in_path_order(drafts)) {
    const auto found = kept.find(drafts[index].path);
    if (found != kept.end() && found->second.value != 0 && taken.insert(found->second).second)
      ids.emplace(drafts[index].path, found->second);
  }
  return ids;
}

bool same_directory(const MailboxNode& left, const MailboxNode& right) {
  return left.path == right.path && left.parent == right.parent && left.selectable == right.selectable &&
         (!left.selectable || left.wire_name == right.wire_name);
}

std::vector<MailboxNode> missing_from(const MailboxTree& other, const MailboxTree& tree) {
  std::vector<MailboxNode> missing;
  for (const auto& [id, node] : tree.nodes()) {
    if (id.value == 0) continue;
    const auto* counterpart = other.find(id);
    if (counterpart == nullptr || !same_directory(*counterpart, node)) missing.push_back(node);
  }
  std::sort(missing.begin(), missing.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
  return missing;
}

}  // namespace

std::shared_ptr<const MailboxTree> MailboxTree::build(const std::string& account,
                                                      const std::vector<imap::Namespace>& namespaces,
                                                      const std::vector<imap::ListedMailbox>& mailboxes,
                                                      const KeptIds& kept,
                                                      const std::vector<imap::ListedMailbox>& levels) {
  std::vector<imap::ListedMailbox> with_levels;
  if (!levels.empty()) {
    with_levels.reserve(mailboxes.size() + levels.size());
    with_levels = mailboxes;
    with_levels.insert(with_levels.end(), levels.begin(), levels.end());
  }
  const MailboxTreeBuilder builder(namespaces, levels.empty() ? mailboxes : with_levels);
  const auto* const first_level = with_levels.data() + (levels.empty() ? 0 : mailboxes.size());
  const auto& drafts = builder.drafts();
  const std::shared_ptr<MailboxTree> tree(new MailboxTree);
  tree->nodes_.emplace(MailboxId{0}, node_of(drafts.front(), account));
  std::vector<MailboxId> ids(drafts.size());
  const auto kept_ids = kept_ids_of(drafts, kept);
  std::set<MailboxId> reserved;
  for (const auto& [path, id] : kept_ids) reserved.insert(id);
  // In this order parents come before their children.
  for (const auto index : in_path_order(drafts)) {
    const auto& draft = drafts[index];
    const auto own = kept_ids.find(draft.path);
    auto id = own != kept_ids.end() ? own->second : mailbox_id_candidate(account, draft.path);
    while (own == kept_ids.end() && (tree->nodes_.contains(id) || reserved.contains(id))) id = next_id(id);
    ids[index] = id;
    auto node = node_of(draft, account);
    node.id = id;
    node.parent = ids[draft.parent];
    node.kept = !levels.empty() && draft.mailbox >= first_level && draft.mailbox < first_level + levels.size();
    tree->nodes_.at(node.parent).children.emplace(node.component, id);
    if (draft.mailbox != nullptr) tree->by_wire_name_.emplace(is_inbox(node.name) ? "INBOX" : node.wire_name, id);
    tree->nodes_.emplace(id, std::move(node));
  }
  for (auto& [id, node] : tree->nodes_)
    for (const auto& [component, child] : node.children)
      node.children_hash = stable_hash(component, node.children_hash);
  return tree;
}

MailboxTree::KeptIds MailboxTree::ids_to_keep(const std::string& account) const {
  KeptIds kept;
  for (const auto& [id, node] : nodes_)
    if (id.value != 0 && id != mailbox_id_candidate(account, node.path)) kept.emplace(node.path, id);
  return kept;
}

const MailboxNode* MailboxTree::find(MailboxId id) const {
  const auto found = nodes_.find(id);
  return found == nodes_.end() ? nullptr : &found->second;
}

const MailboxNode* MailboxTree::find_path(std::string_view path) const {
  const auto* node = &root();
  while (!path.empty()) {
    const auto slash = path.find('/');
    const auto child = node->children.find(path.substr(0, slash));
    if (child == node->children.end()) return nullptr;
    node = find(child->second);
    if (slash == std::string_view::npos) return node;
    path.remove_prefix(slash + 1);
    if (path.empty()) return nullptr;
  }
  return node;
}

const MailboxNode* MailboxTree::find_wire_name(const imap::WireName& name) const {
  const auto found = by_wire_name_.find(is_inbox(name) ? "INBOX" : name);
  return found == by_wire_name_.end() ? nullptr : find(found->second);
}

TreeChange difference(const MailboxTree& before, const MailboxTree& after) {
  TreeChange change;
  change.added = missing_from(before, after);
  change.removed = missing_from(after, before);
  std::reverse(change.removed.begin(), change.removed.end());
  return change;
}

}  // namespace imapfs::sync

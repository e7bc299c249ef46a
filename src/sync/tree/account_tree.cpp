#include "sync/tree/account_tree.hpp"

#include <algorithm>
#include <utility>

#include "sync/tree/stored_listing.hpp"
#include "sync/tree/tree_paths.hpp"

namespace imapfs::sync {
namespace {

constexpr std::size_t most_kept_levels = 10'000;

/// Moves what is at `path` and below from `news` to `ours`.
void move_ours(std::vector<MailboxNode>& news, const std::optional<std::string>& path, std::vector<MailboxNode>& ours) {
  if (!path) return;
  const auto first = std::stable_partition(news.begin(), news.end(), [&](const MailboxNode& node) {
    return node.path != *path && !node.path.starts_with(*path + "/");
  });
  ours.insert(ours.end(), first, news.end());
  news.erase(first, news.end());
}

std::vector<Mailboxes::Listed> mailboxes_of(const MailboxTree& tree) {
  std::vector<Mailboxes::Listed> mailboxes;
  for (const auto& [id, node] : tree.nodes())
    if (node.selectable && !node.name.empty())
      mailboxes.push_back({{id, node.path, node.name, node.wire_name}, node.status});
  return mailboxes;
}

imap::ListedMailbox row_of(const MailboxNode& node) {
  imap::ListedMailbox row;
  row.wire_name = node.wire_name;
  row.name = node.name;
  row.delimiter = node.delimiter;
  row.selectable = node.selectable;
  row.may_have_children = node.may_have_children;
  row.subscribed = node.subscribed;
  row.special_use = node.special_use;
  row.status = node.status;
  return row;
}

}  // namespace

AccountTree::AccountTree(Dependencies dependencies) : dependencies_(dependencies) {
  state_.lock()->tree = MailboxTree::build(dependencies_.account, {}, {});
}

std::shared_ptr<const MailboxTree> AccountTree::tree() const {
  return state_.with_lock([](const State& state) { return state.tree; });
}

std::vector<imap::Namespace> AccountTree::namespaces() const {
  return state_.with_lock([](const State& state) { return state.namespaces; });
}

std::vector<imap::WireName> AccountTree::mailbox_names() const {
  std::vector<imap::WireName> names;
  const auto shown = tree();
  for (const auto& [id, node] : shown->nodes())
    if (node.selectable && !node.name.empty()) names.push_back(node.wire_name);
  return names;
}

Listing AccountTree::listing() const {
  Listing listing;
  listing.namespaces = namespaces();
  const auto shown = tree();
  for (const auto& [id, node] : shown->nodes())
    if (!node.name.empty() && !node.kept) listing.mailboxes.push_back(row_of(node));
  return listing;
}

void AccountTree::adopt_first(const Listing& listing) { replace(listing); }

void AccountTree::adopt(const Listing& listing, const OurPaths& ours) {
  const auto before = tree();
  if (ours.removed) keep_levels_above(*before, *ours.removed, listing);
  replace(listing);
  auto change = difference(*before, *tree());
  move_ours(change.removed, ours.removed, change.removed_by_us);
  // A directory that made way for the new one was removed by us, too.
  move_ours(change.removed, ours.added, change.removed_by_us);
  move_ours(change.added, ours.added, change.added_by_us);
  change.kernel_knows_ours = !ours.kernel_is_told;
  const bool empty = change.added.empty() && change.removed.empty() && change.added_by_us.empty() &&
                     change.removed_by_us.empty();
  if (!empty) dependencies_.listener.on_tree_changed(change);
}

void AccountTree::replace(const Listing& listing) {
  MailboxTree::KeptIds kept;
  std::vector<imap::ListedMailbox> levels;
  state_.with_lock([&](const State& state) {
    kept = state.kept_ids;
    for (const auto& [name, row] : state.levels) levels.push_back(row);
  });
  const auto fresh = MailboxTree::build(dependencies_.account, listing.namespaces, listing.mailboxes, kept, levels);
  const auto dropped = dependencies_.mailboxes.adopt(mailboxes_of(*fresh));
  {
    auto state = state_.lock();
    state->tree = fresh;
    // The kernel knows directories by their ids.
    state->kept_ids = fresh->ids_to_keep(dependencies_.account);
    state->namespaces = listing.namespaces;
  }
  store_listing(listing, dependencies_.store);
  for (const auto& mailbox : dropped) dependencies_.mailboxes.forget(mailbox);
}

/// Keeps the directories above `path` that are no mailboxes and have no mailbox below them any more, whether the server
/// keeps them or not.
void AccountTree::keep_levels_above(const MailboxTree& tree, const std::string& path, const Listing& left) {
  const auto end = path.rfind('/');
  const auto* node = end == std::string::npos ? nullptr : tree.find_path(std::string_view(path).substr(0, end));
  // A directory above a mailbox exists as long as the mailbox.
  for (; node != nullptr && node->id.value != 0 && !node->selectable; node = tree.find(node->parent)) {
    const auto name = server_name_of(tree, *node);
    const bool has_mailbox = name && std::any_of(left.mailboxes.begin(), left.mailboxes.end(), [&](const auto& row) {
                               return row.selectable && name->is_above(row.wire_name);
                             });
    if (!name || has_mailbox) return;
    imap::ListedMailbox row;
    row.wire_name = name->wire;
    row.name = name->name;
    row.delimiter = name->delimiter;
    row.selectable = false;
    auto state = state_.lock();
    if (state->levels.size() < most_kept_levels) state->levels.insert_or_assign(row.wire_name, row);
  }
}

void AccountTree::drop_levels_of(const Listing& listing) {
  state_.with_lock([&](State& state) {
    std::erase_if(state.levels, [&](const auto& level) {
      return lists(listing, ServerName{level.first, level.second.name, level.second.delimiter}, false);
    });
  });
}

void AccountTree::forget_level(const imap::WireName& level) { state_.lock()->levels.erase(level); }

void AccountTree::move(const MailboxNode& directory, const std::string& new_path, const ServerName& from,
                       const ServerName& to) {
  auto state = state_.lock();
  for (auto& [name, row] : std::exchange(state->levels, {})) {
    rename_row(row, from, to);
    state->levels.insert_or_assign(row.wire_name, row);
  }
  const auto before = state->tree;
  for (const auto& [id, node] : before->nodes()) {
    if (!lies_within(*before, id, directory.id)) continue;
    state->kept_ids.erase(node.path);
    state->kept_ids[new_path + node.path.substr(directory.path.size())] = id;
  }
}

}  // namespace imapfs::sync

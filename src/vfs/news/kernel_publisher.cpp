#include "vfs/news/kernel_publisher.hpp"

#include <string_view>
#include <utility>

#include "imapfs/vfs/change_publisher.hpp"
#include "imapfs/vfs/node_id.hpp"

namespace imapfs::vfs {

namespace {

constexpr auto max_single_entries = ChangePublisher::max_single_entries;

/// "Archive" of "Archive/2026"; empty at the top.
std::string directory_of(std::string_view path) {
  const auto slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? std::string_view() : path.substr(0, slash));
}

std::string name_of(std::string_view path) {
  const auto slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

/// The entry of a mailbox in the directory above it.
KernelNotifier::EntryChange entry_of(const sync::MailboxNode& directory) {
  KernelNotifier::EntryChange entry;
  entry.parent = mailbox_node(directory.parent);
  entry.directory = directory_of(directory.path);
  entry.name = directory.component;
  entry.node = mailbox_node(directory.id);
  entry.is_directory = true;
  entry.received = SteadyClock::now();
  return entry;
}

/// What users made and may have been told was not made. Nothing is announced as gone: a directory that was renamed
/// lives on as the same node.
void notify_late_change(KernelNotifier& notifier, const sync::TreeChange& change) {
  for (const auto& directory : change.removed_by_us) {
    const auto entry = entry_of(directory);
    notifier.directory_forgotten(entry);
    notifier.directory_changed(entry.parent);
  }
  for (const auto& directory : change.added_by_us) notifier.directory_changed(mailbox_node(directory.parent));
}

}  // namespace

void KernelPublisher::connect_nodes(LocalEntries* entries, const NodeResolver* nodes) {
  entries_ = entries;
  nodes_ = nodes;
}

void KernelPublisher::mailbox_changed(const MailboxChange& change) {
  KernelNotifier* notifier = notifier_;
  if (!notifier) return;
  const bool entries_wrong = modes_changed(change) || change.everything || change.removed.size() > max_single_entries ||
                             change.attributes_changed.size() > max_single_entries;
  if (entries_wrong) {
    auto directory = directory_change(change.mailbox, change.path);
    directory.received = change.received;
    notifier->directory_forgotten(directory);
    return;
  }
  for (const Uid uid : change.attributes_changed) {
    const NodeId node = kernel_node(change, uid);
    if (!held_.keep_news(node)) notifier->attributes_changed(node);
  }
  notify_entries(*notifier, change);
}

/// Where the directory of `mailbox` itself hangs.
KernelNotifier::EntryChange KernelPublisher::directory_change(MailboxId mailbox, const std::string& path) const {
  MailboxId parent;
  if (const sync::MailboxReader* mailboxes = mailboxes_) {
    const auto tree = mailboxes->tree();
    if (const auto* node = tree->find(mailbox)) parent = node->parent;
  }
  KernelNotifier::EntryChange directory;
  directory.parent = mailbox_node(parent);
  directory.directory = directory_of(path);
  directory.name = name_of(path);
  directory.node = mailbox_node(mailbox);
  directory.is_directory = true;
  return directory;
}

/// Most news of rights is of those that no mode shows.
bool KernelPublisher::modes_changed(const MailboxChange& change) {
  const sync::MailboxReader* mailboxes = mailboxes_;
  if (!change.rights_changed || !mailboxes) return false;
  const auto rights = mailboxes->rights(change.mailbox);
  unsigned forbidden = 0;
  for (const bool forbids : {rights.read_only, !rights.insert, !rights.remove_messages, !rights.create_children}) {
    forbidden = forbidden * 2 + (forbids ? 1 : 0);
  }
  return told_modes_.with_lock([&](auto& told) { return std::exchange(told[change.mailbox], forbidden) != forbidden; });
}

void KernelPublisher::notify_entries(KernelNotifier& notifier, const MailboxChange& change) const {
  KernelNotifier::EntryChange entry;
  entry.parent = mailbox_node(change.mailbox);
  entry.directory = change.path;
  entry.announce = seen_directories_.contains(change.mailbox);
  entry.received = change.received;
  notify_removed(notifier, change, entry);
  // A name nobody has seen is in no cache: for many of them, one word about the listing is enough.
  if (change.added.size() > max_single_entries) return notifier.directory_changed(entry.parent);
  for (const auto& added : change.added) {
    entry.name = added.file_name;
    entry.node = kernel_node(change, added.uid);
    notifier.entry_added(entry);
  }
}

void KernelPublisher::notify_removed(KernelNotifier& notifier, const MailboxChange& change,
                                     KernelNotifier::EntryChange entry) const {
  for (const auto& removed : change.removed) {
    if (taken_by_another(change, removed)) {
      notifier.directory_changed(entry.parent);
      continue;
    }
    entry.name = removed.file_name;
    entry.node = kernel_node(change, removed.uid);
    notifier.entry_removed(entry);
  }
}

NodeId KernelPublisher::kernel_node(const MailboxChange& change, Uid uid) const {
  const NodeId own = message_node(change.mailbox, uid);
  const sync::MailboxReader* mailboxes = mailboxes_;
  const NodeResolver* nodes = nodes_;
  if (!mailboxes || !nodes || nodes->all_messages_have_their_own()) return own;
  const auto table = mailboxes->table(change.mailbox);
  const auto known = table ? nodes->kernel_node({change.mailbox, table->uid_validity(), uid}) : std::nullopt;
  return known ? known->node : own;
}

/// Whether a user's operation has made the name of a removed message stand for another file: the kernel must not drop
/// that.
bool KernelPublisher::taken_by_another(const MailboxChange& change, const MailboxChange::Entry& removed) const {
  LocalEntries* entries = entries_;
  const auto local = entries ? entries->find(change.mailbox, removed.file_name) : std::nullopt;
  if (local && (local->kind != LocalEntry::Kind::arrived || local->message.uid != removed.uid)) return true;
  if (local) entries->remove(local->node);
  const sync::MailboxReader* mailboxes = mailboxes_;
  const auto table = mailboxes ? mailboxes->table(change.mailbox) : nullptr;
  const auto now = table ? table->find_by_name(removed.file_name) : std::nullopt;
  return now && now->uid != removed.uid;
}

void KernelPublisher::name_gone(MailboxId mailbox, const std::string& name, NodeId node) const {
  KernelNotifier* notifier = notifier_;
  const sync::MailboxReader* mailboxes = mailboxes_;
  if (!notifier || !mailboxes) return;
  KernelNotifier::EntryChange entry;
  entry.parent = mailbox_node(mailbox);
  const auto tree = mailboxes->tree();
  if (const auto* directory = tree->find(mailbox)) entry.directory = directory->path;
  entry.name = name;
  entry.node = node;
  entry.announce = seen_directories_.contains(mailbox);
  entry.received = SteadyClock::now();
  notifier->entry_removed(entry);
}

void KernelPublisher::tree_changed(const sync::TreeChange& change) const {
  KernelNotifier* notifier = notifier_;
  if (!notifier) return;
  // Removed first: a mailbox that was deleted and created again is in both lists under one name.
  for (const auto& directory : change.removed) notify_directory(*notifier, directory, false);
  for (const auto& directory : change.added) notify_directory(*notifier, directory, true);
  if (!change.kernel_knows_ours) notify_late_change(*notifier, change);
}

void KernelPublisher::notify_directory(KernelNotifier& notifier, const sync::MailboxNode& directory, bool added) const {
  auto entry = entry_of(directory);
  entry.announce = seen_directories_.contains(directory.parent);
  if (added) {
    notifier.entry_added(entry);
  } else {
    notifier.entry_removed(entry);
  }
}

void KernelPublisher::file_changed(NodeId node, bool bytes) {
  KernelNotifier* notifier = notifier_;
  if (!notifier) return;
  if (!held_.keep_news(node)) notifier->forget_attributes(node);
  if (bytes) notifier->content_changed(node);
}

void KernelPublisher::release_attributes(NodeId node) {
  const bool news = held_.release(node);
  KernelNotifier* notifier = notifier_;
  if (news && notifier) notifier->attributes_changed(node);
}

}  // namespace imapfs::vfs

#include "imapfs/vfs/change_publisher.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/vfs/node_tree.hpp"
#include "vfs/nodes/local_entries.hpp"

namespace imapfs::vfs {

namespace {

/// "Archive" of "Archive/2026"; empty at the top.
std::string directory_of(std::string_view path) {
  const auto slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? std::string_view() : path.substr(0, slash));
}

std::string name_of(std::string_view path) {
  const auto slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

nlohmann::json mailbox_event(const char* event, const std::string& path) {
  return {{"event", event}, {"path", path}, {"mailbox", path}};
}

}  // namespace

void SeenDirectories::add(MailboxId mailbox) {
  seen_.with_lock([&](auto& seen) { seen.insert(mailbox); });
}

bool SeenDirectories::contains(MailboxId mailbox) const {
  if (mailbox.value == 0) return true;
  return seen_.with_lock([&](const auto& seen) { return seen.contains(mailbox); });
}

void ChangePublisher::on_mailbox_changed(const MailboxChange& change) {
  if (KernelNotifier* notifier = notifier_) notify_mailbox(*notifier, change);
  log_mailbox(change);
}

/// Where the directory of `mailbox` itself hangs.
KernelNotifier::EntryChange ChangePublisher::directory_change(MailboxId mailbox, const std::string& path) const {
  MailboxId parent;
  if (const sync::Account* account = account_) {
    const auto tree = account->tree();
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
bool ChangePublisher::modes_changed(const MailboxChange& change) {
  const sync::Account* account = account_;
  if (!change.rights_changed || !account) return false;
  const auto rights = account->rights(change.mailbox);
  unsigned forbidden = 0;
  for (const bool forbids : {rights.read_only, !rights.insert, !rights.remove_messages, !rights.create_children}) {
    forbidden = forbidden * 2 + (forbids ? 1 : 0);
  }
  return told_modes_.with_lock([&](auto& told) { return std::exchange(told[change.mailbox], forbidden) != forbidden; });
}

void ChangePublisher::notify_mailbox(KernelNotifier& notifier, const MailboxChange& change) {
  const bool entries_wrong = modes_changed(change) || change.everything || change.removed.size() > max_single_entries ||
                             change.attributes_changed.size() > max_single_entries;
  if (entries_wrong) {
    auto directory = directory_change(change.mailbox, change.path);
    directory.received = change.received;
    notifier.directory_forgotten(directory);
    return;
  }
  for (const Uid uid : change.attributes_changed) {
    const NodeId node = kernel_node(change, uid);
    if (!holds_back(node)) notifier.attributes_changed(node);
  }
  notify_entries(notifier, change);
}

void ChangePublisher::hold_attributes(NodeId node) {
  held_.with_lock([&](auto& held) { ++held[node].holders; });
}

void ChangePublisher::release_attributes(NodeId node) {
  const bool news = held_.with_lock([&](auto& held) {
    const auto found = held.find(node);
    if (found == held.end() || --found->second.holders > 0) return false;
    const bool waits = found->second.news;
    held.erase(found);
    return waits;
  });
  KernelNotifier* notifier = notifier_;
  if (news && notifier) notifier->attributes_changed(node);
}

/// The news is kept for release_attributes() then.
bool ChangePublisher::holds_back(NodeId node) {
  return held_.with_lock([&](auto& held) {
    const auto found = held.find(node);
    if (found == held.end()) return false;
    found->second.news = true;
    return true;
  });
}

NodeId ChangePublisher::kernel_node(const MailboxChange& change, Uid uid) const {
  const NodeId own = message_node(change.mailbox, uid);
  const sync::Account* account = account_;
  const LocalEntries* entries = entries_;
  if (!account || !entries || entries->no_aliases()) return own;
  const auto table = account->table(change.mailbox);
  const auto known = table ? entries->node_of({change.mailbox, table->uid_validity(), uid}) : std::nullopt;
  return known ? known->node : own;
}

/// Whether a user's operation has made the name of a removed message stand for another file: the kernel must not drop
/// that.
bool ChangePublisher::taken_by_another(const MailboxChange& change, const MailboxChange::Entry& removed) const {
  LocalEntries* entries = entries_;
  const auto local = entries ? entries->find(change.mailbox, removed.file_name) : std::nullopt;
  if (local && (local->kind != LocalEntry::Kind::arrived || local->message.uid != removed.uid)) return true;
  if (local) entries->remove(local->node);
  const sync::Account* account = account_;
  const auto table = account ? account->table(change.mailbox) : nullptr;
  const auto now = table ? table->find_by_name(removed.file_name) : std::nullopt;
  return now && now->uid != removed.uid;
}

void ChangePublisher::notify_removed(KernelNotifier& notifier, const MailboxChange& change,
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

void ChangePublisher::name_gone(MailboxId mailbox, const std::string& name, NodeId node) {
  KernelNotifier* notifier = notifier_;
  const sync::Account* account = account_;
  if (!notifier || !account) return;
  KernelNotifier::EntryChange entry;
  entry.parent = mailbox_node(mailbox);
  const auto tree = account->tree();
  if (const auto* directory = tree->find(mailbox)) entry.directory = directory->path;
  entry.name = name;
  entry.node = node;
  entry.announce = seen_directories_.contains(mailbox);
  entry.received = SteadyClock::now();
  notifier->entry_removed(entry);
}

void ChangePublisher::notify_entries(KernelNotifier& notifier, const MailboxChange& change) const {
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

void ChangePublisher::notify_directory(KernelNotifier& notifier, const sync::MailboxNode& directory, bool added) const {
  KernelNotifier::EntryChange entry;
  entry.parent = mailbox_node(directory.parent);
  entry.directory = directory_of(directory.path);
  entry.name = directory.component;
  entry.node = mailbox_node(directory.id);
  entry.is_directory = true;
  entry.announce = seen_directories_.contains(directory.parent);
  entry.received = SteadyClock::now();
  if (added) {
    notifier.entry_added(entry);
  } else {
    notifier.entry_removed(entry);
  }
}

/// What users made and may have been told was not made. Nothing is announced as gone: a directory that was renamed
/// lives on as the same node.
void ChangePublisher::notify_late_change(KernelNotifier& notifier, const sync::TreeChange& change) const {
  for (const auto& directory : change.removed_by_us) {
    KernelNotifier::EntryChange entry;
    entry.parent = mailbox_node(directory.parent);
    entry.directory = directory_of(directory.path);
    entry.name = directory.component;
    entry.node = mailbox_node(directory.id);
    entry.is_directory = true;
    entry.received = SteadyClock::now();
    notifier.directory_forgotten(entry);
    notifier.directory_changed(entry.parent);
  }
  for (const auto& directory : change.added_by_us) notifier.directory_changed(mailbox_node(directory.parent));
}

void ChangePublisher::on_tree_changed(const sync::TreeChange& change) {
  // Removed first: a mailbox that was deleted and created again is in both lists under one name.
  if (KernelNotifier* notifier = notifier_) {
    for (const auto& directory : change.removed) notify_directory(*notifier, directory, false);
    for (const auto& directory : change.added) notify_directory(*notifier, directory, true);
    if (!change.kernel_knows_ours) notify_late_change(*notifier, change);
  }
  for (const auto& directory : change.removed) events_.append(mailbox_event("mailbox-removed", directory.path));
  for (const auto& directory : change.added) events_.append(mailbox_event("mailbox-added", directory.path));
  for (const auto& directory : change.removed_by_us) events_.append(mailbox_event("mailbox-removed", directory.path));
  for (const auto& directory : change.added_by_us) events_.append(mailbox_event("mailbox-added", directory.path));
}

void ChangePublisher::on_change_refused(const std::string& operation, const std::string& path, const Error& error) {
  events_.append(
      {{"event", "refused"}, {"operation", operation}, {"path", path}, {"reason", telemetry::printable(error.what)}});
}

void ChangePublisher::file_changed(NodeId node, bool octets) {
  KernelNotifier* notifier = notifier_;
  if (!notifier) return;
  if (!holds_back(node)) notifier->forget_attributes(node);
  if (octets) notifier->content_changed(node);
}

void ChangePublisher::on_online(bool online, const std::string& reason) {
  nlohmann::json event = {{"event", online ? "online" : "offline"}};
  if (!reason.empty()) event["reason"] = telemetry::printable(reason);
  events_.append(event);
}

void ChangePublisher::log_mailbox(const MailboxChange& change) {
  if (change.everything) events_.append(mailbox_event("reset", change.path));
  log_entries(change, "removed", change.removed);
  log_entries(change, "added", change.added);
  log_entries(change, "removed", change.removed_by_us);
  log_entries(change, "added", change.added_by_us);
  log_uids(change, "size", change.attributes_changed);
  log_uids(change, "flags", change.flags_changed);
}

void ChangePublisher::log_entries(const MailboxChange& change, const char* event,
                                  const std::vector<MailboxChange::Entry>& entries) {
  if (entries.size() > max_single_entries) return events_.append(mailbox_event("overflow", change.path));
  for (const auto& entry : entries) {
    events_.append({{"event", event},
                    {"path", fmt::format("{}/{}", change.path, entry.file_name)},
                    {"mailbox", change.path},
                    {"uid", entry.uid.value}});
  }
}

void ChangePublisher::log_uids(const MailboxChange& change, const char* event, const std::vector<Uid>& uids) {
  if (uids.empty()) return;
  if (uids.size() > max_single_entries) return events_.append(mailbox_event("overflow", change.path));
  const sync::Account* account = account_;
  const auto table = account ? account->table(change.mailbox) : nullptr;
  std::vector<MailboxChange::Entry> named;
  for (const Uid uid : uids) {
    const auto message = table ? table->find(uid) : std::nullopt;
    // Gone again in the meantime: "removed" follows or was said.
    if (message) named.push_back({uid, message->file_name});
  }
  log_entries(change, event, named);
}

}  // namespace imapfs::vfs

#pragma once
// What the kernel is told: which names came and went, which attributes and pages are out of date.
//
// Exists before the account, the nodes and the mount, and outlives them; as long as one of them is not connected, the
// kernel is told less or nothing. Any thread; holds no lock while it calls the notifier.

#include <atomic>
#include <string>
#include <unordered_map>

#include "imapfs/base/concurrency.hpp"
#include "imapfs/sync/change_listener.hpp"
#include "imapfs/sync/mailbox_reader.hpp"
#include "imapfs/vfs/kernel_notifier.hpp"
#include "vfs/news/held_attributes.hpp"
#include "vfs/news/seen_directories.hpp"
#include "vfs/nodes/node_meaning.hpp"

namespace imapfs::vfs {

class KernelPublisher {
 public:
  using MailboxChange = sync::ChangeListener::MailboxChange;

  // Null before what was connected is destroyed: see ChangePublisher.
  void connect_mailboxes(const sync::MailboxReader* mailboxes) { mailboxes_ = mailboxes; }
  void connect_notifier(KernelNotifier* notifier) { notifier_ = notifier; }
  void connect_nodes(LocalEntries* entries, const NodeResolver* nodes);

  void mailbox_changed(const MailboxChange& change);
  void tree_changed(const sync::TreeChange& change) const;
  /// A name that the kernel knows has gone with no news of it from the account: a change that was refused, or another
  /// name of the message that was removed.
  void name_gone(MailboxId mailbox, const std::string& name, NodeId node) const;
  /// What the kernel knows of a file has changed by an upload: its attributes, and its bytes too if `bytes`. It asks
  /// for the attributes again from the moment this returns; pages go a moment later.
  void file_changed(NodeId node, bool bytes);
  /// From here on the kernel is not told that the file's size was corrected, but at release_attributes(). Counted; why:
  /// HeldAttributes.
  void hold_attributes(NodeId node) { held_.hold(node); }
  void release_attributes(NodeId node);

  [[nodiscard]] SeenDirectories& seen_directories() { return seen_directories_; }

 private:
  [[nodiscard]] bool modes_changed(const MailboxChange& change);
  [[nodiscard]] NodeId kernel_node(const MailboxChange& change, Uid uid) const;
  [[nodiscard]] bool taken_by_another(const MailboxChange& change, const MailboxChange::Entry& removed) const;
  [[nodiscard]] KernelNotifier::EntryChange directory_change(MailboxId mailbox, const std::string& path) const;
  void notify_removed(KernelNotifier& notifier, const MailboxChange& change, KernelNotifier::EntryChange entry) const;
  void notify_entries(KernelNotifier& notifier, const MailboxChange& change) const;
  void notify_directory(KernelNotifier& notifier, const sync::MailboxNode& directory, bool added) const;

  std::atomic<const sync::MailboxReader*> mailboxes_ = nullptr;
  std::atomic<KernelNotifier*> notifier_ = nullptr;
  std::atomic<LocalEntries*> entries_ = nullptr;
  std::atomic<const NodeResolver*> nodes_ = nullptr;
  /// What the modes of a mailbox's files were made of when the kernel was last told; absent: everything allowed.
  Guarded<std::unordered_map<MailboxId, unsigned>> told_modes_;
  HeldAttributes held_;
  SeenDirectories seen_directories_;
};

}  // namespace imapfs::vfs

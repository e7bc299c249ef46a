#pragma once
// News on its way up: what sync says has changed becomes notifications of the kernel and lines of /.imapfs/events.
//
// Exists before the account and the mount (SyncEngine::create needs it) and outlives both; connect() them when they are
// there. Before that, changes only go to the event log. Called on sync's threads; holds no lock while it calls.

#include <atomic>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "imapfs/base/concurrency.hpp"
#include "imapfs/sync/account.hpp"
#include "imapfs/vfs/event_log.hpp"
#include "imapfs/vfs/kernel_notifier.hpp"
#include "imapfs/vfs/types.hpp"

namespace imapfs::vfs {

/// The directories the kernel has heard of: only there can be a watcher, so only there inotify events are raised.
class SeenDirectories {
 public:
  void add(MailboxId mailbox);
  /// The root is always of interest.
  [[nodiscard]] bool contains(MailboxId mailbox) const;

 private:
  Guarded<std::unordered_set<MailboxId>> seen_;
};

class LocalEntries;

class ChangePublisher : public sync::ChangeListener {
 public:
  /// More entries than this in one change become one directory-wide notification and one "overflow" line.
  static constexpr std::size_t max_single_entries = 1000;

  void connect_account(const sync::Account* account) { account_ = account; }
  /// Null before the notifier is destroyed; a call in progress on another thread must have ended (stop the account
  /// first).
  void connect_notifier(KernelNotifier* notifier) { notifier_ = notifier; }
  /// Names that no table knows, and the nodes by which the kernel knows messages. Null before they are destroyed, as
  /// with the notifier.
  void connect_entries(LocalEntries* entries) { entries_ = entries; }

  /// A name that the kernel knows has gone with no news of it from the account: a change that was refused, or another
  /// name of the message that was removed.
  void name_gone(MailboxId mailbox, const std::string& name, NodeId node);

  /// From here on the kernel is not told that the file's size was corrected, but at release_attributes(). Counted.
  ///
  /// A READ that comes back short makes the kernel shorten the file, unless its attributes were invalidated while the
  /// READ was under way: then the reader would get zeros up to the size it was shown.
  void hold_attributes(NodeId node);
  void release_attributes(NodeId node);

  /// What the kernel knows of a file has changed by an upload: its attributes, and its octets too if `octets`. It asks
  /// for the attributes again from the moment this returns; pages go a moment later.
  void file_changed(NodeId node, bool octets);

  void on_mailbox_changed(const MailboxChange& change) override;
  void on_tree_changed(const sync::TreeChange& change) override;
  void on_online(bool online, const std::string& reason) override;
  void on_change_refused(const std::string& operation, const std::string& path, const Error& error) override;

  [[nodiscard]] EventLog& events() { return events_; }
  [[nodiscard]] SeenDirectories& interest() { return seen_directories_; }

 private:
  void notify_mailbox(KernelNotifier& notifier, const MailboxChange& change);
  [[nodiscard]] bool holds_back(NodeId node);
  [[nodiscard]] bool modes_changed(const MailboxChange& change);
  void notify_removed(KernelNotifier& notifier, const MailboxChange& change, KernelNotifier::EntryChange entry) const;
  [[nodiscard]] NodeId kernel_node(const MailboxChange& change, Uid uid) const;
  [[nodiscard]] bool taken_by_another(const MailboxChange& change, const MailboxChange::Entry& removed) const;
  void notify_entries(KernelNotifier& notifier, const MailboxChange& change) const;
  void notify_late_change(KernelNotifier& notifier, const sync::TreeChange& change) const;
  void notify_directory(KernelNotifier& notifier, const sync::MailboxNode& directory, bool added) const;
  [[nodiscard]] KernelNotifier::EntryChange directory_change(MailboxId mailbox, const std::string& path) const;
  void log_mailbox(const MailboxChange& change);
  void log_entries(const MailboxChange& change, const char* event, const std::vector<MailboxChange::Entry>& entries);
  void log_uids(const MailboxChange& change, const char* event, const std::vector<Uid>& uids);

  std::atomic<const sync::Account*> account_ = nullptr;
  std::atomic<KernelNotifier*> notifier_ = nullptr;
  std::atomic<LocalEntries*> entries_ = nullptr;
  /// What the modes of a mailbox's files were made of when the kernel was last told; absent: everything allowed.
  Guarded<std::unordered_map<MailboxId, unsigned>> told_modes_;
  struct HeldAttributes {
    int holders = 0;
    bool news = false;
  };
  Guarded<std::unordered_map<NodeId, HeldAttributes>> held_;
  EventLog events_;
  SeenDirectories seen_directories_;
};

}  // namespace imapfs::vfs

#pragma once
// News on its way up: what sync says has changed becomes notifications of the kernel and lines of /.imapfs/events.
//
// Exists before the account and the mount (the account needs a listener) and outlives both; connect() them when they
// are there. Before that, changes only go to the event log. Called on sync's threads; holds no lock while it calls.

#include <cstddef>
#include <memory>
#include <string>

#include "imapfs/sync/change_listener.hpp"
#include "imapfs/sync/mailbox_reader.hpp"
#include "imapfs/vfs/kernel_notifier.hpp"

namespace imapfs::vfs {

class EventLog;
class KernelPublisher;

class ChangePublisher : public sync::ChangeListener {
 public:
  /// More entries than this in one change become one directory-wide notification and one "overflow" line.
  static constexpr std::size_t max_single_entries = 1000;

  ChangePublisher();
  ~ChangePublisher() override;
  ChangePublisher(const ChangePublisher&) = delete;
  ChangePublisher& operator=(const ChangePublisher&) = delete;

  void connect_mailboxes(const sync::MailboxReader* mailboxes);
  /// Null before the notifier is destroyed; a call in progress on another thread must have ended (stop the account
  /// first).
  void connect_notifier(KernelNotifier* notifier);

  void on_mailbox_changed(const MailboxChange& change) override;
  void on_tree_changed(const sync::TreeChange& change) override;
  void on_online(bool online, const std::string& reason) override;
  void on_change_refused(const std::string& operation, const std::string& path, const Error& error) override;

  // For the rest of vfs, which tells the kernel and the log what the account does not know.
  [[nodiscard]] EventLog& events();
  [[nodiscard]] KernelPublisher& kernel();

 private:
  struct Parts;
  const std::unique_ptr<Parts> parts_;
};

}  // namespace imapfs::vfs

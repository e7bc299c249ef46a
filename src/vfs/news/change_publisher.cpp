#include "imapfs/vfs/change_publisher.hpp"

#include "vfs/news/event_log.hpp"
#include "vfs/news/event_writer.hpp"
#include "vfs/news/kernel_publisher.hpp"

namespace imapfs::vfs {

struct ChangePublisher::Parts {
  KernelPublisher kernel;
  EventLog events;
  EventWriter writer{events};
};

ChangePublisher::ChangePublisher() : parts_(std::make_unique<Parts>()) {}

ChangePublisher::~ChangePublisher() = default;

void ChangePublisher::connect_mailboxes(const sync::MailboxReader* mailboxes) {
  parts_->kernel.connect_mailboxes(mailboxes);
  parts_->writer.connect_mailboxes(mailboxes);
}

void ChangePublisher::connect_notifier(KernelNotifier* notifier) { parts_->kernel.connect_notifier(notifier); }

void ChangePublisher::on_mailbox_changed(const MailboxChange& change) {
  parts_->kernel.mailbox_changed(change);
  parts_->writer.mailbox_changed(change);
}

void ChangePublisher::on_tree_changed(const sync::TreeChange& change) {
  parts_->kernel.tree_changed(change);
  parts_->writer.tree_changed(change);
}

void ChangePublisher::on_online(bool online, const std::string& reason) { parts_->writer.online(online, reason); }

void ChangePublisher::on_change_refused(const std::string& operation, const std::string& path, const Error& error) {
  parts_->writer.change_refused(operation, path, error);
}

EventLog& ChangePublisher::events() { return parts_->events; }

KernelPublisher& ChangePublisher::kernel() { return parts_->kernel; }

}  // namespace imapfs::vfs

#pragma once
// /MAILBOX/.deleted: messages flagged \Deleted that are still there. Its files are the messages themselves. What is in
// it is never cached by the kernel: flags change without news of names here.

#include "vfs/views/directory_listing.hpp"
#include "vfs/views/view.hpp"

namespace imapfs::vfs {

/// The directory .deleted of a mailbox.
[[nodiscard]] Entry deleted_directory_entry(const ViewDependencies& dependencies, const sync::MailboxNode& mailbox);

class DeletedView : public View {
 public:
  explicit DeletedView(const ViewDependencies& dependencies) : dependencies_(dependencies) {}

  void lookup(const Caller& caller, const Node& parent, const std::string& name, Reply<Entry> reply) override;
  void entry(const Node& node, Reply<Entry> reply) override;
  [[nodiscard]] NodeId parent(const Node& node) const override { return mailbox_node(node.meaning.mailbox); }
  void open_directory(const Caller& caller, const Node& node, Reply<OpenDirectoryResult> reply) override;
  /// Waits until the whole mailbox is known.
  void list(const Caller& caller, const Node& node, const ListRequest& request, Reply<DirectoryPage> reply) override;

 private:
  [[nodiscard]] DirectoryPage page(const sync::MailboxNode& mailbox, const sync::MessageTable& table,
                                   const ListRequest& request) const;

  const ViewDependencies dependencies_;
};

}  // namespace imapfs::vfs

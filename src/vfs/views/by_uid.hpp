#pragma once
// /MAILBOX/.uid: the messages of the mailbox by their UIDs alone, as 4711.eml. Its files are the messages themselves,
// to be read and written; its names are not given, taken or removed. They are found also in a mailbox that was never
// listed. Nothing of it is cached by the kernel: news of a message names it as the mailbox lists it.

#include "vfs/views/directory_listing.hpp"
#include "vfs/views/view.hpp"

namespace imapfs::vfs {

/// The directory .uid of a mailbox.
[[nodiscard]] Entry uid_directory_entry(const ViewDependencies& dependencies, const sync::MailboxNode& mailbox);

class ByUidView : public View {
 public:
  explicit ByUidView(const ViewDependencies& dependencies) : dependencies_(dependencies) {}

  void lookup(const Caller& caller, const Node& parent, const std::string& name, Reply<Entry> reply) override;
  void entry(const Node& node, Reply<Entry> reply) override;
  [[nodiscard]] NodeId parent(const Node& node) const override { return mailbox_node(node.meaning.mailbox); }
  void open_directory(const Caller& caller, const Node& node, Reply<OpenDirectoryResult> reply) override;
  /// Those that the mailbox lists.
  void list(const Caller& caller, const Node& node, const ListRequest& request, Reply<DirectoryPage> reply) override;

 private:
  [[nodiscard]] DirectoryPage page(const sync::MailboxNode& mailbox, const sync::MessageTable& table,
                                   const ListRequest& request, bool& at_end) const;

  const ViewDependencies dependencies_;
};

}  // namespace imapfs::vfs

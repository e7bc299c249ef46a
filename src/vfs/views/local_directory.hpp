#pragma once
// A local directory (local_directories.hpp): its local entries, after the messages of the mailbox that it shows, if
// any. What the kernel sees of those is not cached here: news of them names them in their mailbox.

#include "vfs/views/directory_listing.hpp"
#include "vfs/views/view.hpp"

namespace imapfs::vfs {

/// The entry of a local entry that is a directory or a staged file; nothing for others, and for a file that is gone.
[[nodiscard]] std::optional<Entry> staged_or_directory_entry(const ViewDependencies& dependencies,
                                                             const LocalEntry& local);
/// Local directories of a directory of the mailbox tree that are listed after `page`'s last entry, up to `limit` in
/// all.
void append_local_directories(DirectoryPage& page, const ViewDependencies& dependencies, MailboxId mailbox,
                              const ListRequest& request);

class LocalDirectoryView : public View {
 public:
  explicit LocalDirectoryView(const ViewDependencies& dependencies) : dependencies_(dependencies) {}

  void lookup(const Caller& caller, const Node& parent, const std::string& name, Reply<Entry> reply) override;
  void entry(const Node& node, Reply<Entry> reply) override;
  [[nodiscard]] NodeId parent(const Node& node) const override;
  void open_directory(const Caller& caller, const Node& node, Reply<OpenDirectoryResult> reply) override;
  void list(const Caller& caller, const Node& node, const ListRequest& request, Reply<DirectoryPage> reply) override;

 private:
  [[nodiscard]] std::optional<Entry> message_entry(MailboxId mailbox, const std::string& name) const;
  void append_messages(DirectoryPage& page, MailboxId mailbox, const ListRequest& request) const;

  const ViewDependencies dependencies_;
};

}  // namespace imapfs::vfs

#pragma once
// A mailbox as a directory: its child mailboxes, then its messages, then local entries. The places of .search, .text,
// .parts, .deleted and .uid are names in lookup().
//
// A name is given out once: staged files and messages on their way (pending) come before a message of that name, which
// is them already or about to be replaced; what has arrived gives way to the row of the table as soon as there is one.

#include "vfs/views/directory_listing.hpp"
#include "vfs/views/listing_versions.hpp"
#include "vfs/views/view.hpp"

namespace imapfs::vfs {

class MailboxView : public View {
 public:
  explicit MailboxView(const ViewDependencies& dependencies) : dependencies_(dependencies) {}

  void lookup(const Caller& caller, const Node& parent, const std::string& name, Reply<Entry> reply) override;
  void entry(const Node& node, Reply<Entry> reply) override;
  [[nodiscard]] NodeId parent(const Node& node) const override;
  /// Starts the first sync or brings the mailbox up to date.
  void open_directory(const Caller& caller, const Node& node, Reply<OpenDirectoryResult> reply) override;
  /// Hands out what the table holds up to its frontier and waits only when that is nothing.
  void list(const Caller& caller, const Node& node, const ListRequest& request, Reply<DirectoryPage> reply) override;
  void xattr(const Node& node, const std::string& name, Reply<std::string> reply) override;
  [[nodiscard]] std::vector<std::string> xattr_names(const Node& node) const override;

 private:
  struct Listing;
  void list_messages(const std::shared_ptr<Listing>& listing);
  [[nodiscard]] Result<DirectoryPage> message_page(Listing& listing, bool& at_end) const;
  void append_local(DirectoryPage& page, MailboxId mailbox, std::uint64_t after, const Listing& listing) const;
  [[nodiscard]] std::optional<Entry> local_entry(const sync::MailboxNode& mailbox, const LocalEntry& local) const;

  const ViewDependencies dependencies_;
  ListingVersions versions_;
};

}  // namespace imapfs::vfs

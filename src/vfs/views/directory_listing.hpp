#pragma once
// The parts of a listing that every directory of the mailbox tree has: "." and "..", then child mailboxes.

#include <memory>

#include "imapfs/base/concurrency.hpp"
#include "imapfs/sync/account.hpp"
#include "imapfs/vfs/types.hpp"
#include "vfs/news/seen_directories.hpp"
#include "vfs/nodes/node_meaning.hpp"

namespace imapfs::vfs {

class Staging;

/// What the views share. References outlive the views.
struct ViewDependencies {
  sync::Account& account;
  const Settings& settings;
  SeenDirectories& seen_directories;
  LocalEntries& entries;
  NodeResolver& nodes;
  Staging* staging;  ///< null where nothing can be written
};

/// A message that is being written looks as it is here, not as the server has it.
void show_staged_content(const ViewDependencies& dependencies, Entry& entry);

/// "." and ".." beyond `cookie`, up to `limit` entries in all.
void append_dots(DirectoryPage& page, std::uint64_t cookie, std::size_t limit, const Entry& self, const Entry& parent);

/// Child mailboxes beyond `cookie` in ascending order of their ids, up to `limit` entries in all.
void append_children(DirectoryPage& page, const ViewDependencies& dependencies, const Caller& caller,
                     const sync::MailboxTree& tree, const sync::MailboxNode& mailbox, const ListRequest& request);

/// The head of a listing: dots and child mailboxes after request.cookie. Empty once they have all been given.
[[nodiscard]] DirectoryPage list_head(const ViewDependencies& dependencies, const Caller& caller,
                                      const sync::MailboxTree& tree, const sync::MailboxNode& mailbox,
                                      const ListRequest& request);

/// The child mailbox called `name`, if there is one; counts as seen when a user asks.
[[nodiscard]] std::optional<Entry> find_child(const ViewDependencies& dependencies, const Caller& caller,
                                              const sync::MailboxTree& tree, const sync::MailboxNode& mailbox,
                                              const std::string& name);

/// Remembers what each directory held when it was last opened, so that opendir can tell the kernel whether its cached
/// listing is exact. One number per mailbox. Thread-safe.
class ListingVersions {
 public:
  /// True if nothing changed since the last call for this mailbox.
  [[nodiscard]] bool unchanged(const sync::Account& account, const sync::MailboxNode& mailbox);

 private:
  Guarded<std::unordered_map<MailboxId, std::uint64_t>> seen_;
};

}  // namespace imapfs::vfs

#pragma once
// The parts of a listing that every directory of the mailbox tree has: "." and "..", then child mailboxes.
//
// Functions of what is in memory; any thread.

#include <optional>
#include <string>

#include "imapfs/vfs/types.hpp"
#include "vfs/views/view_dependencies.hpp"

namespace imapfs::vfs {

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

}  // namespace imapfs::vfs

#pragma once
// Paths of directories in the tree. Pure functions; any thread.

#include <string>

#include "imapfs/sync/mailbox_tree.hpp"

namespace imapfs::sync {

/// Whether the directory is `ancestor` or below it.
[[nodiscard]] bool lies_within(const MailboxTree& tree, MailboxId id, MailboxId ancestor);

[[nodiscard]] std::string path_below(const MailboxNode& parent, const std::string& component);

}  // namespace imapfs::sync

#pragma once
// Maps directories of the tree to names of mailboxes on the server.
//
// Pure functions of their arguments; any thread.

#include <optional>
#include <string>
#include <vector>

#include "imapfs/base/result.hpp"
#include "imapfs/imap/session.hpp"
#include "imapfs/sync/mailbox_tree.hpp"

namespace imapfs::sync {

struct ServerName {
  imap::WireName wire;
  std::string name;    ///< UTF-8
  char delimiter = 0;  ///< 0: no hierarchy

  /// Whether `other`, a wire name, is below this one.
  [[nodiscard]] bool is_above(const imap::WireName& other) const;
  bool operator==(const ServerName&) const = default;
};

/// The name of a directory; that of a mere level follows from the names below it. Nothing for the root, and for a level
/// whose descendants do not agree with it.
[[nodiscard]] std::optional<ServerName> server_name_of(const MailboxTree& tree, const MailboxNode& directory);

/// The name for a new mailbox `component` in `parent`; in the root it gets the personal namespace's prefix. EINVAL if
/// no mailbox can have this name (it would be two levels, or would not map back to this component). ENAMETOOLONG.
/// EEXIST for INBOX in any case. EPERM if nothing can be below `parent`.
[[nodiscard]] Result<ServerName> server_name_below(const MailboxTree& tree,
                                                   const std::vector<imap::Namespace>& namespaces,
                                                   const MailboxNode& parent, const std::string& component);

/// Renames `row` of LIST as RENAME of `from` to `to` does; false if it is another mailbox's.
bool rename_row(imap::ListedMailbox& row, const ServerName& from, const ServerName& to);

}  // namespace imapfs::sync

#pragma once
// From directories of the tree to names of mailboxes on the server.
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
  char delimiter = 0;  ///< 0: flat

  /// Whether `other`, a wire name, lies below this one.
  [[nodiscard]] bool is_above(const imap::WireName& other) const;
  bool operator==(const ServerName&) const = default;
};

/// The name of a directory, of one that is only a level too: it follows from the names below it. Nothing for the root,
/// and for a level whose descendants do not agree with it.
[[nodiscard]] std::optional<ServerName> server_name_of(const MailboxTree& tree, const MailboxNode& directory);

/// What a new mailbox `component` in `parent` must be called; in the root it gets the personal namespace's prefix.
/// EINVAL: no mailbox can have this name (it would be two levels, or does not come back as this component).
/// ENAMETOOLONG. EEXIST: INBOX in any case. EPERM: there cannot be anything below `parent`.
[[nodiscard]] Result<ServerName> server_name_below(const MailboxTree& tree,
                                                   const std::vector<imap::Namespace>& namespaces,
                                                   const MailboxNode& parent, const std::string& component);

/// `row` of LIST after RENAME of `from` to `to`; false if it is about another mailbox.
bool rename_row(imap::ListedMailbox& row, const ServerName& from, const ServerName& to);

}  // namespace imapfs::sync

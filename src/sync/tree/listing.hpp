#pragma once
// The list of mailboxes as the server gives it: namespaces, and the rows of LIST of all of them.
//
// Free functions without state; list_mailboxes() blocks within its CallContext.

#include <vector>

#include "imapfs/imap/session.hpp"
#include "sync/tree/server_names.hpp"

namespace imapfs::sync {

struct Listing {
  std::vector<imap::Namespace> namespaces;
  std::vector<imap::ListedMailbox> mailboxes;
};

/// Asks the server. What is known is of the last listing that was believed: prefixes that names still have are not
/// gone, and a list that cannot be meant beside it is an Error (listing_check.hpp).
[[nodiscard]] Result<Listing> list_mailboxes(imap::Session& session, const std::vector<imap::WireName>& known_names,
                                             const std::vector<imap::Namespace>& known_spaces,
                                             const CallContext& context);

/// Whether the listing holds `name` as a mailbox, or, unless it has to be `selectable`, as a level or above another.
[[nodiscard]] bool lists(const Listing& listing, const ServerName& name, bool selectable);

/// Names of the selectable ones.
[[nodiscard]] std::vector<imap::WireName> selectable_names(const Listing& listing);

}  // namespace imapfs::sync

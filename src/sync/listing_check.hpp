#pragma once
// Whether an answer to LIST can be meant, before directories disappear by it.
//
// INBOX is always there (RFC 9051 §5.1): a list without it, of an account that has one, is no answer, nor is one
// without any row. If more than half of the mailboxes that are known are missing at once, some of them are asked for
// by name.

#include <vector>

#include "imapfs/imap/session.hpp"

namespace imapfs::sync {

/// EIO, scope mailbox, Retry::later for a list that is not to be believed; else Errors of the session. `known`:
/// selectable mailboxes by the last list that was believed.
[[nodiscard]] Result<void> check_listing(const std::vector<imap::ListedMailbox>& listed,
                                         const std::vector<imap::WireName>& known, imap::Session& session,
                                         const CallContext& context);

}  // namespace imapfs::sync

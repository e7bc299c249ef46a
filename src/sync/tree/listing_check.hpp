#pragma once
// Whether an answer to LIST can be meant, before directories disappear by it.
//
// INBOX is always there (RFC 9051 §5.1): a list without it, of an account that has one, is no answer, nor is one
// without any row. If more than a few of the mailboxes that are known are missing at once, or all of a namespace, some
// of them are asked for by name. That a namespace cannot be listed says nothing of what is in it.

#include <set>
#include <vector>

#include "imapfs/imap/session.hpp"

namespace imapfs::sync {

/// EIO, scope mailbox, Retry::later for a list that is not to be believed; else Errors of the session. `known`:
/// selectable mailboxes by the last list that was believed.
[[nodiscard]] Result<void> check_listing(const std::vector<imap::ListedMailbox>& listed,
                                         const std::vector<imap::WireName>& known,
                                         const std::vector<imap::Namespace>& namespaces, imap::Session& session,
                                         const CallContext& context);

/// The list of `space` was refused: the same Error if mailboxes are known there.
[[nodiscard]] Result<void> check_refusal(const imap::Namespace& space, const std::vector<imap::WireName>& known,
                                         const Error& refusal);

/// Whether any of them has a prefix: one without is what a server has that tells of none.
[[nodiscard]] bool has_prefix(const std::vector<imap::Namespace>& namespaces);
/// Whether any of `names` lies below a prefix of `namespaces`.
[[nodiscard]] bool are_prefixes_of(const std::vector<imap::Namespace>& namespaces,
                                   const std::set<imap::WireName>& names);

}  // namespace imapfs::sync

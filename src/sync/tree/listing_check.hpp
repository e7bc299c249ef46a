#pragma once
// Whether an answer to LIST is plausible; checked before directories disappear because of it.
//
// INBOX always exists (RFC 9051 §5.1): a list without it, for an account that has had one, is rejected, and so is an
// empty list. If more than a few known mailboxes are missing at once, or all of a namespace, some of them are asked for
// by name. If a namespace cannot be listed, that says nothing about its mailboxes.

#include <set>
#include <vector>

#include "imapfs/imap/session.hpp"

namespace imapfs::sync {

/// EIO, scope mailbox, Retry::later for a list that is not believed; else Errors of the session. `known`: selectable
/// mailboxes of the last accepted list.
[[nodiscard]] Result<void> check_listing(const std::vector<imap::ListedMailbox>& listed,
                                         const std::vector<imap::WireName>& known,
                                         const std::vector<imap::Namespace>& namespaces, imap::Session& session,
                                         const CallContext& context);

/// The server refused to list `space`: EIO as above if mailboxes are known there; the refusal itself if the connection
/// is lost.
[[nodiscard]] Result<void> check_refusal(const imap::Namespace& space, const std::vector<imap::WireName>& known,
                                         const Error& refusal);

/// Whether any namespace has a prefix. A server without NAMESPACE has a single one without.
[[nodiscard]] bool has_prefix(const std::vector<imap::Namespace>& namespaces);
/// Whether any of `names` is below a prefix of `namespaces`.
[[nodiscard]] bool are_prefixes_of(const std::vector<imap::Namespace>& namespaces,
                                   const std::set<imap::WireName>& names);

}  // namespace imapfs::sync

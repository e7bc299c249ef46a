#pragma once
// What the kinds of changes mean: for flags, for where messages are listed, and for people.
//
// Functions without state; any thread, but select_read_write(), which is for whoever holds the session.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "imapfs/imap/session_pool.hpp"
#include "imapfs/store/journal.hpp"
#include "imapfs/sync/sync_settings.hpp"
#include "sync/mailbox/mailbox.hpp"

namespace imapfs::sync {

/// RFC 9051 §6.3.2: only SELECT lets anything be changed; a session that has EXAMINEd the mailbox must select again.
/// What the server said of it, for the caller to note; nothing if the session had it selected for changes already.
[[nodiscard]] Result<std::optional<imap::SelectedMailbox>> select_read_write(imap::Session& session,
                                                                             const imap::WireName& mailbox,
                                                                             const CallContext& context);

/// What STORE makes of `flags`.
[[nodiscard]] FlagSet apply_flags(FlagSet flags, const FlagChange& change);
[[nodiscard]] FlagChange deleted_flag(FlagChange::Kind kind);
/// Our copy shows what STORE has done to these messages; the caller publishes.
void take_flag_change(MailboxReplica& replica, const UidSet& uids, const FlagChange& change);

/// Whether the message is not listed any more once this change is accepted.
[[nodiscard]] bool takes_away(const store::JournalChange& change);
/// Whether it takes \Deleted away.
[[nodiscard]] bool is_restore(const store::JournalChange& change);
/// "remove", "move", "copy", "upload", "expunge", "restore".
[[nodiscard]] std::string operation_of(const store::JournalChange& change);

/// What a mailbox is called after `from` was renamed to `to`.
[[nodiscard]] std::string renamed_mailbox(const std::string& name, const std::string& from, const std::string& to,
                                          char delimiter);

}  // namespace imapfs::sync

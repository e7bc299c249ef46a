#pragma once
// Small things that accepting, carrying out and ending of changes share.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "imapfs/imap/session_pool.hpp"
#include "imapfs/store/journal.hpp"
#include "imapfs/sync/sync_engine.hpp"
#include "sync/mailbox/mailbox.hpp"

namespace imapfs::sync {

/// Keeps new rows of a destination held back for as long as somebody may still have to say which of them are ours.
/// Destroyed without a lock held.
class ArrivalGuard {
 public:
  explicit ArrivalGuard(MailboxPointer destination);
  ~ArrivalGuard();
  ArrivalGuard(const ArrivalGuard&) = delete;
  ArrivalGuard& operator=(const ArrivalGuard&) = delete;

 private:
  const MailboxPointer destination_;
};

/// What batches and uploads need of the rest.
struct ChangeTools {
  store::Journal& journal;
  SteadyClock::duration timeout;
  /// Messages that changes of ours have brought, as far as is remembered: no other change has brought those.
  std::function<bool(const store::JournalLocation&)> is_ours;
  /// Makes it one of them. False if it was one: somebody else has found it.
  std::function<bool(const store::JournalLocation&)> claim;
  /// The highest of them, or 0.
  std::function<Uid(const std::string& mailbox, UidValidity validity)> highest_of_ours;
  /// The UIDs of the mailbox stand for other messages than its rows say.
  std::function<void(const MailboxPointer&)> list_anew;
};

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

/// Why an upload that has arrived leaves its file where it was: that holds a later version.
[[nodiscard]] Error changed_since_sent();

/// Where a server puts what is removed (RFC 6154); empty if it has no such place.
[[nodiscard]] std::string trash_mailbox(const MailboxTree& tree);

/// How a message is removed.
enum class Removal : std::uint8_t { flag, trash, expunge };
[[nodiscard]] std::string to_string(Removal removal);
/// Of JournalChange::removal; nothing for what no version has written.
[[nodiscard]] std::optional<Removal> removal_from_string(std::string_view text);
/// What on-delete= means for a message of `mailbox`: `trash` is the trash mailbox or empty. Flagging does not delete
/// where labels are meant by mailboxes (X-GM-EXT-1). What is in the trash already is expunged where the server can
/// (UIDPLUS); that, and what has no trash to go to, is flagged otherwise. EOPNOTSUPP where expunging was asked for and
/// the server cannot.
[[nodiscard]] Result<Removal> plan_removal(RemovalPolicy policy, const imap::Capabilities& capabilities,
                                           const std::string& mailbox, const std::string& trash);
/// Makes `change`, which has a source, the removal of it.
void set_removal(store::JournalChange& change, Removal removal, const std::string& trash);

}  // namespace imapfs::sync

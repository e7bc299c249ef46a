#pragma once
// Brings one mailbox's replica in step with the server over a session, by the cheapest reliable method (sync_plan.hpp).
//
// A sync is a series of steps. Each step is one turn on a connection, so that interactive jobs get a turn between two
// chunks of a long listing. After an Error of scope session a step may be repeated on another session; what was learnt
// stays. The caller holds the mailbox's SyncGate. One thread at a time; blocks within the CallContext.
//
// MailboxComparison finds removed messages. If it is unclear which messages are there, all stay and the replica is in
// doubt. Errors: those of the session, with the mailbox and the activity added.

#include <cstdint>
#include <optional>

#include "imapfs/imap/session.hpp"
#include "sync/mailbox/mailbox_comparison.hpp"
#include "sync/mailbox/mailbox_listing.hpp"
#include "sync/mailbox/mailbox_replica.hpp"
#include "sync/mailbox/message_fetch.hpp"
#include "sync/mailbox/sync_plan.hpp"

namespace imapfs::sync {

class MailboxSync {
 public:
  using Settings = MessageFetch::Settings;
  enum class Progress : std::uint8_t { finished, more };

  MailboxSync(MailboxReplica& replica, Settings settings);
  MailboxSync(const MailboxSync&) = delete;
  MailboxSync& operator=(const MailboxSync&) = delete;

  /// SELECT if necessary, then the work of the next turn.
  Result<Progress> step(imap::Session& session, const CallContext& context);
  /// Runs all steps in a row.
  Result<void> run(imap::Session& session, const CallContext& context);

  /// Messages have come. For a session that has the mailbox selected and in step.
  Result<void> fetch_new(imap::Session& session, const CallContext& context);
  /// Something was removed or changed, and the server did not say what. For such a session, too.
  Result<void> compare_all(imap::Session& session, const CallContext& context);
  /// Fetches the changes and removals since the table's mod-sequence; afterwards the table is as of `up_to`. Does
  /// nothing without QRESYNC, or if the table is as recent already.
  Result<void> fetch_changes(imap::Session& session, ModSeq up_to, const CallContext& context);

  /// MYRIGHTS, unless the rights are known. What a server does not tell is allowed. Errors: only those of scope
  /// session. The caller publishes.
  static Result<void> ask_rights(MailboxReplica& replica, imap::Session& session, const CallContext& context);

  [[nodiscard]] SyncMethod method() const { return method_; }

 private:
  Result<void> select(imap::Session& session, const CallContext& context);
  void begin_listing(UidValidity validity);
  Result<Progress> apply_listing(imap::Session& session, const CallContext& context);
  Result<void> apply_qresync(imap::Session& session, const CallContext& context);
  Result<void> apply_condstore(imap::Session& session, const CallContext& context);
  Result<void> apply_full(imap::Session& session, const CallContext& context);
  Result<void> fetch_rows_since_last_sync(imap::Session& session, const CallContext& context);
  [[nodiscard]] MailboxComparison comparison();
  void finish();
  [[nodiscard]] bool agrees(const imap::Session& session) const;

  MailboxReplica& replica_;
  const Settings settings_;
  KnownMailbox known_;
  std::optional<imap::SelectedMailbox> selected_;
  SyncMethod method_ = SyncMethod::listing;
  MessageFetch fetch_;
  MailboxListing listing_;
};

}  // namespace imapfs::sync

#pragma once
// Brings one mailbox's replica in step with the server over a session, by the cheapest method that can be trusted
// (sync_plan.hpp).
//
// A sync is a series of steps: one step is one turn on a connection, so that somebody at a prompt gets a turn between
// two chunks of a long listing. A step may be repeated on another session after an Error of scope session; what was
// learnt before counts. The caller holds the mailbox's SyncGate. One thread at a time; blocks within the CallContext.
//
// What has gone is found by MailboxComparison. If it is not clear what is there, everything stays and the replica is in
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

  /// SELECT if need be, then the next turn's work.
  Result<Progress> step(imap::Session& session, const CallContext& context);
  /// All steps in a row.
  Result<void> run(imap::Session& session, const CallContext& context);

  /// For a session that has the mailbox selected and in step: messages have come.
  Result<void> fetch_new(imap::Session& session, const CallContext& context);
  /// For the same: something was removed or changed, and the server did not say what.
  Result<void> compare_all(imap::Session& session, const CallContext& context);
  /// What has changed and gone since the table's mod-sequence, after which the table is as of `up_to`. Nothing without
  /// QRESYNC, or where it is as far as that.
  Result<void> fetch_changes(imap::Session& session, ModSeq up_to, const CallContext& context);

  /// MYRIGHTS, unless they are known; what a server does not tell is allowed. Errors: of scope session only. The caller
  /// publishes.
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

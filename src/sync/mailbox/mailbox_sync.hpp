#pragma once
// Brings one mailbox's replica in step with the server over a session, by the cheapest method that can be trusted
// (sync_plan.hpp).
//
// A sync is a series of steps: one step is one turn on a connection, so that somebody at a prompt gets a turn between
// two chunks of a long listing. A step may be repeated on another session after an Error of scope session; what was
// learnt before counts. The caller holds the mailbox's SyncGate. One thread at a time; blocks within the CallContext.
//
// A message that an answer does not name is removed only if the server counts no more than the others, and is asked
// for by its UID first where the count does not say so, or where more than half of the mailbox would go. If it is
// still not clear everything stays and the replica is in doubt. Errors: those of the session, with the mailbox and
// the activity added.

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "imapfs/imap/session.hpp"
#include "sync/mailbox/listing_order.hpp"
#include "sync/mailbox/mailbox_replica.hpp"
#include "sync/mailbox/rows_by_parts.hpp"
#include "sync/mailbox/sync_plan.hpp"

namespace imapfs::sync {

class MailboxSync {
 public:
  struct Settings {
    std::uint64_t messages_per_command = 20'000;  ///< of a listing's first command, …
    SteadyClock::duration long_command = std::chrono::seconds(
        0);  ///< … the next may grow, up to tenfold, to what takes this long
    std::uint64_t messages_per_small_command = 1'500;  ///< with the quirk small_fetch_sets
    SteadyClock::duration command_timeout = std::chrono::seconds(60);
    SteadyClock::duration fetch_timeout = std::chrono::seconds(300);
    std::uint64_t first_wake_rows = 1;                                 ///< readers hear of the first row at once, …
    std::uint64_t wake_rows = 1024;                                    ///< … then after so many rows,
    SteadyClock::duration wake_after = std::chrono::milliseconds(20);  ///< or after this time
  };
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

  /// What a listing asks of each message.
  [[nodiscard]] static imap::FetchItems listing_items(const mime::NameTemplate& names, bool condstore);

 private:
  Result<void> select(imap::Session& session, const CallContext& context);
  Result<Progress> list_chunk(imap::Session& session, const CallContext& context);
  Result<UidSet> next_chunk(imap::Session& session, const CallContext& context, bool& last);
  Result<void> apply_qresync(imap::Session& session, const CallContext& context);
  Result<void> apply_condstore(imap::Session& session, const CallContext& context);
  Result<void> apply_full(imap::Session& session, const CallContext& context);
  /// What has named messages: rows say which they are about, and a server may answer SEARCH with other numbers than
  /// UIDs.
  enum class By : std::uint8_t { rows, search };
  /// Whether it is clear what is there by `named`, which should be every message of the mailbox.
  Result<bool> reconcile(imap::Session& session, const CallContext& context, const UidSet& named, By by);
  Result<void> fetch_missing(imap::Session& session, const CallContext& context, UidSet missing);
  Result<bool> remove_absent(imap::Session& session, const CallContext& context, UidSet absent, const UidSet& named,
                             By by);
  Result<std::vector<Uid>> present_in(imap::Session& session, const CallContext& context, const UidSet& uids);
  Result<UidSet> present_of(imap::Session& session, const CallContext& context, const UidSet& uids);
  Result<void> fetch_flags(imap::Session& session, const CallContext& context, std::optional<ModSeq> since,
                           UidSet* seen);
  Result<void> fetch_chunk(imap::Session& session, const CallContext& context, const UidSet& chunk, bool last);
  Result<void> fetch_rows(imap::Session& session, const CallContext& context, const UidSet& uids, bool listing);
  Result<void> fetch_items(imap::Session& session, const CallContext& context, const UidSet& uids,
                           RowsByParts::Items items, const std::function<void(const imap::FetchRow&)>& take);
  Result<UidSet> all_uids(imap::Session& session, const CallContext& context);
  void finish();
  /// How many messages the server counts in the mailbox now, as far as it has told this session.
  [[nodiscard]] static std::uint64_t counted(const imap::Session& session) { return session.selection().messages; }
  [[nodiscard]] std::uint64_t chunk_size(const imap::Session& session) const;
  void adapt_chunk_size(std::uint64_t asked, SteadyClock::duration taken);
  [[nodiscard]] bool agrees(const imap::Session& session) const;
  [[nodiscard]] CallContext bounded(const CallContext& context, SteadyClock::duration patience) const;

  MailboxReplica& replica_;
  const Settings settings_;
  KnownMailbox known_;
  std::optional<imap::SelectedMailbox> selected_;
  SyncMethod method_ = SyncMethod::listing;
  std::optional<UidSet>
      to_list_;           ///< what a listing has still to fetch, where the UIDs are too sparse for plain ranges
  bool resumed_ = false;  ///< rows of an earlier, unfinished listing may have changed since
  std::optional<ModSeq> listing_modseq_;
  std::uint64_t chunk_size_ = settings_.messages_per_command;
  RowsByParts rows_;
  ListingOrder order_;
  std::uint64_t newer_than_select_ = 0;  ///< messages met that came after SELECT
};

}  // namespace imapfs::sync

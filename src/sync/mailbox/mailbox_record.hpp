#pragma once
// The state of a mailbox as a whole: which answer its table agrees with, how far a listing has come, and when its
// directory changed. The store keeps it beside the rows.
//
// Threads: any, under the mailbox's lock (MailboxNews::lock). Refers to the other parts of its MailboxReplica.

#include <atomic>
#include <cstdint>

#include "imapfs/imap/session.hpp"
#include "imapfs/mime/names.hpp"
#include "imapfs/store/metadata_store.hpp"
#include "sync/mailbox/message_count.hpp"
#include "sync/mailbox/sync_plan.hpp"
#include "sync/mailbox/writable_message_table.hpp"

namespace imapfs::sync {

class MailboxRecord {
 public:
  MailboxRecord(WritableMessageTable& table, MailboxNews& news, const MessageCount& count,
                const mime::NameTemplate& names)
      : table_(table), news_(news), count_(count), names_(names) {}

  [[nodiscard]] KnownMailbox known() const;
  /// `listed`: the status from LIST, for a mailbox that was never listed itself.
  [[nodiscard]] DirectoryTime directory_time(const MailboxStatus& listed) const;
  /// The listing now holds every message up to `uid`.
  void listing_reached(Uid uid, ModSeq modseq);
  [[nodiscard]] Uid listed_up_to() const;
  /// The table is the whole mailbox as far as the watching session knows, with all changes up to `modseq` (0: unknown).
  void in_step_with_watch(ModSeq modseq = {});
  /// Counts the changes of the table, from any source. Whoever hears of a change and finds the number unchanged knows
  /// that it is nothing new.
  [[nodiscard]] std::uint64_t revision() const { return revision_; }

  // -- with the lock held --
  [[nodiscard]] bool listed() const { return listed_; }
  /// The table has changed.
  void count_revision() { ++revision_; }
  /// A row has arrived.
  void row_seen(Uid uid);
  /// The directory changes now.
  void witness_change();
  /// UIDVALIDITY has changed; the directory's time stays.
  void restart(UidValidity validity);
  void note_validity(UidValidity validity) { state_.uid_validity = validity; }
  /// Takes the answer to SELECT that the table agrees with …
  void take_selected(const imap::SelectedMailbox& selected);
  /// … and marks it as complete; `first`: for the first time.
  void complete(bool first);
  void take_stored(const store::MailboxState& state);
  /// The stored rows up to `last` are in the table.
  void rows_loaded(const store::MailboxState& state, Uid last);
  void nothing_loaded() { state_ = {}; }

 private:
  void note_for_store();

  WritableMessageTable& table_;
  MailboxNews& news_;
  const MessageCount& count_;
  const mime::NameTemplate& names_;
  store::MailboxState state_;
  bool listed_ = false;
  std::uint64_t messages_ = 0;  ///< at the end of the last finished sync
  Uid listed_up_to_;
  Uid highest_seen_;
  std::atomic<std::uint64_t> revision_{0};
};

}  // namespace imapfs::sync

#pragma once
// Our copy of one mailbox: its table, and the one way every row of the server takes into it: table first, then store,
// then ChangeListener.
//
// What else is known of the mailbox lies in its parts, which share its lock (MailboxNews::lock). Changes may come from
// any thread (a sync, the watcher, an open body) and are announced in the order in which the table took them. What
// changes something only notes what is to be announced; news().publish() hands it on, with no lock held. Rows for UIDs
// that vanished while a sync runs are ignored: another connection may still have had them on the way.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "imapfs/imap/session.hpp"
#include "imapfs/mime/names.hpp"
#include "imapfs/store/metadata_store.hpp"
#include "sync/mailbox/known_messages.hpp"
#include "sync/mailbox/local_names.hpp"
#include "sync/mailbox/mailbox_identity.hpp"
#include "sync/mailbox/mailbox_news.hpp"
#include "sync/mailbox/mailbox_record.hpp"
#include "sync/mailbox/message_count.hpp"
#include "sync/mailbox/own_changes.hpp"
#include "sync/mailbox/rights.hpp"
#include "sync/mailbox/row_news.hpp"
#include "sync/mailbox/stored_rows.hpp"
#include "sync/mailbox/sync_gate.hpp"

namespace imapfs::sync {

class MailboxReplica {
 public:
  using Identity = MailboxIdentity;
  using OwnArrival = OwnChanges::OwnArrival;
  /// What rows are made with and where changes go; shared by all mailboxes, outlives them.
  struct Dependencies {
    const mime::NameTemplate& names;
    StoreWriter& store;
    ChangeListener& listener;
    /// Names that users gave to messages, from where they are kept. May be empty.
    LocalNames::Read local_names = {};
    /// May be empty.
    MailboxNews::NamesUnused names_unused = {};
  };

  MailboxReplica(Identity identity, Dependencies dependencies, std::optional<store::MailboxState> stored);
  MailboxReplica(const MailboxReplica&) = delete;
  MailboxReplica& operator=(const MailboxReplica&) = delete;

  [[nodiscard]] const Identity& identity() const { return identity_; }
  [[nodiscard]] const std::shared_ptr<const MessageTable>& table() const { return readable_table_; }
  [[nodiscard]] const mime::NameTemplate& names() const { return names_; }
  [[nodiscard]] SyncGate& gate() { return gate_; }

  // -- its parts --
  [[nodiscard]] MailboxNews& news() { return news_; }
  [[nodiscard]] MailboxRecord& record() { return record_; }
  [[nodiscard]] MessageCount& count() { return count_; }
  [[nodiscard]] OwnChanges& own_changes() { return own_changes_; }
  [[nodiscard]] KnownMessages& messages() { return messages_; }
  [[nodiscard]] StoredRows& stored_rows() { return stored_rows_; }
  [[nodiscard]] Rights& rights() { return rights_; }

  // -- what a sync learns; the caller publishes --
  /// A row with everything a listing asks for. In a first listing (`listing`) it is no news; `in_order` moves the
  /// table's frontier. Returns false for a row that carries nothing but flags of a message unknown here.
  bool take_row(const imap::FetchRow& row, bool listing, bool in_order);
  /// Flags of a message we know. Returns false if the UID is unknown.
  bool take_flags(const imap::FetchRow& row);
  void take_vanished(const UidSet& uids);
  /// UIDVALIDITY is another: every row is gone.
  void restart(UidValidity validity);
  /// Notes UIDVALIDITY for a table without rows: inode numbers depend on it. `messages` is a hint how many will come.
  void note_validity(UidValidity validity, std::uint64_t messages = 0);
  /// Around every sync, by whoever holds the gate. Until the end, vanished messages are remembered.
  void sync_begins();
  void sync_ends();
  /// The table is the whole mailbox as of this answer to SELECT.
  void in_step_with(const imap::SelectedMailbox& selected);

 private:
  void take_known_flags(Uid uid, const FlagSet& flags, ModSeq modseq);

  const Identity identity_;
  const mime::NameTemplate& names_;
  const std::shared_ptr<WritableMessageTable> table_;
  const std::shared_ptr<const MessageTable> readable_table_ = table_;
  SyncGate gate_;
  MailboxNews news_;
  MessageCount count_;
  MailboxRecord record_;
  RowNews row_news_;
  LocalNames local_names_;
  OwnChanges own_changes_;
  KnownMessages messages_;
  StoredRows stored_rows_;
  Rights rights_;
  // Guarded by the mailbox's lock.
  bool syncing_ = false;
  UidSet vanished_meanwhile_;
};

}  // namespace imapfs::sync

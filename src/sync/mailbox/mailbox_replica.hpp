#pragma once
// Our copy of one mailbox: its table. Every row from the server enters here: into the table, then the store, then the
// ChangeListener.
//
// Its parts hold the rest of what is known of the mailbox and share its lock (MailboxNews::lock). Changes may come from
// any thread (a sync, the watcher, an open body) and are announced in the order in which the table took them. Functions
// that change something only note what to announce; news().publish() announces it, without a lock. Rows for UIDs that
// vanished during a sync are ignored: another connection may still have sent them.

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
  /// What makes rows and where changes go; shared by all mailboxes, outlives them.
  struct Dependencies {
    const mime::NameTemplate& names;
    StoreWriter& store;
    ChangeListener& listener;
    /// Reads the names that users gave to messages. May be empty.
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
  /// Takes a row with all items of a listing. In a first listing (`listing`) it is no news; `in_order` moves the
  /// table's frontier. False for a row that has only flags of an unknown message.
  bool take_row(const imap::FetchRow& row, bool listing, bool in_order);
  /// Takes flags of a known message. False if the UID is unknown.
  bool take_flags(const imap::FetchRow& row);
  void take_vanished(const UidSet& uids);
  /// UIDVALIDITY has changed: every row is gone.
  void restart(UidValidity validity);
  /// Sets the UIDVALIDITY of a table without rows: inode numbers depend on it. `messages` hints at how many will come.
  void note_validity(UidValidity validity, std::uint64_t messages = 0);
  /// Enclose every sync; called by the holder of the gate. In between, vanished messages are remembered.
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

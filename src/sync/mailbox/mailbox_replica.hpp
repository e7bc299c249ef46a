#pragma once
// Our copy of one mailbox: its table, what is worth what, and the one way every change takes: table first, then store,
// then ChangeListener.
//
// Changes may come from any thread (a sync, the watcher, an open body) and are announced in the order in which the
// table took them. The methods that change something only note what is to be announced; publish() hands it on, with no
// lock held. Rows for UIDs that vanished while a sync runs are ignored: another connection may still have had them on
// the way.

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "imapfs/imap/session.hpp"
#include "imapfs/mime/header_decode.hpp"
#include "imapfs/mime/names.hpp"
#include "imapfs/store/metadata_store.hpp"
#include "imapfs/sync/account.hpp"
#include "sync/mailbox/strand.hpp"
#include "sync/mailbox/sync_gate.hpp"
#include "sync/mailbox/sync_plan.hpp"
#include "sync/mailbox/writable_message_table.hpp"
#include "sync/store_writer.hpp"

namespace imapfs::sync {

class MailboxReplica {
 public:
  struct Identity {
    MailboxId id;
    std::string path;
    std::string name;  ///< UTF-8 name: the store's key
    imap::WireName wire_name;
  };
  /// What rows are made with and where changes go; shared by all mailboxes, outlives them.
  struct Dependencies {
    const mime::NameTemplate& names;
    StoreWriter& store;
    ChangeListener& listener;
    /// Names that users gave to messages, from where they are kept. Called with no lock held, where the disk may be
    /// waited for. May be empty.
    std::function<std::vector<store::LocalName>(const std::string& mailbox, UidValidity)> local_names = {};
    /// These messages are gone for good, and their names with them. Must not block. May be empty.
    std::function<void(const std::string& mailbox, UidValidity, const UidSet&)> names_unused = {};
  };

  MailboxReplica(Identity identity, Dependencies dependencies, std::optional<store::MailboxState> stored);

  [[nodiscard]] const Identity& identity() const { return identity_; }
  [[nodiscard]] const std::shared_ptr<const MessageTable>& table() const { return readable_table_; }
  [[nodiscard]] const mime::NameTemplate& names() const { return dependencies_.names; }
  [[nodiscard]] SyncGate& gate() { return gate_; }
  [[nodiscard]] KnownMailbox known() const;
  [[nodiscard]] DirectoryTime directory_time(const MailboxStatus& listed) const;

  // -- stored rows --
  /// True if nothing has to be read from the store. Otherwise `then` is kept, and `must_start` tells whether the caller
  /// must call load() on the store's thread.
  struct LoadTicket {
    bool loaded = false;
    bool must_start = false;
  };
  [[nodiscard]] LoadTicket await_load(Job then);
  /// Reads the stored rows into the table, then runs those who wait.
  void load(store::MetadataStore& metadata);
  /// The store is closed: lets those who wait go on without rows.
  void abandon_load();
  [[nodiscard]] bool stored_or_listed() const;

  // -- what a sync learns; the caller publishes --
  /// A row with everything a listing asks for. In a first listing (`listing`) it is no news; `in_order` moves the
  /// table's frontier. Returns false for a row that carries nothing but flags of a message unknown here.
  bool take_row(const imap::FetchRow& row, bool listing, bool in_order);
  /// Flags of a message we know. Returns false if the UID is unknown.
  bool take_flags(const imap::FetchRow& row);
  void take_vanished(const UidSet& uids);
  /// UIDVALIDITY is another: every row is gone.
  void restart(UidValidity validity);
  void reserve(std::uint64_t messages) { table_->reserve(static_cast<std::size_t>(messages)); }
  /// A listing holds every message up to `uid`.
  void listing_reached(Uid uid, ModSeq modseq);
  [[nodiscard]] Uid listed_up_to() const;
  /// The line that told of what is taken from now on came at this time (none: as it is taken).
  void news_received(std::optional<SteadyClock::time_point> time);
  /// Around every sync, by whoever holds the gate. Until the end, vanished messages are remembered.
  void sync_begins();
  void sync_ends();
  // -- what an answer that should name every message is worth --
  /// Whether the server counts as many as the table holds, with those that the last comparison could not get.
  [[nodiscard]] bool accounts_for(std::uint64_t messages) const;
  [[nodiscard]] std::uint64_t unaccounted() const;
  /// A comparison has ended in which nothing was left in doubt; the server counts so many messages.
  void compared(std::uint64_t messages);
  /// Some of the messages may be gone, and the server does not say it clearly: they stay.
  void doubt(std::uint64_t messages);
  /// Counts what the table has gone through, whoever brought it: who has heard something and finds the same number
  /// has heard nothing new.
  [[nodiscard]] std::uint64_t revision() const { return revision_; }
  /// The table is the whole mailbox as of this answer to SELECT.
  void in_step_with(const imap::SelectedMailbox& selected);
  /// The table is the whole mailbox as far as the watching session knows, with all changes up to `modseq` (0: not
  /// known).
  void in_step_with_watch(ModSeq modseq = {});

  // -- single rows and facts --
  /// Notes UIDVALIDITY for a table without rows: inode numbers depend on it.
  void note_validity(UidValidity validity);
  /// A message of a mailbox that is not listed.
  [[nodiscard]] MessageMeta take_single(const imap::FetchRow& row);
  [[nodiscard]] std::optional<MessageMeta> find(Uid uid) const;
  [[nodiscard]] std::optional<MessageMeta> find_by_name(const std::string& name) const;
  /// The length of the body is known; `then` runs after the change was announced.
  void take_exact_size(Uid uid, std::uint64_t size, Job then);

  // -- changes of our own; the caller publishes --
  /// On their way out: listed no more. Quiet.
  void hide(const UidSet& uids);
  /// The same for those that are about to be flagged \Deleted: they are in .deleted at once.
  void hide_into_deleted(const UidSet& uids);
  /// The server refused, or the change ended without taking them away: shown again, as news. Those that are \Deleted by
  /// now are listed in .deleted from here on, which is how a removal of ours ends under on-delete=flag.
  void show_again(const UidSet& uids);
  /// Between the two, around a command that brings messages here, new rows are held back, so that nobody sees one under
  /// a name that is not its own. Nested. `own`: what the command brought, with their local names (empty: the
  /// template's); they become visible quietly, the rest as news.
  void begin_arrivals();
  struct OwnArrival {
    Uid uid;
    std::string file_name;
  };
  void end_arrivals(UidValidity validity, const std::vector<OwnArrival>& own);
  /// Quiet but for others that have other names by this; `replaces` is on its way out (0: nobody).
  void set_local_name(Uid uid, const std::string& name, Uid replaces = {});
  /// Names of earlier times, before rows are loaded or listed; forgets others. The journal's, of this UIDVALIDITY.
  void load_local_names(const std::vector<store::LocalName>& names);

  /// Whether a local name that the table does not know cannot exist.
  [[nodiscard]] bool local_names_known() const;

  // -- rights --
  /// MYRIGHTS; nothing where the server has no ACL. News if it is a change.
  void note_rights(const std::optional<std::string>& my_rights);
  /// Whether MYRIGHTS should be asked: it never was, or an answer since then contradicts it.
  [[nodiscard]] bool rights_wanted() const;
  /// The server has refused what was thought to be allowed.
  void doubt_rights();
  /// Of a SELECT with read_write.
  void note_selection(const imap::SelectedMailbox& selected);
  [[nodiscard]] MailboxRights rights() const;

  /// Sends what has been noted on its way.
  void publish();
  /// publish() once so much has been noted that it should not wait (rows of a batch for the store).
  void publish_when_large();
  /// publish() if somebody waits for what has been noted: not for rows of a listing that goes on.
  void publish_unless_rows_only();

 private:
  struct UnusedNames {
    UidValidity uid_validity;
    UidSet uids;
  };
  struct Noted {
    store::MetadataStore::Batch batch;
    std::vector<ChangeListener::MailboxChange> changes;
    std::vector<UnusedNames> unused_names;
  };
  using Lock = std::unique_lock<std::mutex>;

  [[nodiscard]] MessageMeta render(const imap::FetchRow& row, const mime::ListedFields& listed) const;
  [[nodiscard]] ChangeListener::MailboxChange& change();
  /// The same for something that goes: what came and was not announced yet must be announced first.
  [[nodiscard]] ChangeListener::MailboxChange& change_for_removal();
  void witness_change();
  void take_known_flags(Uid uid, const FlagSet& flags, ModSeq modseq);
  void note_new_row(Uid uid, bool listing);
  void note_move(Uid uid, MessageTable::Place before, std::string name_before);
  void note_removed(WritableMessageTable::Removed removed);
  /// Listed messages by the names they had, which may have others once a message comes, goes or is given a name.
  using Rivals = std::map<Uid, std::string>;
  /// Those, other than `uids`, whose names depend on the given names of these.
  [[nodiscard]] Rivals rivals_of(const UidSet& uids) const;
  /// The same for one; `new_name` is what it is about to be given.
  [[nodiscard]] Rivals rivals_of(Uid uid, const std::string& new_name = {}) const;
  void add_rivals(Rivals& rivals, const std::string& name) const;
  /// The news of those that have other names by now.
  void note_rivals(const Rivals& before);
  void show_arrival(Uid uid, const std::string& file_name);
  void place_arrival(Uid uid, const std::string& file_name);
  void show_held_back();
  [[nodiscard]] bool keeps_places(UidValidity next) const;
  /// Reads the names given to messages of this UIDVALIDITY, once. With no lock held.
  void know_local_names(UidValidity validity);
  void note_unused_names(const UidSet& gone);
  void forget_what_is_gone(Uid uid_next);
  [[nodiscard]] MessageMeta with_local_name(MessageMeta meta) const;
  void note_rights_changed(const MailboxRights& before);
  [[nodiscard]] store::MailboxState state_to_store() const;
  void announce(Noted noted);
  void keep_single(const MessageMeta& meta);

  const Identity identity_;
  const Dependencies dependencies_;
  const std::shared_ptr<WritableMessageTable> table_ = std::make_shared<WritableMessageTable>(dependencies_.names);
  const std::shared_ptr<const MessageTable> readable_table_ = table_;
  SyncGate gate_;
  Strand strand_;

  mutable std::mutex mutex_;  ///< guards what follows, and writes to the table; taken before the table's own lock
  enum class Load : std::uint8_t { needed, running, done } load_ = Load::needed;
  std::vector<Job> after_load_;
  store::MailboxState state_;
  bool listed_ = false;
  std::uint64_t messages_ = 0;     ///< as of the last finished sync
  std::uint64_t unaccounted_ = 0;  ///< messages that the server counts and does not show
  bool in_doubt_ = false;
  std::atomic<std::uint64_t> revision_{0};
  Uid listed_up_to_;
  Uid highest_seen_;
  bool syncing_ = false;
  std::optional<SteadyClock::time_point> received_;
  UidSet vanished_meanwhile_;
  Noted noted_;
  std::size_t arrivals_ = 0;  ///< begun and not ended
  std::set<Uid> held_back_;   ///< rows that came meanwhile and are hidden for that reason only
  std::set<Uid> expected_;    ///< brought by us, no row yet
  std::optional<UidValidity> names_known_for_;
  std::optional<std::string> my_rights_;
  bool rights_asked_ = false;
  std::optional<imap::SelectedMailbox> selection_;  ///< the last with read_write
  std::map<Uid, MessageMeta> singles_;              ///< with the template's names
  std::deque<Uid> singles_order_;
};

}  // namespace imapfs::sync

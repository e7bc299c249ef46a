#pragma once
// What the file system sees of an account. vfs/ knows the mail only through this interface; SyncEngine implements it,
// tests/support has a fake.
//
// No call blocks. What is in memory is returned; what needs the network or the disk calls a Completion exactly once,
// from another thread or, when the answer is at hand, from within the call. Deadlines, interrupts and repeated calls
// are the caller's: a completion that nobody waits for any more is harmless.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "imapfs/base/executor.hpp"
#include "imapfs/base/result.hpp"
#include "imapfs/model/types.hpp"
#include "imapfs/store/journal.hpp"
#include "imapfs/sync/mailbox_tree.hpp"
#include "imapfs/sync/message_table.hpp"

namespace imapfs::sync {

/// Bytes of a body: `length` bytes at `offset` of `descriptor`, kept open by `owner`. Short only at the end of the
/// message.
struct BodySlice {
  int descriptor = -1;
  std::uint64_t offset = 0;
  std::size_t length = 0;
  std::shared_ptr<const void> owner;
};

/// An open message. Thread-safe. Destroying the last reference ends fetches nobody else needs.
class Body {
 public:
  virtual ~Body() = default;
  /// The exact length, as seen on the server. Until length_is_proved(): what the server has told.
  [[nodiscard]] virtual std::uint64_t length() const = 0;
  /// False only of a body from open_body_at() whose end has not been seen yet; once true, it stays so.
  [[nodiscard]] virtual bool length_is_proved() const { return true; }
  /// True when every byte is on disk or in memory: read() completes within the call.
  [[nodiscard]] virtual bool whole() const = 0;
  /// Completes as soon as all bytes of the request that exist have arrived. May be shorter only at the end of the
  /// message. Before the length is proved, only what ends below the told length is answered, in full: anything else
  /// waits for the proof.
  virtual void read(std::uint64_t offset, std::size_t length, Completion<BodySlice> done) = 0;
};

/// The time of a directory: it changes when the content does, and survives a remount.
struct DirectoryTime {
  UnixTime seconds = 0;
  std::uint32_t nanoseconds = 0;
};

/// Header fields and more for xattrs, from the store or one small FETCH.
struct MessageDetails {
  MessageHeaders headers;
  std::string to;
};

struct Usage {
  std::uint64_t used_kib = 0;
  std::optional<std::uint64_t> limit_kib;  ///< none: the server tells no quota
};

using store::ChangeId;
using store::StagedId;

/// What the server lets us do with a mailbox (RFC 4314 MYRIGHTS, READ-ONLY and PERMANENTFLAGS), as far as it has said:
/// what is not known is allowed, and the server has the last word.
struct MailboxRights {
  bool read_only = false;                  ///< READ-ONLY: nothing below is possible; errno EROFS, for the rest EACCES
  bool insert = true;                      ///< APPEND and COPY into it (i)
  bool remove_messages = true;             ///< \Deleted (t)
  bool expunge = true;                     ///< UIDPLUS and (e)
  bool write_flags = true;                 ///< flags but \Seen and \Deleted (w)
  bool write_seen = true;                  ///< (s)
  bool create_children = true;             ///< (k), not \Noinferiors
  bool delete_mailbox = true;              ///< DELETE and RENAME (x)
  std::optional<FlagSet> permanent_flags;  ///< what can be stored; none: not known
  bool create_keywords = true;             ///< \* in PERMANENTFLAGS
};

/// The message a change is about: where it is, or, while an earlier change is still bringing it, what that one will
/// have brought.
struct ChangeSource {
  MessageLocation message;
  ChangeId brought_by;  ///< not 0: counts instead of `message`
};

/// Where a change has brought a message. Uid 0: the server did not tell, and it could not be found.
struct Arrival {
  MessageLocation message;
  std::string file_name;
};

/// What becomes of a change. `accepted` is called exactly once: when the change is in the journal, or with -o sync when
/// the server has carried it out. `finished` is called exactly once after that, if it was accepted: the server has
/// carried it out, or refused it for good. Without one nobody hears of it but the log and `.imapfs/events`.
struct ChangeReply {
  Completion<ChangeId> accepted;
  Completion<Arrival> finished;
};

/// A message that is to come to a mailbox under `file_name`, in place of `replaces` (uid 0: of none).
struct ArrivalTarget {
  MailboxId mailbox;
  std::string file_name;
  MessageLocation replaces;
};

/// A staged file to be appended. Its row and bytes are in the journal's staging directory; `canonical_size` is its
/// length with CRLF line ends.
struct Upload {
  StagedId staged;
  ArrivalTarget target;
  FlagSet flags;
  std::optional<UnixTime> internal_date;
  std::uint64_t canonical_size = 0;
  std::string message_id;
};

/// A move, copy or append that was accepted, by this process or an earlier one, and has not ended.
struct PendingArrival {
  ChangeId change;
  ArrivalTarget target;
  MessageMeta meta;        ///< size, date and flags; uid 0
  MessageLocation source;  ///< where its bytes can be read meanwhile; uid 0: staged
  StagedId staged;
};

class Account {
 public:
  virtual ~Account() = default;

  /// "user@host": seeds inode numbers.
  [[nodiscard]] virtual const std::string& name() const = 0;
  [[nodiscard]] virtual std::shared_ptr<const MailboxTree> tree() const = 0;
  /// The tree, checked on the server when older than refresh; offline: as it is.
  virtual void freshen_tree(Completion<void> done) = 0;

  /// The mailbox's table, empty and incomplete if it was never listed; null if there is no such mailbox (or it is not
  /// selectable).
  [[nodiscard]] virtual std::shared_ptr<const MessageTable> table(MailboxId mailbox) const = 0;
  [[nodiscard]] virtual DirectoryTime directory_time(MailboxId mailbox) const = 0;

  /// Before a listing: starts the first sync, or brings an unwatched mailbox older than refresh up to date. Completes
  /// when rows may be handed out: at once if the table is complete and fresh; when the check has ended; or when the
  /// first rows of a first sync have come. Offline with a complete table: succeeds.
  virtual void freshen(MailboxId mailbox, Completion<void> done) = 0;
  /// Completes when the table has a row beyond `after` within its frontier, or is complete, or the sync failed.
  virtual void await_rows(MailboxId mailbox, Uid after, Completion<void> done) = 0;
  /// The message for a name: from the table, else, when the mailbox was never listed, by one FETCH of the UID in the
  /// name. ENOENT when it is not there.
  virtual void find_message(MailboxId mailbox, const std::string& name, Completion<MessageMeta> done) = 0;
  /// The same by UID.
  virtual void find_message(MailboxId mailbox, Uid uid, Completion<MessageMeta> done) = 0;
  virtual void details(MailboxId mailbox, Uid uid, Completion<MessageDetails> done) = 0;

  /// Opens a message. Completes when the exact length is known (for a cached body: within the call).
  virtual void open_body(MailboxId mailbox, Uid uid, Completion<std::shared_ptr<Body>> done) = 0;
  /// As open_body(), for somebody who reads `length` bytes at `offset`: completes already when these are there and end
  /// below the size that the table shows. The length may not be proved then.
  virtual void open_body_at(MailboxId mailbox, Uid uid, std::uint64_t offset, std::size_t length,
                            Completion<std::shared_ptr<Body>> done) = 0;
  /// Whether open_body() had better wait until somebody reads: the message is known, its bytes would have to come from
  /// the server, the server can be reached, and there is no reason to doubt the size that the table shows.
  [[nodiscard]] virtual bool open_can_wait(MailboxId mailbox, Uid uid) const = 0;

  // -- changes --
  // Offline: EHOSTUNREACH. What rights forbid: EACCES, EROFS or EPERM before anything is journalled. Once accepted, the
  // effect shows at once: the source is not listed any more (find_message by UID still has it), nor is what is
  // replaced. A change that is refused later takes its effect back, as news. Changes of one message are carried out in
  // the order given; different messages in any order, many in one command.

  [[nodiscard]] virtual MailboxRights rights(MailboxId mailbox) const = 0;
  /// The largest message the server takes, if it says so.
  [[nodiscard]] virtual std::optional<std::uint64_t> append_limit() const = 0;
  /// Appends and waits for the server's word, whatever -o sync says. `staged` is gone from the journal on success, and
  /// in state refused or open, as it was before, on an Error. The name is kept.
  virtual void upload(const Upload& upload, Completion<Arrival> done) = 0;
  virtual void copy_message(const ChangeSource& source, const ArrivalTarget& target, ChangeReply reply) = 0;
  virtual void move_message(const ChangeSource& source, const ArrivalTarget& target, ChangeReply reply) = 0;
  /// By the policy on-delete=.
  virtual void remove_message(const ChangeSource& source, ChangeReply reply) = 0;
  /// A message flagged \Deleted, for good. EOPNOTSUPP without UIDPLUS.
  virtual void expunge_message(const ChangeSource& source, ChangeReply reply) = 0;
  /// Takes \Deleted away and gives it `file_name` (empty: the one it had).
  virtual void restore_message(const ChangeSource& source, const std::string& file_name, ChangeReply reply) = 0;
  /// Waits for the server. Flags that are not permanent here: EPERM.
  virtual void set_flags(const MessageLocation& message, const FlagChange& change, Completion<void> done) = 0;
  /// A name instead of the template's; quiet, because the kernel has made the change itself. `replaces` (uid 0: none)
  /// is removed by the policy.
  virtual void give_name(const MessageLocation& message, const std::string& name, const MessageLocation& replaces,
                         Completion<void> done) = 0;
  /// CREATE and SUBSCRIBE below `parent` (0: the root); the tree shows it before `done`.
  virtual void create_mailbox(MailboxId parent, const std::string& component, Completion<MailboxId> done) = 0;
  /// DELETE, after the server was asked whether it holds messages or children: ENOTEMPTY. INBOX: EBUSY. Messages that
  /// were removed through this mount, the last of them within the minute before, go with it: to the trash, or for good
  /// where there is none. A level without a mailbox of its own that has lost its last child to our user is kept until
  /// it is removed here.
  virtual void remove_mailbox(MailboxId mailbox, Completion<void> done) = 0;
  /// RENAME with its children; ids of mailboxes stay what they are while this process lives. INBOX: EBUSY.
  virtual void rename_mailbox(MailboxId mailbox, MailboxId new_parent, const std::string& new_component,
                              Completion<void> done) = 0;
  /// Completes when every change accepted before this call has ended (of one mailbox, or 0: of all), with the first
  /// Error that nobody was told of since the last drain(); and with EHOSTUNREACH as soon as there is no connection.
  virtual void drain(MailboxId mailbox, Completion<void> done) = 0;
  [[nodiscard]] virtual std::vector<PendingArrival> pending_arrivals() const = 0;
  /// Calls `finished` when the change ends (at once with ENOENT if it has): for those found by pending_arrivals().
  virtual void await_change(ChangeId change, Completion<Arrival> finished) = 0;

  virtual void usage(Completion<Usage> done) = 0;
  /// For /.imapfs/status: connections, mailboxes, sync state, cache, errors.
  [[nodiscard]] virtual nlohmann::json status() const = 0;
};

/// Told of every change after the tables show it, on sync's threads, with no lock held. Implemented by
/// vfs::ChangePublisher, which tells the kernel and .imapfs/events.
class ChangeListener {
 public:
  virtual ~ChangeListener() = default;
  struct MailboxChange {
    MailboxId mailbox;
    std::string path;
    struct Entry {
      Uid uid;
      std::string file_name;
    };
    std::vector<Entry> added;  ///< not for the rows of a mailbox's first listing
    std::vector<Entry> removed;
    std::vector<Uid> attributes_changed;  ///< size corrected
    std::vector<Uid> flags_changed;
    /// Came or went by a change made through the mount, which the kernel knows of by itself: for `.imapfs/events` only.
    std::vector<Entry> added_by_us;
    std::vector<Entry> removed_by_us;
    bool everything = false;       ///< UIDVALIDITY changed: forget the whole directory
    bool deleted_changed = false;  ///< what .deleted lists is not the same any more
    bool rights_changed =
        false;  ///< Account::rights() has become known or is another: modes of the directory and its files
    SteadyClock::time_point received;  ///< when the server's line came in
  };
  virtual void on_mailbox_changed(const MailboxChange& change) = 0;
  virtual void on_tree_changed(const TreeChange& change) = 0;
  virtual void on_online(bool online, const std::string& reason) = 0;
  /// A change that a user had been promised was refused: "remove", "INBOX/name.eml", why.
  virtual void on_change_refused(const std::string& operation, const std::string& path, const Error& error) = 0;
};

}  // namespace imapfs::sync

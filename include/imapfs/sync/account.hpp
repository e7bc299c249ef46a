#pragma once
// What the file system sees of an account. vfs/ knows the mail only through this interface; SyncEngine implements it,
// tests/support has a fake.
//
// No call blocks. What is in memory is returned; what needs the network or the disk calls a Completion exactly once, from another thread or,
// when the answer is at hand, from within the call. Deadlines, interrupts and repeated calls are the caller's: a completion that nobody waits for any more
// is harmless.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "imapfs/base/executor.hpp"
#include "imapfs/base/result.hpp"
#include "imapfs/model/types.hpp"
#include "imapfs/sync/mailbox_tree.hpp"
#include "imapfs/sync/message_table.hpp"

namespace imapfs::sync {

/// Bytes of a body: `length` bytes at `offset` of `descriptor`, kept open by `owner`. Short only at the end of the message.
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
  /// The exact length, verified against the server (design §1.3). Known when open_body() has completed.
  [[nodiscard]] virtual std::uint64_t length() const = 0;
  /// True when every byte is on disk or in memory: read() completes within the call.
  [[nodiscard]] virtual bool whole() const = 0;
  /// Completes as soon as all bytes of the request that exist have arrived. May be shorter only at the end of the message.
  virtual void read(std::uint64_t offset, std::size_t length, Completion<BodySlice> done) = 0;
};

/// Directory times, see design §1.3: changes when the content does, survives a remount.
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

class Account {
 public:
  virtual ~Account() = default;

  /// "user@host": seeds inode numbers.
  [[nodiscard]] virtual const std::string& name() const = 0;
  [[nodiscard]] virtual std::shared_ptr<const MailboxTree> tree() const = 0;
  /// The tree, checked on the server when older than refresh; offline: as it is.
  virtual void freshen_tree(Completion<void> done) = 0;

  /// The mailbox's table, empty and incomplete if it was never listed; null if there is no such mailbox (or it is not selectable).
  [[nodiscard]] virtual std::shared_ptr<const MessageTable> table(MailboxId mailbox) const = 0;
  [[nodiscard]] virtual const mime::NameTemplate& names() const = 0;
  [[nodiscard]] virtual DirectoryTime directory_time(MailboxId mailbox) const = 0;

  /// Before a listing: starts the first sync, or brings an unwatched mailbox older than refresh up to date. Completes when rows may be
  /// handed out: at once if the table is complete and fresh; when the check has ended; or when the first rows of a first sync have come. Offline
  /// with a complete table: succeeds.
  virtual void freshen(MailboxId mailbox, Completion<void> done) = 0;
  /// Completes when the table has a row beyond `after` within its frontier, or is complete, or the sync failed.
  virtual void await_rows(MailboxId mailbox, Uid after, Completion<void> done) = 0;
  /// The message for a name: from the table, else, when the mailbox was never listed, by one FETCH of the UID in the name. ENOENT
  /// when it is not there.
  virtual void find_message(MailboxId mailbox, const std::string& name, Completion<MessageMeta> done) = 0;
  /// The same by UID.
  virtual void find_message(MailboxId mailbox, Uid uid, Completion<MessageMeta> done) = 0;
  virtual void details(MailboxId mailbox, Uid uid, Completion<MessageDetails> done) = 0;

  /// Opens a message. Completes when the exact length is known (for a cached body: within the call).
  virtual void open_body(MailboxId mailbox, Uid uid, Completion<std::shared_ptr<Body>> done) = 0;

  virtual void usage(Completion<Usage> done) = 0;
  /// For /.imapfs/status: connections, mailboxes, sync state, cache, errors.
  [[nodiscard]] virtual nlohmann::json status() const = 0;
};

/// Told of every change after the tables show it, on sync's threads, with no lock held. Implemented in app/ (towards the kernel and .imapfs/events).
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
    std::vector<Entry> added;     ///< not for the rows of a mailbox's first listing
    std::vector<Entry> removed;
    std::vector<Uid> attributes_changed;  ///< size corrected
    std::vector<Uid> flags_changed;
    bool everything = false;  ///< UIDVALIDITY changed: forget the whole directory
    SteadyClock::time_point received;  ///< when the server's line came in
  };
  virtual void on_mailbox_changed(const MailboxChange& change) = 0;
  virtual void on_tree_changed(const TreeChange& change) = 0;
  virtual void on_online(bool online, const std::string& reason) = 0;
};

}  // namespace imapfs::sync

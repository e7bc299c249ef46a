#pragma once
// Mailboxes and what they hold, but for the bytes of messages.
//
// Threads and completions: as in account.hpp.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "imapfs/base/executor.hpp"
#include "imapfs/base/result.hpp"
#include "imapfs/model/types.hpp"
#include "imapfs/sync/mailbox_tree.hpp"
#include "imapfs/sync/message_table.hpp"

namespace imapfs::sync {

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

class MailboxReader {
 public:
  virtual ~MailboxReader() = default;

  [[nodiscard]] virtual std::shared_ptr<const MailboxTree> tree() const = 0;
  /// The tree, checked on the server when older than refresh; offline: as it is.
  virtual void freshen_tree(Completion<void> done) = 0;

  /// The mailbox's table, empty and incomplete if it was never listed; null if there is no such mailbox (or it is not
  /// selectable).
  [[nodiscard]] virtual std::shared_ptr<const MessageTable> table(MailboxId mailbox) const = 0;
  [[nodiscard]] virtual DirectoryTime directory_time(MailboxId mailbox) const = 0;
  [[nodiscard]] virtual MailboxRights rights(MailboxId mailbox) const = 0;

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
};

}  // namespace imapfs::sync

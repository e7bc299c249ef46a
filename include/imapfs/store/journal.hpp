#pragma once
// What must not be lost when the process dies: changes that users were promised and the server has not confirmed, files
// on their way to the server, and the names that users gave to messages.
//
// The journal is in the state directory ($XDG_STATE_HOME/imapfs/<account>), not in the cache, which may be deleted.
// `journal.sqlite` holds rows, `staging/` the bytes of files; the directory is locked for this process like the
// cache's.
//
// Guarantees: once a call that changes something has succeeded, the change survives kill -9, and a power cut once
// sync() has returned. Every call is one transaction. A damaged file is set aside with a log line, like the index, but
// never replaces an earlier one. That never removes staged bytes: staged() finds those without a row. A newer file is
// refused (EPROTONOSUPPORT) and left as it is. Errors: ENOSPC, EIO, … with the path; nothing was changed then. Threads:
// any that may wait for the disk (the journal has one mutex); never a FUSE thread, never with a lock held.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "imapfs/base/result.hpp"
#include "imapfs/model/types.hpp"

namespace imapfs::store {

/// Names a change. Ids ascend in the order of acceptance and are never used twice, not even by a later process. 0:
/// none.
using ChangeId = Strong<struct ChangeIdTag, std::uint64_t>;
/// Names a staged file; like ChangeId.
using StagedId = Strong<struct StagedIdTag, std::uint64_t>;

/// A message by the server's mailbox name, because mailbox ids belong to a tree.
struct JournalLocation {
  std::string mailbox;  ///< UTF-8 name as in ListedMailbox
  UidValidity uid_validity;
  Uid uid;  ///< 0: no message
  bool operator==(const JournalLocation&) const = default;
};

/// A change that was accepted and is to be carried out.
struct JournalChange {
  /// The values are stored and never change.
  enum class Kind : std::uint8_t {
    flag = 1,     ///< STORE `flags`
    expunge = 2,  ///< STORE +FLAGS (\Deleted), UID EXPUNGE
    move = 3,
    copy = 4,
    append = 5,  ///< of the staged file `staged`
  };
  ChangeId id;
  Kind kind = Kind::flag;
  JournalLocation source;                 ///< uid 0: the message that `follows` brings, or none (append)
  ChangeId follows;                       ///< the change that must be carried out first; 0: none
  std::string destination;                ///< move, copy, append: UTF-8 name of the mailbox
  std::string file_name;                  ///< move, copy, append: the message's name there; empty: the template's
  FlagChange flags;                       ///< flag: the change; append: the flags to give
  std::optional<UnixTime> internal_date;  ///< the message's; append: the one to give
  std::uint64_t size = 0;  ///< the message's bytes, to recognise it; append: bytes to send, with CRLF line ends
  std::string message_id;  ///< the Message-ID in the mail, to recognise the message; may be empty
  std::string digest;      ///< append: of the bytes sent (mime::ContentDigest); empty before that and for other changes
  StagedId staged;         ///< append
  /// A message in the destination that this one replaces (mv over a file, saving in an editor). When the change ends,
  /// the same transaction adds a change that removes it as `removal` says.
  JournalLocation replaces;
  /// How to remove the source (remove) or `replaces`; empty: by this mount's policy. Set when the change is accepted,
  /// so that a later mount with another policy does what was promised.
  std::string removal;

  /// A command that may have carried out the change was sent, when the destination was in the state below. A search for
  /// its effect begins there.
  bool sent = false;
  UidValidity destination_validity;
  Uid destination_uid_next;  ///< 0: not known
};

/// A name that a user gave to a message; it replaces the template's.
struct LocalName {
  Uid uid;
  std::string name;
};

/// A file on its way to the server; its bytes are in staging_path(id).
struct StagedFile {
  /// The values are stored and never change; 3 is reserved.
  enum class State : std::uint8_t {
    open = 1,     ///< being written, or without its final name
    queued = 2,   ///< reported to the user as written: uploaded as soon as possible, also after a restart
    refused = 4,  ///< refused by the server or by us, and the user was told; kept until the user removes it
    local = 5,    ///< an editor's backup: stays on this machine until it is renamed
  };
  StagedId id;
  State state = State::open;
  std::string mailbox;  ///< UTF-8 name of the destination
  std::string name;
  FlagSet flags;                          ///< to give
  std::optional<UnixTime> internal_date;  ///< to give: mtime, if set
  JournalLocation replaces;               ///< the message it is a new version of
  std::string reason;                     ///< refused: the reason
  UnixTime changed_at = 0;
};

class Journal {
 public:
  /// Creates and locks `<state_root>/<account>` (0700) like open_account_directory() and opens the journal in it.
  /// EACCES, ENOSPC, EROFS … with the path; the mount can then only be read-only.
  static Result<std::shared_ptr<Journal>> open(const std::string& state_root, const std::string& account);
  virtual ~Journal() = default;

  [[nodiscard]] virtual const std::string& directory() const = 0;

  // -- changes --
  /// Adds all or none, and sets the ids in order. `follows` may refer to an earlier change of the same call (see
  /// batch_reference(); EINVAL for a later one) and becomes its id. If the change it names has just ended, `follows`
  /// becomes 0, and a source with uid 0 becomes the place where that change brought the message.
  virtual Result<void> add(std::vector<JournalChange>& changes) = 0;
  /// Commands that may carry out these changes are about to be sent. One transaction.
  virtual Result<void> mark_sent(const std::vector<ChangeId>& ids, UidValidity destination_validity,
                                 Uid destination_uid_next) = 0;
  /// Stores what the messages of these changes (by id) can be recognised by: date, size, Message-ID and digest. One
  /// transaction.
  virtual Result<void> describe(const std::vector<JournalChange>& changes) = 0;
  /// The command was answered or never sent: removes the marks of mark_sent().
  virtual Result<void> clear_sent(const std::vector<ChangeId>& ids) = 0;

  /// Records how changes ended, in one transaction. The changes are removed, their names are stored, the staged files
  /// of appends are removed (their bytes after the commit), and `next` is added as by add(). Changes that ended before
  /// are skipped. Changes that follow one of these stop waiting (follows 0), and a source with uid 0 becomes `arrived`.
  /// If there is none, because the change failed or the place is unknown, the uid stays 0, and the owner of the changes
  /// decides what happens to them.
  struct Ended {
    struct One {
      ChangeId id;
      JournalLocation arrived;    ///< where the message is now; uid 0: nowhere, or unknown
      std::string file_name;      ///< stored as its local name if not empty and arrived.uid is not 0
      bool succeeded = true;      ///< false: refused or given up; staged files stay
      bool keeps_staged = false;  ///< succeeded, but the staged file has other content by now: it stays
    };
    std::vector<One> changes;
    std::vector<JournalChange> next;
  };
  virtual Result<void> finish(Ended& ended) = 0;
  /// All changes that have not ended, in order of id.
  virtual Result<std::vector<JournalChange>> changes() = 0;

  // -- names --
  virtual Result<void> set_local_name(const JournalLocation& message, const std::string& name) = 0;
  virtual Result<void> forget_local_names(const std::string& mailbox, UidValidity validity, const UidSet& uids) = 0;
  /// In the order in which users gave them.
  virtual Result<std::vector<LocalName>> local_names(const std::string& mailbox, UidValidity validity) = 0;
  /// After RENAME: everything recorded of `from` and of mailboxes below it (`delimiter`) now belongs to `to`.
  virtual Result<void> rename_mailbox(const std::string& from, const std::string& to, char delimiter) = 0;
  /// After DELETE: forgets the names given in it, but keeps changes and staged files.
  virtual Result<void> forget_mailbox(const std::string& mailbox) = 0;

  // -- staged files --
  /// Adds a row and an empty file (0600); sets the id, which fits 32 bits.
  virtual Result<void> stage(StagedFile& file) = 0;
  /// ENOENT if it is not staged.
  virtual Result<void> update(const StagedFile& file) = 0;
  /// Removes row and bytes; succeeds if there are none.
  virtual Result<void> unstage(StagedId id) = 0;
  /// All staged files, in order of id. Bytes without a row (a damaged journal was set aside) get one in state refused,
  /// with a name made of the id and no mailbox. Rows without bytes are dropped with a log line.
  virtual Result<std::vector<StagedFile>> staged() = 0;
  [[nodiscard]] virtual std::string staging_path(StagedId id) const = 0;

  /// fdatasync of everything committed so far and of the list of staged files. Whoever writes their bytes must sync
  /// those.
  virtual Result<void> sync() = 0;
};

/// For JournalChange::follows within one add(): refers to the change at `index` of the vector.
[[nodiscard]] constexpr ChangeId batch_reference(std::size_t index) {
  return ChangeId{(std::uint64_t{1} << 63) | (index + 1)};
}

/// $XDG_STATE_HOME/imapfs, else ~/.local/state/imapfs (as default_cache_root() finds it); empty if neither is known.
std::string default_state_root();

}  // namespace imapfs::store

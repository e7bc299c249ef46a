#pragma once
// What must not be lost when the process dies: changes that users were promised and the server has not confirmed yet,
// files on their way to the server, and the names that users gave to messages.
//
// It lives in the state directory ($XDG_STATE_HOME/imapfs/<account>), not in the cache, because losing it would lose
// something. `journal.sqlite` holds rows, `staging/` the bytes of files; the directory is locked for this process as
// the cache's is.
//
// Guarantees: when a call that changes something has returned success, the change survives kill -9 of the process at
// any later moment, and a power cut once sync() has returned. Every call is one transaction. A damaged file is set
// aside with a log line, as the index is, but never replaces one that was set aside before; staged bytes are never
// removed by that, and staged() finds those that have no row. A newer file is refused (EPROTONOSUPPORT) and left as it
// is. Errors: ENOSPC, EIO, … with the path; nothing was changed then. Threads: any that may wait for the disk (the
// journal has one mutex); never a FUSE thread, never with a lock held.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "imapfs/base/result.hpp"
#include "imapfs/model/types.hpp"

namespace imapfs::store {

/// Names a change; ascending in the order of acceptance, never used twice, not even by a later process. 0: none.
using ChangeId = Strong<struct ChangeIdTag, std::uint64_t>;
/// Names a staged file; as ChangeId.
using StagedId = Strong<struct StagedIdTag, std::uint64_t>;

/// A message as the journal names it: by the server's mailbox name, because ids of mailboxes belong to a tree.
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
  JournalLocation source;   ///< uid 0: the message that `follows` brought, or none (append)
  ChangeId follows;         ///< to be carried out after this one; 0: nothing to wait for
  std::string destination;  ///< move, copy, append: UTF-8 name of the mailbox
  std::string file_name;    ///< move, copy, append: the name the message is to have there; empty: the template's
  FlagChange flags;         ///< flag: the change; append: the flags to give
  std::optional<UnixTime> internal_date;  ///< of the message; append: to give
  std::uint64_t size = 0;  ///< bytes of the message, to recognise it by; append: of what is sent, with CRLF line ends
  std::string message_id;  ///< Message-ID as it stands in the mail, to recognise it by; may be empty
  std::string
      digest;       ///< append: of the bytes that were sent (mime::ContentDigest); empty before, and in other changes
  StagedId staged;  ///< append
  /// A message in the destination that this one takes the place of (overwriting by mv, saving in an editor): removed by
  /// `removal` after the change itself is done, in the same transaction in which the change ends.
  JournalLocation replaces;
  /// How the source (remove) or `replaces` is removed; empty: as this mount's policy says. Filled in when it is
  /// accepted, so that a later mount with another policy does what was promised.
  std::string removal;

  /// A command that may have carried this out has been sent. The destination was at this point then: what it did is
  /// looked for beyond it.
  bool sent = false;
  UidValidity destination_validity;
  Uid destination_uid_next;  ///< 0: not known
};

/// A name given by a user to a message, in place of the template's.
struct LocalName {
  Uid uid;
  std::string name;
};

/// A file on its way to the server. Its bytes are in staging_path(id).
struct StagedFile {
  /// The values are stored and never change; 3 is reserved.
  enum class State : std::uint8_t {
    open = 1,     ///< being written, or waiting for its final name
    queued = 2,   ///< was reported as written: uploaded as soon as possible, and after a restart
    refused = 4,  ///< the server or we refused it, and the user has been told; kept until the user removes it
    local = 5,    ///< an editor's backup: stays on this machine until somebody renames it
  };
  StagedId id;
  State state = State::open;
  std::string mailbox;  ///< UTF-8 name of where it is to go
  std::string name;
  FlagSet flags;                          ///< to give
  std::optional<UnixTime> internal_date;  ///< to give: mtime, if it was set
  JournalLocation replaces;               ///< the message it is a new version of
  std::string reason;                     ///< refused: why
  UnixTime changed_at = 0;
};

class Journal {
 public:
  /// Creates and locks `<state_root>/<account>` (0700) as open_account_directory() does and opens the journal in it.
  /// EACCES, ENOSPC, EROFS … with the path; the mount can then only be read-only.
  static Result<std::shared_ptr<Journal>> open(const std::string& state_root, const std::string& account);
  virtual ~Journal() = default;

  [[nodiscard]] virtual const std::string& directory() const = 0;

  // -- changes --
  /// Everything or nothing; sets the ids, in order. `follows` may name an earlier change of the same call (see
  /// batch_reference(); EINVAL for a later one) and is the real id afterwards. If the change it names has ended a
  /// moment ago, follows becomes 0, and a source of uid 0 is where that one has brought the message.
  virtual Result<void> add(std::vector<JournalChange>& changes) = 0;
  /// Commands that may carry these out are about to be sent. One transaction.
  virtual Result<void> mark_sent(const std::vector<ChangeId>& ids, UidValidity destination_validity,
                                 Uid destination_uid_next) = 0;
  /// What their messages are recognised by has become known: date, size, Message-ID and digest of those with these ids.
  /// One transaction.
  virtual Result<void> describe(const std::vector<JournalChange>& changes) = 0;
  /// A command was answered or never sent: what marked them is void.
  virtual Result<void> clear_sent(const std::vector<ChangeId>& ids) = 0;

  /// How changes ended, in one transaction: they are forgotten, changes that follow them get their source, names are
  /// kept, staged files of appends are forgotten (their bytes are removed after the commit), and `next` is added as
  /// add() does it. Changes that have ended before are passed over. Changes that follow wait no longer (follows 0).
  /// Those with a source of uid 0 get `arrived` for it; if there is none, because the change failed or nobody knows
  /// where the message is, their uid stays 0, and the owner of the changes decides what becomes of them.
  struct Ended {
    struct One {
      ChangeId id;
      JournalLocation arrived;    ///< where the message is now; uid 0: nowhere or not known
      std::string file_name;      ///< kept as its local name if not empty and arrived.uid is not 0
      bool succeeded = true;      ///< false: refused or given up; staged files stay
      bool keeps_staged = false;  ///< succeeded, but the staged file holds something else by now: it stays
    };
    std::vector<One> changes;
    std::vector<JournalChange> next;
  };
  virtual Result<void> finish(Ended& ended) = 0;
  /// All that have not ended, in order of id.
  virtual Result<std::vector<JournalChange>> changes() = 0;

  // -- names --
  virtual Result<void> set_local_name(const JournalLocation& message, const std::string& name) = 0;
  virtual Result<void> forget_local_names(const std::string& mailbox, UidValidity validity, const UidSet& uids) = 0;
  /// In the order in which they were given.
  virtual Result<std::vector<LocalName>> local_names(const std::string& mailbox, UidValidity validity) = 0;
  /// After RENAME: everything said of `from` and of mailboxes below it (`delimiter`) is said of `to` now.
  virtual Result<void> rename_mailbox(const std::string& from, const std::string& to, char delimiter) = 0;
  /// After DELETE: names given in it are forgotten. Changes and staged files are not.
  virtual Result<void> forget_mailbox(const std::string& mailbox) = 0;

  // -- staged files --
  /// Adds a row and an empty file (0600); sets the id, which fits 32 bits.
  virtual Result<void> stage(StagedFile& file) = 0;
  /// ENOENT if it is not staged.
  virtual Result<void> update(const StagedFile& file) = 0;
  /// Removes row and bytes; succeeds if there are none.
  virtual Result<void> unstage(StagedId id) = 0;
  /// All of them, in order of id. Octets without a row (a damaged journal was set aside) get one, in state refused,
  /// with a name made of the id and without a mailbox. Rows without bytes are dropped with a log line.
  virtual Result<std::vector<StagedFile>> staged() = 0;
  [[nodiscard]] virtual std::string staging_path(StagedId id) const = 0;

  /// fdatasync of what has been committed so far, and of which staged files there are; their bytes are for the writer
  /// to sync.
  virtual Result<void> sync() = 0;
};

/// For JournalChange::follows within one add(): the change at `index` of the vector.
[[nodiscard]] constexpr ChangeId batch_reference(std::size_t index) {
  return ChangeId{(std::uint64_t{1} << 63) | (index + 1)};
}

/// $XDG_STATE_HOME/imapfs, else ~/.local/state/imapfs, found as default_cache_root() does; empty if neither is known.
std::string default_state_root();

}  // namespace imapfs::store

#pragma once
// The index of an account on disk, in SQLite: mailboxes, their sync state, and what is known of each message.
//
// Guarantees: safe against kill -9 at any moment (WAL, one transaction per batch; a sync state is committed together
// with the rows it vouches for). A corrupt or newer file is set aside as <file>.corrupt-N / <file>.newer-N with a log
// line, and an empty one is made. A full disk or any other later SQLite error turns the store off for the rest of the
// process (disabled()): reads find nothing, writes are dropped, one warning is logged, and the mount goes on. Losing
// the file costs only time. Threads: every call may block on the disk and takes the store's one mutex; never call from
// a FUSE thread or with a lock held.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "imapfs/base/result.hpp"
#include "imapfs/model/types.hpp"
#include "imapfs/store/stored_rows.hpp"

namespace imapfs::store {

/// The directory of one account below the cache root, locked for this process.
struct AccountDirectory {
  std::string path;           ///< 0700, exists
  int lock_descriptor = -1;   ///< flock(LOCK_EX) is held until the process ends; owned by this object
  bool private_copy = false;  ///< another mount uses the account's own directory: this is a numbered one beside it

  AccountDirectory() = default;
  AccountDirectory(AccountDirectory&& other) noexcept;
  AccountDirectory& operator=(AccountDirectory&& other) noexcept;
  ~AccountDirectory();
};

/// Creates (0700) and locks `<cache_root>/<account>`, or the first free of `<account>@2` … `@9` if another mount holds
/// it. Makes `account` a safe component. Fails with EACCES, ENOSPC … and the path; the caller may go on without a
/// cache.
Result<AccountDirectory> open_account_directory(const std::string& cache_root, const std::string& account);
/// $XDG_CACHE_HOME/imapfs, else ~/.cache/imapfs. The home directory comes from $HOME or, if that is unset (mount -a at
/// boot), from the user database. Empty if neither is known.
std::string default_cache_root();

/// The sync state of a mailbox: how far its stored rows can be trusted.
struct MailboxState {
  UidValidity uid_validity;
  Uid uid_next;
  ModSeq highest_modseq;
  bool complete = false;      ///< the rows are the whole mailbox as of this state
  std::string name_template;  ///< the template that made the stored file names
  UnixTime changed_at = 0;    ///< directory mtime: last change seen; 0: none seen
  std::uint32_t changed_at_nanoseconds = 0;
};

struct StoredMailbox {
  std::string name;  ///< UTF-8 name as in ListedMailbox, the key
  std::string wire_name;
  char delimiter = 0;
  bool selectable = true;
  SpecialUse special_use = SpecialUse::none;
};

class MetadataStore {
 public:
  /// Never fails: if the file cannot be opened or made, the store is disabled.
  static std::unique_ptr<MetadataStore> open(const std::string& directory);
  /// A store that is disabled from the start, for a mount without a cache directory.
  static std::unique_ptr<MetadataStore> none();
  ~MetadataStore();

  [[nodiscard]] bool disabled() const;
  [[nodiscard]] std::string last_error() const;

  /// The mailbox list of last time, for a mount without network.
  std::vector<StoredMailbox> mailboxes();
  void replace_mailboxes(const std::vector<StoredMailbox>& mailboxes);

  std::optional<MailboxState> state(const std::string& mailbox);
  /// Reads rows in UID order, in pages, and calls `row` without the store's lock. False: the store failed (it is
  /// disabled now), and the rows so far are not the whole mailbox.
  bool for_each_message(const std::string& mailbox, const std::function<void(const MessageMeta&)>& row);
  std::optional<MessageHeaders> headers(const std::string& mailbox, Uid uid);

  /// One transaction, all or nothing. `forget_all` first drops all rows of the mailbox (UIDVALIDITY changed).
  struct Batch {
    std::string mailbox;
    bool forget_all = false;
    StoredRows upserts;
    struct FlagChange {
      Uid uid;
      FlagSet flags;
      ModSeq modseq;
    };
    std::vector<FlagChange> flag_changes;
    struct SizeChange {
      Uid uid;
      std::uint64_t size;
    };
    std::vector<SizeChange> exact_sizes;
    UidSet removals;
    std::optional<MailboxState> state;
  };
  void apply(const Batch& batch);
  void forget_mailbox(const std::string& mailbox);

  /// Bytes of the database file and its log, and rows; for the status.
  struct Usage {
    std::uint64_t bytes = 0;
    std::uint64_t messages = 0;
  };
  Usage usage();

 private:
  class Implementation;
  explicit MetadataStore(std::unique_ptr<Implementation> implementation);
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace imapfs::store

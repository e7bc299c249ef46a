#pragma once
// Where an upload is to go and what it is to be: the message that it replaces, flags and date that it takes over.
//
// Thread "staging"; no state.

#include <optional>
#include <string>

#include "imapfs/sync/mailbox_reader.hpp"
#include "vfs/nodes/local_entries.hpp"
#include "vfs/staging/original_messages.hpp"
#include "vfs/staging/staging_thread.hpp"

namespace imapfs::vfs {

struct UploadDestination {
  MailboxId mailbox;
  std::string name;
  MessageLocation replaces;  ///< uid 0: nothing
  FlagSet flags;
  std::optional<UnixTime> internal_date;
};

class UploadDestinations {
 public:
  struct Dependencies {
    sync::MailboxReader& mailboxes;
    const LocalEntries& entries;
    const OriginalMessages& originals;
    StagingThread& thread;
  };
  explicit UploadDestinations(const Dependencies& dependencies) : use_(dependencies) {}

  /// What a new version gets of the flags of the old one, or of the message that is replaced.
  [[nodiscard]] static FlagSet flags_to_give(FlagSet flags);
  /// Of the file as it is now, which is brought up to date.
  [[nodiscard]] UploadDestination of(StagedFile& file) const;
  /// `destination` gets flags and date of what had the name; the message itself is replaced if it is a backup by now.
  void inherit(const DisplacedMessage& displaced, UploadDestination& destination) const;
  /// With the flags that the replaced message has by now. The table of a mailbox that was never listed does not know
  /// the message: then the account is asked, for what was known when it was opened or uploaded may lack flags that were
  /// set since.
  void with_present_flags(const UploadDestination& destination, const Completion<UploadDestination>& then) const;

 private:
  /// Whether it has the backup's name yet: somebody may have given it another, or removed it.
  [[nodiscard]] bool is_still_backup(const DisplacedMessage& displaced) const;

  const Dependencies use_;
};

}  // namespace imapfs::vfs

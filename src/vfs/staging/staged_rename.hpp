#pragma once
// Renaming and removing of staged files.
//
// Under a final name a file is uploaded, in place of the message it is renamed onto (whose flags, and date unless a
// time was set, it takes over); under a temporary name, or while it is being written, only the name changes. ESTALE for
// a file that is a message by now: the kernel looks the names up again. Thread "staging"; no state.

#include <optional>
#include <string>

#include "vfs/staging/renaming_upload.hpp"

namespace imapfs::vfs {

class StagedRename {
 public:
  struct Dependencies {
    LocalEntries& entries;
    const DisplacedMessages& displaced;
    Outbox& outbox;
    StagedFiles& files;
    StagingLimits& limits;
    ShownFiles& shown;
    DrainWaiters& waiters;
    const FilePlaces& places;
    const OriginalMessages& originals;
    const UploadDestinations& destinations;
    const RenamingUpload& uploads;
  };
  /// Where the file is to be, and the message that it takes the place of: its uid 0, or none, is of nothing.
  struct Target {
    MailboxId mailbox;
    std::string name;
    std::optional<OriginalMessage> replaces;

    [[nodiscard]] bool is_message() const { return replaces && replaces->message.uid.value != 0; }
  };
  explicit StagedRename(const Dependencies& dependencies) : use_(dependencies) {}

  void rename(const Caller& caller, NodeId node, const Target& target, const Reply<void>& reply) const;
  /// unlink. An open file goes on without a name and is never uploaded.
  void remove(const Caller& caller, NodeId node, const Reply<void>& reply) const;

 private:
  void rename_idle(const Caller& caller, const StagedFilePtr& file, const Target& target,
                   const Reply<void>& reply) const;
  [[nodiscard]] Result<void> check(const StagedFile& file, const Target& target) const;
  [[nodiscard]] static bool only_name_changes(const StagedFile& file, const Target& target);
  [[nodiscard]] Result<void> rename_only(const StagedFilePtr& file, const Target& target) const;
  [[nodiscard]] RenamingUpload::Rename prepare(const StagedFilePtr& file, const Target& target,
                                               const Reply<void>& reply) const;

  const Dependencies use_;
};

}  // namespace imapfs::vfs

#pragma once
// What a staged file waits for before it is on the server: its end, its turn, a final name, or nothing.
//
// Pure functions of the file and of what is beside it. Thread "staging".

#include <cstdint>
#include <string>

#include "imapfs/sync/mailbox_reader.hpp"
#include "vfs/nodes/local_entries.hpp"
#include "vfs/staging/displaced_messages.hpp"
#include "vfs/staging/staged_file.hpp"

namespace imapfs::vfs {

enum class FileStage : std::uint8_t { nothing, open, uploading, queued, temporary, local, outbox };

class FileStages {
 public:
  struct Dependencies {
    const sync::MailboxReader& mailboxes;
    const LocalEntries& entries;
    const DisplacedMessages& displaced;
    const Outbox& outbox;
  };
  explicit FileStages(const Dependencies& dependencies) : use_(dependencies) {}

  /// `nothing` if there is nothing of it that the server does not have.
  [[nodiscard]] FileStage of(const StagedFile& file) const;
  /// Whether who waits for everything waits for it.
  [[nodiscard]] bool is_waited_for(const StagedFile& file) const;
  /// Whether it is not to be uploaded before somebody renames it.
  [[nodiscard]] bool has_temporary_name(const StagedFile& file) const;

 private:
  /// Whether it is called as an editor's backup of a file that is, or was a moment ago, beside it.
  [[nodiscard]] bool is_backup(const StagedFile& file) const;
  [[nodiscard]] bool is_there(MailboxId mailbox, const std::string& name) const;

  const Dependencies use_;
};

}  // namespace imapfs::vfs

#pragma once
// Where staged files are: in which mailbox or local directory, under which name, for the kernel and in the journal.
//
// A row names the mailbox at the top by the server's name and the path from there: ".old/2026/x.eml" is in a local
// directory, and a name that ends in a slash is one. Thread "staging".

#include <optional>
#include <string>
#include <utility>

#include "imapfs/sync/mailbox_reader.hpp"
#include "vfs/nodes/local_entries.hpp"
#include "vfs/staging/staged_files.hpp"

namespace imapfs::vfs {

class FilePlaces {
 public:
  struct Dependencies {
    const sync::MailboxReader& mailboxes;
    LocalEntries& entries;
    StagedFiles& files;
  };
  explicit FilePlaces(const Dependencies& dependencies) : use_(dependencies) {}

  static constexpr std::size_t most_levels = 64;

  /// Empty for the root, and for what is not there any more.
  [[nodiscard]] std::string server_name(MailboxId mailbox) const;
  /// A message as the journal names it.
  [[nodiscard]] Outbox::Location location_of(const MessageLocation& message) const;
  [[nodiscard]] std::string path_of(const StagedFile& file) const;

  /// Says in the row where the file is. Every change of place goes through it.
  void set(Outbox::Row& row, MailboxId mailbox, const std::string& name) const;
  /// The directory that the path in the row names, and the name in it; nothing where it is not there any more.
  [[nodiscard]] std::optional<std::pair<MailboxId, std::string>> find(const Outbox::Row& row) const;
  /// Whether the row is of a file in a local directory.
  [[nodiscard]] static bool is_in_directory(const Outbox::Row& row);

  /// Makes the file known by this name. A staged file that had it is gone.
  void place(const StagedFilePtr& file, MailboxId mailbox, const std::string& name) const;

 private:
  const Dependencies use_;
};

}  // namespace imapfs::vfs

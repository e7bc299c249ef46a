#pragma once
// Local directories (local_directories.hpp) in the journal: a row each, without bytes, whose name ends in a slash.
//
// EEXIST if a local entry has the name, ENOTEMPTY while a directory holds something, ENAMETOOLONG for too many in each
// other, else the journal's Error. Thread "staging"; no state.

#include <string>
#include <vector>

#include "vfs/staging/file_places.hpp"

namespace imapfs::vfs {

class LocalDirectoryRows {
 public:
  struct Dependencies {
    const Settings& settings;
    LocalEntries& entries;
    Outbox& outbox;
    StagedFiles& files;
    const FilePlaces& places;
  };
  explicit LocalDirectoryRows(const Dependencies& dependencies) : use_(dependencies) {}

  [[nodiscard]] Result<Entry> make(MailboxId parent, const std::string& name) const;
  [[nodiscard]] Result<void> remove(NodeId node) const;
  /// In place of an empty local directory, if there is one.
  [[nodiscard]] Result<void> rename(NodeId node, MailboxId parent, const std::string& name) const;

  /// Takes the rows of directories out of `rows`; what has no place any more is forgotten.
  void recover(std::vector<Outbox::Row>& rows) const;

 private:
  [[nodiscard]] Result<void> write_place(const LocalEntry& entry) const;
  [[nodiscard]] Result<void> write_directory_place(const LocalEntry& directory) const;
  [[nodiscard]] bool recover_directory(const Outbox::Row& row) const;

  const Dependencies use_;
};

}  // namespace imapfs::vfs

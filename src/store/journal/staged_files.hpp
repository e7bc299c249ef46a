#pragma once
// The journal's staged files. Each is a row and a file, which stay consistent if the process dies between the two.
//
// Errors and threads as JournalDatabase.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "imapfs/store/journal.hpp"
#include "store/journal/journal_database.hpp"
#include "store/journal/staging_directory.hpp"

namespace imapfs::store {

class StagedFiles {
 public:
  StagedFiles(JournalDatabase& database, std::unique_ptr<StagingDirectory> contents)
      : database_(database), contents_(std::move(contents)) {}

  /// Call it first: continues the numbering, which begins beyond `least_id`, and completes interrupted removals.
  Result<void> take_up(std::uint64_t least_id);

  // As in Journal.
  Result<void> stage(StagedFile& file);
  Result<void> update(const StagedFile& file);
  Result<void> unstage(StagedId id);
  Result<std::vector<StagedFile>> all();

  /// Marks a file that is no longer needed. Call it inside a transaction, and remove_contents() after the commit.
  void doom(StagedId id);
  /// Removes the contents of doomed rows, then the rows. take_up() does later what fails now.
  void remove_contents(const std::vector<StagedId>& ids);

  [[nodiscard]] StagingDirectory& contents() { return *contents_; }
  [[nodiscard]] const StagingDirectory& contents() const { return *contents_; }
  [[nodiscard]] std::uint64_t last_id() const { return last_id_; }
  /// `count` more ids are in use.
  void skip_ids(std::uint64_t count) { last_id_ += count; }

 private:
  void run(std::string_view sql, StagedId id);
  [[nodiscard]] std::vector<StagedId> doomed();
  Result<void> drop_rows_without_contents(std::vector<StagedFile>& files,
                                          const std::vector<StagingDirectory::Entry>& entries);
  Result<void> adopt_contents_without_row(std::vector<StagedFile>& files,
                                          const std::vector<StagingDirectory::Entry>& entries);
  [[nodiscard]] std::vector<StagedFile> without_row(const std::vector<StagedFile>& files,
                                                    const std::vector<StagingDirectory::Entry>& entries);

  JournalDatabase& database_;
  std::unique_ptr<StagingDirectory> contents_;
  std::uint64_t last_id_ = 0;
};

}  // namespace imapfs::store

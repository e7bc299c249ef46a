#pragma once
// An open journal in its directory, without a lock. The journal itself and the take-over use it.
//
// Errors of opening name the path. One thread at a time.

#include <memory>

#include "imapfs/store/metadata_store.hpp"
#include "store/journal/journaled_changes.hpp"

namespace imapfs::store {

struct JournalParts {
  /// Opens the journal in a locked directory and continues its numbering.
  static Result<std::unique_ptr<JournalParts>> open(AccountDirectory directory);

  JournalParts(AccountDirectory locked, std::unique_ptr<JournalDatabase> opened,
               std::unique_ptr<StagingDirectory> contents)
      : directory(std::move(locked)), database(std::move(opened)), names(*database),
        staged(*database, std::move(contents)), changes(*database, names, staged) {}
  JournalParts(const JournalParts&) = delete;
  JournalParts& operator=(const JournalParts&) = delete;

  AccountDirectory directory;
  std::unique_ptr<JournalDatabase> database;
  GivenNames names;
  StagedFiles staged;
  JournaledChanges changes;
};

}  // namespace imapfs::store

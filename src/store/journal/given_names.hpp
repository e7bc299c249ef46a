#pragma once
// The names that users gave to messages, and the mailbox names in all tables of the journal.
//
// Errors and threads as JournalDatabase.

#include <string>
#include <vector>

#include "imapfs/store/journal.hpp"
#include "store/journal/journal_database.hpp"

namespace imapfs::store {

class GivenNames {
 public:
  explicit GivenNames(JournalDatabase& database) : database_(database) {}

  Result<void> set(const JournalLocation& message, const std::string& name);
  /// Call it inside a transaction.
  void write(const JournalLocation& message, const std::string& name);
  Result<void> forget(const std::string& mailbox, UidValidity validity, const UidSet& uids);
  /// In the order in which users gave them.
  Result<std::vector<LocalName>> of(const std::string& mailbox, UidValidity validity);
  /// In all tables: changes and staged files name mailboxes too.
  Result<void> rename_mailbox(const std::string& from, const std::string& to, char delimiter);
  Result<void> forget_mailbox(const std::string& mailbox);

  /// Shows the names in the journal of a mount that runs in the directory `original`, until this journal is closed.
  /// They are a snapshot and are never stored, so that a take-over does not bring back outdated names. The copy is made
  /// in `directory` and removed.
  Result<void> borrow(const std::string& original, const std::string& directory);

 private:
  JournalDatabase& database_;
};

}  // namespace imapfs::store

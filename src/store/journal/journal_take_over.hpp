#pragma once
// What a second mount of the account has left in its own journal, taken over by the next mount that has the account's
// own directory: nobody else would carry it out.
//
// Rows are added in one transaction, which also notes how far it went and what was added to ids. Only then are the
// contents of files moved, and only then are the rows removed over there. If the process dies in between, the next
// mount finds the note and completes what is missing: nothing is taken twice, and nothing gets lost. Errors leave it to
// the next mount. One thread, before either journal is used.

#include <optional>
#include <string>

#include "store/journal/journal_parts.hpp"

namespace imapfs::store {

class JournalTakeOver {
 public:
  /// From `abandoned`, the journal of a sibling directory that no mount uses, to `own`.
  JournalTakeOver(JournalParts& own, JournalParts& abandoned) : own_(own), abandoned_(abandoned) {}

  Result<void> run();

 private:
  struct Progress {
    std::uint64_t last_change = 0;  ///< ids up to these are here
    std::uint64_t last_staged = 0;
    std::uint64_t staged_offset = 0;
  };
  [[nodiscard]] Result<std::optional<Progress>> begun_before();
  Result<Progress> add_rows();
  /// Inside a transaction.
  void note(const Progress& taken);
  Result<void> complete(const Progress& taken);

  JournalParts& own_;
  JournalParts& abandoned_;
};

}  // namespace imapfs::store

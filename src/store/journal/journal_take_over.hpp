#pragma once
// Takes over what a second mount of the account has left in its own journal. The next mount with the account's own
// directory does it, because nobody else would carry those changes out.
//
// One transaction adds the rows and notes how far it went and what was added to ids. Only then are the contents of
// files moved, and only then are the rows over there removed. If the process dies in between, the next mount finds the
// note and completes the rest: nothing is taken twice, and nothing is lost. After an error the next mount tries again.
// One thread, before either journal is used.

#include <optional>
#include <string>

#include "store/journal/journal_parts.hpp"

namespace imapfs::store {

class JournalTakeOver {
 public:
  /// From `abandoned`, the journal of a sibling directory that no mount uses, into `own`.
  JournalTakeOver(JournalParts& own, JournalParts& abandoned) : own_(own), abandoned_(abandoned) {}

  Result<void> run();

 private:
  struct Progress {
    std::uint64_t last_change = 0;  ///< the abandoned journal's ids up to these have been taken
    std::uint64_t last_staged = 0;
    std::uint64_t staged_offset = 0;
  };
  [[nodiscard]] Result<std::optional<Progress>> begun_before();
  Result<Progress> add_rows();
  /// Call it inside a transaction.
  void note(const Progress& taken);
  Result<void> complete(const Progress& taken);

  JournalParts& own_;
  JournalParts& abandoned_;
};

}  // namespace imapfs::store

#pragma once
// The changes that users were promised and the server has not confirmed yet.
//
// Ending changes also updates names and staged files, in one transaction. Errors and threads as JournalDatabase.

#include <map>
#include <optional>
#include <vector>

#include "imapfs/store/journal.hpp"
#include "store/journal/given_names.hpp"
#include "store/journal/staged_files.hpp"

namespace imapfs::store {

class JournaledChanges {
 public:
  JournaledChanges(JournalDatabase& database, GivenNames& names, StagedFiles& staged)
      : database_(database), names_(names), staged_(staged) {}

  /// Call it first: continues the numbering, or begins it beyond `least_id` if there is none.
  Result<void> take_up(std::uint64_t least_id);

  // As in Journal.
  Result<void> add(std::vector<JournalChange>& changes);
  Result<void> mark_sent(const std::vector<ChangeId>& ids, UidValidity destination_validity, Uid destination_uid_next);
  Result<void> describe(const std::vector<JournalChange>& changes);
  Result<void> clear_sent(const std::vector<ChangeId>& ids);
  Result<void> finish(Journal::Ended& ended);
  Result<std::vector<JournalChange>> all();

  /// A mailbox was renamed: remembered locations may have its old name.
  void forget_arrivals() { ended_.clear(); }

  [[nodiscard]] std::uint64_t last_id() const { return last_id_; }
  /// `count` more ids are in use.
  void skip_ids(std::uint64_t count) { last_id_ += count; }

 private:
  Result<void> prepare(std::vector<JournalChange>& changes);
  void follow_ended(JournalChange& change) const;
  void remember(const Journal::Ended& ended);
  // Called inside a transaction.
  void end(const Journal::Ended::One& one, std::vector<StagedId>& doomed);
  [[nodiscard]] std::optional<StagedId> remove(ChangeId id);
  void release_followers(const Journal::Ended::One& one);

  JournalDatabase& database_;
  GivenNames& names_;
  StagedFiles& staged_;
  std::uint64_t last_id_ = 0;
  /// Where recently ended changes have brought their messages; empty for those that failed.
  std::map<ChangeId, std::optional<JournalLocation>> ended_;
};

}  // namespace imapfs::store

#pragma once
// store::Journal on SQLite. journal.cpp has changes, opening and syncing, journal_names.cpp names and mailboxes,
// journal_staged.cpp staged files.

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "imapfs/store/journal.hpp"
#include "imapfs/store/metadata_store.hpp"
#include "store/database.hpp"
#include "store/journal/staging_directory.hpp"

namespace imapfs::store {

class SqliteJournal : public Journal {
 public:
  SqliteJournal(AccountDirectory directory, std::unique_ptr<Database> database,
                std::unique_ptr<StagingDirectory> staging)
      : directory_(std::move(directory)), database_(std::move(database)), staging_(std::move(staging)) {}

  /// Before anything else: takes up the numbering and completes removals that were interrupted.
  Result<void> take_up();

  /// Everything in the journal of a sibling directory that no mount uses: what a second mount of the account has
  /// promised and left.
  Result<void> take_over(SqliteJournal& abandoned);

  /// Shows the names that stand in the journal of a mount that runs: a snapshot, never written anywhere, so that
  /// nothing of it comes back by a take-over when it is not true any more.
  Result<void> borrow_names(const std::string& original);

  [[nodiscard]] const std::string& directory() const override { return directory_.path; }

  Result<void> add(std::vector<JournalChange>& changes) override;
  Result<void> mark_sent(const std::vector<ChangeId>& ids, UidValidity destination_validity,
                         Uid destination_uid_next) override;
  Result<void> describe(const std::vector<JournalChange>& changes) override;
  Result<void> clear_sent(const std::vector<ChangeId>& ids) override;
  Result<void> finish(Ended& ended) override;
  Result<std::vector<JournalChange>> changes() override;

  Result<void> set_local_name(const JournalLocation& message, const std::string& name) override;
  Result<void> forget_local_names(const std::string& mailbox, UidValidity validity, const UidSet& uids) override;
  Result<std::vector<LocalName>> local_names(const std::string& mailbox, UidValidity validity) override;
  Result<void> rename_mailbox(const std::string& from, const std::string& to, char delimiter) override;
  Result<void> forget_mailbox(const std::string& mailbox) override;

  Result<void> stage(StagedFile& file) override;
  Result<void> update(const StagedFile& file) override;
  Result<void> unstage(StagedId id) override;
  Result<std::vector<StagedFile>> staged() override;
  [[nodiscard]] std::string staging_path(StagedId id) const override { return staging_->path_of(id); }

  Result<void> sync() override;

 private:
  /// Runs `work`, with the lock held; the error names the file. A damaged file is set aside at the next open: what is
  /// in it may be of use to somebody, and to go on writing into it would not be.
  Result<void> attempt(const char* activity, const std::function<void()>& work);
  Result<void> transaction(const char* activity, const std::function<void()>& work) {
    return attempt(activity, [&] { database_->in_transaction(work); });
  }

  // -- all of these with the lock held, inside a transaction --
  [[nodiscard]] std::uint64_t highest_id(const char* table);
  Result<void> prepare(std::vector<JournalChange>& changes);
  void follow_ended(JournalChange& change) const;
  void end(const Ended::One& one, std::vector<StagedId>& octets);
  void write_local_name(const JournalLocation& message, const std::string& name);
  void run(std::string_view sql, StagedId id);

  // -- with the lock held, outside of a transaction --
  struct TakenOver {
    std::uint64_t last_change = 0;  ///< ids up to these are here
    std::uint64_t last_staged = 0;
    std::uint64_t staged_offset = 0;
  };
  Result<TakenOver> add_rows_of(SqliteJournal& abandoned);
  Result<void> complete_take_over(SqliteJournal& abandoned, const TakenOver& taken);
  void remember(const Ended& ended);
  void remove_octets(const std::vector<StagedId>& ids);
  Result<void> drop_rows_without_octets(std::vector<StagedFile>& files,
                                        const std::vector<StagingDirectory::Entry>& entries);
  Result<void> adopt_octets_without_row(std::vector<StagedFile>& files,
                                        const std::vector<StagingDirectory::Entry>& entries);

  AccountDirectory directory_;
  std::mutex mutex_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<StagingDirectory> staging_;
  std::uint64_t last_change_ = 0;
  std::uint64_t last_staged_ = 0;
  /// Where changes that ended lately have brought their messages; nothing for those that failed.
  std::map<ChangeId, std::optional<JournalLocation>> ended_;
};

}  // namespace imapfs::store

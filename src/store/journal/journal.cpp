#include "imapfs/store/journal.hpp"

#include <mutex>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "store/account_directory.hpp"
#include "store/journal/journal_parts.hpp"
#include "store/journal/journal_take_over.hpp"

namespace imapfs::store {
namespace {

/// Lets in one caller at a time.
class SqliteJournal final : public Journal {
 public:
  explicit SqliteJournal(std::unique_ptr<JournalParts> parts) : parts_(std::move(parts)) {}

  [[nodiscard]] const std::string& directory() const override { return parts_->directory.path; }

  Result<void> add(std::vector<JournalChange>& changes) override {
    return locked([&](JournalParts& parts) { return parts.changes.add(changes); });
  }
  Result<void> mark_sent(const std::vector<ChangeId>& ids, UidValidity destination_validity,
                         Uid destination_uid_next) override {
    return locked(
        [&](JournalParts& parts) { return parts.changes.mark_sent(ids, destination_validity, destination_uid_next); });
  }
  Result<void> describe(const std::vector<JournalChange>& changes) override {
    return locked([&](JournalParts& parts) { return parts.changes.describe(changes); });
  }
  Result<void> clear_sent(const std::vector<ChangeId>& ids) override {
    return locked([&](JournalParts& parts) { return parts.changes.clear_sent(ids); });
  }
  Result<void> finish(Ended& ended) override {
    return locked([&](JournalParts& parts) { return parts.changes.finish(ended); });
  }
  Result<std::vector<JournalChange>> changes() override {
    return locked([](JournalParts& parts) { return parts.changes.all(); });
  }

  Result<void> set_local_name(const JournalLocation& message, const std::string& name) override {
    return locked([&](JournalParts& parts) { return parts.names.set(message, name); });
  }
  Result<void> forget_local_names(const std::string& mailbox, UidValidity validity, const UidSet& uids) override {
    return locked([&](JournalParts& parts) { return parts.names.forget(mailbox, validity, uids); });
  }
  Result<std::vector<LocalName>> local_names(const std::string& mailbox, UidValidity validity) override {
    return locked([&](JournalParts& parts) { return parts.names.of(mailbox, validity); });
  }
  Result<void> rename_mailbox(const std::string& from, const std::string& to, char delimiter) override {
    return locked([&](JournalParts& parts) {
      parts.changes.forget_arrivals();
      return parts.names.rename_mailbox(from, to, delimiter);
    });
  }
  Result<void> forget_mailbox(const std::string& mailbox) override {
    return locked([&](JournalParts& parts) { return parts.names.forget_mailbox(mailbox); });
  }

  Result<void> stage(StagedFile& file) override {
    return locked([&](JournalParts& parts) { return parts.staged.stage(file); });
  }
  Result<void> update(const StagedFile& file) override {
    return locked([&](JournalParts& parts) { return parts.staged.update(file); });
  }
  Result<void> unstage(StagedId id) override {
    return locked([&](JournalParts& parts) { return parts.staged.unstage(id); });
  }
  Result<std::vector<StagedFile>> staged() override {
    return locked([](JournalParts& parts) { return parts.staged.all(); });
  }
  [[nodiscard]] std::string staging_path(StagedId id) const override { return parts_->staged.contents().path_of(id); }

  /// Without the lock, so that other callers do not wait for the disk.
  Result<void> sync() override {
    IMAPFS_TRY(parts_->database->sync());
    return parts_->staged.contents().sync();
  }

 private:
  template <class Work>
  auto locked(Work work) -> decltype(work(std::declval<JournalParts&>())) {
    const std::lock_guard guard(mutex_);
    return work(*parts_);
  }

  std::mutex mutex_;
  const std::unique_ptr<JournalParts> parts_;
};

/// Shows names that were given in a mount with the account's own directory.
void borrow_names(JournalParts& parts) {
  const auto original = original_of(parts.directory.path);
  if (original.empty()) return;
  const auto borrowed = parts.names.borrow(original, parts.directory.path);
  if (!borrowed)
    telemetry::warning("store: names given in {} are not shown: {}", telemetry::printable(original),
                       borrowed.error().what);
}

void take_over(JournalParts& parts, AccountDirectory sibling) {
  const std::string path = sibling.path;
  auto abandoned = JournalParts::open(std::move(sibling));
  auto taken = abandoned ? JournalTakeOver(parts, **abandoned).run() : Result<void>(fail(std::move(abandoned).error()));
  // The abandoned journal stays where it is, and the next mount tries again.
  if (!taken) telemetry::warning("store: take over {}: {}", telemetry::printable(path), taken.error().what);
}

}  // namespace

Result<std::shared_ptr<Journal>> Journal::open(const std::string& state_root, const std::string& account) {
  return open_journal(state_root, account, {});
}

Result<std::shared_ptr<Journal>> open_journal(const std::string& state_root, const std::string& account,
                                              const LockWait& wait) {
  auto directory = IMAPFS_TRY(open_account_directory(state_root, account, "state", wait));
  std::vector<AccountDirectory> idle;
  if (!directory.private_copy) idle = lock_idle_siblings(directory, "state");
  auto parts = IMAPFS_TRY(JournalParts::open(std::move(directory)));
  borrow_names(*parts);
  for (auto& sibling : idle) take_over(*parts, std::move(sibling));
  return std::shared_ptr<Journal>(std::make_shared<SqliteJournal>(std::move(parts)));
}

}  // namespace imapfs::store

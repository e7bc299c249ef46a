#pragma once
// What would be refused anyway, said before anything is written: rights, the server's quota, its largest message, and
// the limit of all staged files.
//
// ENOSPC beyond Settings::staging_limit, EFBIG beyond the account's append_limit(), EDQUOT when the account's last word
// was that nothing is left, EROFS and EACCES by the mailbox's rights. Thread "staging"; no lock.

#include <cstdint>
#include <optional>

#include "imapfs/sync/account.hpp"
#include "vfs/staging/staged_file.hpp"
#include "vfs/staging/staging_thread.hpp"

namespace imapfs::vfs {

class StagingLimits {
 public:
  StagingLimits(sync::Account& account, const Settings& settings, StagingThread& thread)
      : account_(account), settings_(settings), thread_(thread) {}

  /// What the server would refuse anyway.
  [[nodiscard]] Result<void> check_rights(MailboxId mailbox, bool replaces) const;
  /// Nothing left according to the last word about the quota. A new word is asked for now and then, and waited for by
  /// nobody.
  [[nodiscard]] Result<void> check_quota();
  /// Whether the file may become `size` bytes long.
  [[nodiscard]] Result<void> check_size(const StagedFile& file, std::uint64_t size) const;
  /// So much of it is here now.
  void count(StagedFile& file);
  void forget(StagedFile& file);

 private:
  sync::Account& account_;
  const Settings& settings_;
  StagingThread& thread_;
  std::uint64_t used_ = 0;  ///< bytes that count towards the limit
  bool quota_exhausted_ = false;
  std::optional<SteadyClock::time_point> quota_asked_;
};

}  // namespace imapfs::vfs

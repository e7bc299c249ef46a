#include "vfs/staging/staging_limits.hpp"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <memory>

namespace imapfs::vfs {

namespace {

/// Until then what the account said last of its quota is believed.
constexpr std::chrono::seconds quota_age{10};

}  // namespace

Result<void> StagingLimits::check_rights(MailboxId mailbox, bool replaces) const {
  const auto rights = account_.mailboxes().rights(mailbox);
  if (rights.read_only) return fail(EROFS, Scope::mailbox, Retry::never, "the mailbox is read-only");
  if (!rights.insert) return fail(EACCES, Scope::mailbox, Retry::never, "no right to add messages to this mailbox");
  if (replaces && !rights.remove_messages) {
    return fail(EACCES, Scope::mailbox, Retry::never, "no right to remove the message that would be replaced");
  }
  return {};
}

Result<void> StagingLimits::check_quota() {
  const auto time = SteadyClock::now();
  if (!quota_asked_ || time - *quota_asked_ > quota_age) {
    quota_asked_ = time;
    const auto answered = std::make_shared<std::atomic<bool>>(false);
    const auto exhausted = std::make_shared<std::atomic<bool>>(false);
    const auto note = thread_.posting([this, exhausted] { quota_exhausted_ = *exhausted; });
    account_.usage([answered, exhausted, note](const Result<sync::Usage>& usage) {
      *exhausted = usage && usage->limit_kib && usage->used_kib >= *usage->limit_kib;
      *answered = true;
      note();
    });
    if (*answered) quota_exhausted_ = *exhausted;
  }
  if (quota_exhausted_) return fail(EDQUOT, Scope::account, Retry::later, "the account's quota is used up");
  return {};
}

Result<void> StagingLimits::check_size(const StagedFile& file, std::uint64_t size) const {
  const auto limit = account_.changes().append_limit();
  if (limit && size > *limit) {
    return fail(EFBIG, Scope::message, Retry::never, "the server takes messages of at most {} octets", *limit);
  }
  const std::uint64_t others = used_ - file.counted;
  if (size > file.counted && others + size > settings_.staging_limit) {
    return fail(ENOSPC, "staged files would take more than {} octets", settings_.staging_limit);
  }
  return {};
}

void StagingLimits::count(StagedFile& file) {
  const auto size = file.content ? file.content->size() : 0;
  used_ = used_ - file.counted + size;
  file.counted = size;
}

void StagingLimits::forget(StagedFile& file) {
  used_ -= file.counted;
  file.counted = 0;
}

}  // namespace imapfs::vfs

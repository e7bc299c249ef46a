#include "vfs/news/seen_directories.hpp"

namespace imapfs::vfs {

void SeenDirectories::add(MailboxId mailbox) {
  seen_.with_lock([&](auto& seen) { seen.insert(mailbox); });
}

bool SeenDirectories::contains(MailboxId mailbox) const {
  if (mailbox.value == 0) return true;
  return seen_.with_lock([&](const auto& seen) { return seen.contains(mailbox); });
}

}  // namespace imapfs::vfs

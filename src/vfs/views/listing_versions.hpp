#pragma once
// What each directory held when it was last opened, so that opendir can tell the kernel whether its cached listing is
// exact. One number per mailbox. Thread-safe; its lock is a leaf.

#include <cstdint>
#include <unordered_map>

#include "imapfs/base/concurrency.hpp"
#include "imapfs/sync/mailbox_reader.hpp"

namespace imapfs::vfs {

class ListingVersions {
 public:
  /// True if nothing changed since the last call for this mailbox.
  [[nodiscard]] bool unchanged(const sync::MailboxReader& mailboxes, const sync::MailboxNode& mailbox);

 private:
  Guarded<std::unordered_map<MailboxId, std::uint64_t>> seen_;
};

}  // namespace imapfs::vfs

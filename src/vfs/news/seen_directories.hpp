#pragma once
// The directories the kernel has heard of: only there can be a watcher, so only there inotify events are raised.
// Thread-safe; its lock is a leaf.

#include <unordered_set>

#include "imapfs/base/concurrency.hpp"
#include "imapfs/model/types.hpp"

namespace imapfs::vfs {

class SeenDirectories {
 public:
  void add(MailboxId mailbox);
  /// The root always counts as seen.
  [[nodiscard]] bool contains(MailboxId mailbox) const;

 private:
  Guarded<std::unordered_set<MailboxId>> seen_;
};

}  // namespace imapfs::vfs

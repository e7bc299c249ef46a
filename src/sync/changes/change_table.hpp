#pragma once
// The changes of an account that users still see or wait for: one lock, a leaf.

#include <map>
#include <memory>

#include "imapfs/base/concurrency.hpp"
#include "sync/changes/queue.hpp"

namespace imapfs::sync {

struct ChangeTable {
  ChangeQueue queue;
  /// Recorded as ended; the destination does not show yet what has come.
  std::map<ChangeId, std::shared_ptr<PendingChange>> arriving;
};
/// Changed on the thread "journal" alone, but for who waits for a change, and the names of mailboxes. A PendingChange
/// may hold an ArrivalGuard: it is destroyed without the lock.
using SharedChangeTable = Guarded<ChangeTable>;

}  // namespace imapfs::sync

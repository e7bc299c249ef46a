#pragma once
// An accepted change that has not ended, and who waits for it. Plain data.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "imapfs/base/executor.hpp"
#include "imapfs/store/journal.hpp"
#include "imapfs/sync/message_changer.hpp"

namespace imapfs::sync {

class ArrivalGuard;
struct DrainWaiter;

struct PendingChange {
  store::JournalChange change;
  std::string operation;  ///< for people: "remove", "move" …
  std::string path;       ///< for people: "INBOX/name.eml"
  FlagSet message_flags;  ///< as they were when it was accepted
  UnixTime accepted_at = 0;

  Completion<ChangeId> accepted;  ///< empty once called
  std::vector<Completion<Arrival>> finished;
  std::vector<std::shared_ptr<DrainWaiter>> drain_waiters;
  std::vector<Completion<void>> followed_by;  ///< what must come after it

  bool look_up = false;  ///< a command was sent whose outcome is not known
  bool in_flight = false;
  bool parked = false;    ///< an upload whose outcome is not known and whose user has been told so: waits for the next
                          ///< attempt or run
  unsigned attempts = 0;  ///< that ended without an outcome
  unsigned sent_in_vain = 0;            ///< commands that were sent, and a look found that nothing had happened
  std::uint64_t group = 0;              ///< not 0: part of a batch that was refused as a whole
  std::shared_ptr<unsigned> refusals;   ///< of the batch it was part of
  std::shared_ptr<ArrivalGuard> guard;  ///< of a look that is still to come
};

}  // namespace imapfs::sync

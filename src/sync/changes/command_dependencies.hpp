#pragma once
// What commands that carry out changes need besides a session. On pool threads.

#include <functional>

#include "imapfs/store/journal.hpp"
#include "sync/changes/change_kinds.hpp"
#include "sync/changes/own_arrivals.hpp"

namespace imapfs::sync {

struct CommandDependencies {
  store::Journal& journal;
  SteadyClock::duration timeout;
  OwnArrivals& own_arrivals;
  /// The UIDs of the mailbox stand for other messages than its rows say.
  std::function<void(const MailboxPointer&)> list_anew;
};

}  // namespace imapfs::sync

#pragma once
// An upload on its way. Handed from the thread "journal" to a pool's thread and back: one at a time uses it.

#include <memory>
#include <optional>
#include <utility>

#include "sync/changes/arrival_guard.hpp"
#include "sync/changes/change_kinds.hpp"

namespace imapfs::sync {

struct UploadAttempt {
  /// What was sent of the same file before, with an outcome that nobody knows yet.
  struct Earlier {
    store::JournalChange change;
    MailboxPointer destination;  ///< null: there is no such mailbox any more
    store::JournalLocation arrived;
    bool is_the_same = false;  ///< what is to be uploaded, and where to
  };
  Upload upload;
  Completion<Arrival> done;  ///< empty once the change waits for its end
  store::JournalChange change;
  MailboxPointer destination;
  Deadline deadline;
  unsigned tries = 0;
  bool look_up = false;               ///< this APPEND may have been carried out
  bool sent = false;                  ///< in this run
  std::optional<Earlier> earlier;     ///< to be found before anything is sent
  store::JournalLocation superseded;  ///< an earlier version somewhere else: removed when this one has come
  std::shared_ptr<ArrivalGuard> guard;
  store::JournalLocation arrived;

  /// Its user hears `error`.
  void fail_with(Error error) { std::exchange(done, nullptr)(fail(std::move(error))); }
};
using UploadAttemptPointer = std::shared_ptr<UploadAttempt>;

/// The connection was lost, and the account is not: it is worth another one.
[[nodiscard]] inline bool may_connect_again(const Error& error) { return error.scope == Scope::session; }

}  // namespace imapfs::sync

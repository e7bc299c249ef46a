#pragma once
// An upload on its way, see mutation_upload.cpp. Handed from the thread "journal" to a pool's thread and back: one at a
// time uses it.

#include <memory>
#include <optional>

#include "sync/changes/changes.hpp"

namespace imapfs::sync {

struct Changes::UploadAttempt {
  /// What was sent of the same file before, with an outcome that nobody knows yet.
  struct Earlier {
    store::JournalChange change;
    MailboxPointer destination;  ///< null: there is no such mailbox any more
    store::JournalLocation arrived;
    bool is_the_same = false;  ///< what is to be uploaded, and where to
  };
  Upload upload;
  Completion<Arrival> done;
  store::JournalChange change;
  MailboxPointer destination;
  Deadline deadline;
  unsigned tries = 0;
  bool look_up = false;               ///< this APPEND may have been carried out
  bool sent = false;                  ///< in this run
  std::optional<Earlier> earlier;     ///< to be found before anything is sent
  store::JournalLocation superseded;  ///< an earlier version somewhere else: removed when this one has come
  std::shared_ptr<ArrivalGuard> hold;
  store::JournalLocation arrived;
};

}  // namespace imapfs::sync

#pragma once
// One run of an upload: APPEND, and a look whether the message has come. If an earlier run was not answered, the look
// comes first.
//
// The attempt says afterwards whether anything was sent, whether that has to be looked up, and where the message is.
// Used for one run, on a pool's thread; no locks.

#include <vector>

#include "sync/changes/arrivals.hpp"
#include "sync/changes/upload_attempt.hpp"

namespace imapfs::sync {

class AppendCommand {
 public:
  AppendCommand(UploadAttempt& attempt, const CommandDependencies& dependencies, imap::Session& session,
                const CallContext& context);

  /// The pool must not run it again by itself once something was sent: no Error of a lost connection is Retry::now
  /// then.
  Result<void> run();

 private:
  Result<void> append();
  Result<void> note_content();
  Result<void> select();
  Result<void> mark_sent(const DestinationPoint& point);
  Result<imap::AppendedMessage> send();
  Result<imap::AppendedMessage> send_once();
  Result<void> confirm(Uid told);
  Result<bool> take(Uid told, const std::vector<ArrivalCandidate>& candidates);
  Result<bool> find();
  void show(const ArrivalCandidate& seen);
  [[nodiscard]] DestinationPoint point() const;

  UploadAttempt& attempt_;
  const CommandDependencies& dependencies_;
  imap::Session& session_;
  const CallContext& context_;
};

}  // namespace imapfs::sync

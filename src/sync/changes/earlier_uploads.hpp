#pragma once
// The same file again, after an APPEND of it whose outcome nobody knows.
//
// What was sent is looked for by its bytes. If it has come and the file still holds it, that is the upload. If the file
// holds something else by now, what has come is the message that the new version replaces: appended first, then the
// earlier one is removed by the policy. If nothing has come, there is nothing to care about.
//
// On the thread "journal", but for the look itself, which is a job of the pool. No state of its own.

#include <functional>

#include "sync/changes/change_recorder.hpp"
#include "sync/changes/command_dependencies.hpp"
#include "sync/changes/upload_attempt.hpp"

namespace imapfs::sync {

class EarlierUploads {
 public:
  struct Dependencies {
    ChangeThread& thread;
    SharedChangeTable& table;
    store::Journal& journal;
    const Locations& locations;
    const RemovalPlanner& removals;
    const ChangeEffects& effects;
    ChangeRecorder& recorder;
    const CommandDependencies& commands;
    std::function<void(imap::PoolJob)> submit;
    /// The attempt has nothing left to care about, and is to be sent.
    std::function<void(const UploadAttemptPointer&)> append;
    /// The look has lost its connection: another one later. False if there is no time left.
    std::function<bool(const UploadAttemptPointer&)> try_again;
  };
  explicit EarlierUploads(Dependencies dependencies);

  /// Whether something was sent of this file; the attempt knows what, then.
  [[nodiscard]] bool find_in_queue(UploadAttempt& attempt);
  /// Looks for it, and goes on with the attempt.
  void look_for(const UploadAttemptPointer& attempt);

 private:
  Result<void> look(UploadAttempt& attempt, imap::Session& session, const CallContext& context) const;
  void looked_up(const UploadAttemptPointer& attempt, const Result<void>& result);
  void end_as_earlier(const UploadAttemptPointer& attempt);
  void replace(const UploadAttemptPointer& attempt);
  void forget(const UploadAttemptPointer& attempt);

  const Dependencies dependencies_;
};

}  // namespace imapfs::sync

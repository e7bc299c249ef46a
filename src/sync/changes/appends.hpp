#pragma once
// Uploads: one APPEND each, several at a time, and never behind the user's back. The user's word is the server's.
//
// A connection that is lost in the middle leaves an unknown outcome: a new one looks whether the message has come
// before it is sent again. If there is no new connection in time, the user is told of a failure and the change stays in
// the journal as it is ("parked"): whoever uploads the same file again looks first (EarlierUploads), and so does the
// next process. A look is for the bytes that were sent, whatever the file holds by then.
//
// upload() may be called from any thread and returns at once. The rest is on the thread "journal", which alone touches
// the state; close() after that has ended, whoever still waits gets ECANCELED.

#include <functional>
#include <memory>
#include <vector>

#include "sync/changes/acceptor.hpp"
#include "sync/changes/earlier_uploads.hpp"

namespace imapfs::sync {

class Appends {
 public:
  struct Dependencies {
    ChangeThread& thread;
    SharedChangeTable& table;
    store::Journal& journal;
    const Locations& locations;
    const RemovalPlanner& removals;
    const ChangeRights& rights;
    const ChangeEffects& effects;
    ChangeWaiters& waiters;
    ChangeRecorder& recorder;
    Acceptor& acceptor;
    const CommandDependencies& commands;
    std::function<void(imap::PoolJob)> submit;
    DispatchTimer::Later later;
    SteadyClock::duration timeout;
  };
  explicit Appends(Dependencies dependencies);

  /// As MessageChanger::upload().
  void upload(const Upload& upload, Completion<Arrival> done);
  /// Changes have ended: uploads that look the same as one of them need not wait any longer.
  void resume_twins();
  void close();

 private:
  using Attempts = std::vector<UploadAttemptPointer>;

  void begin(const UploadAttemptPointer& attempt);
  [[nodiscard]] bool wait_for_twin(const UploadAttemptPointer& attempt);
  void accept(const UploadAttemptPointer& attempt);
  void describe(UploadAttempt& attempt) const;
  void submit(const UploadAttemptPointer& attempt);
  void ended(const UploadAttemptPointer& attempt, const Result<void>& result);
  [[nodiscard]] bool may_try_again(const UploadAttempt& attempt) const;
  void reconnect(const UploadAttemptPointer& attempt);
  void resume_reconnecting();
  void park(const UploadAttemptPointer& attempt, const Error& error);
  void remove_superseded(const UploadAttempt& attempt);

  const Dependencies dependencies_;
  EarlierUploads earlier_;
  Attempts reconnecting_;  ///< to be looked up as soon as there is a connection
  Attempts twins_;         ///< wait for an upload that looks the same
};

}  // namespace imapfs::sync

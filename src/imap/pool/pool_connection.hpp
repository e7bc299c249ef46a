#pragma once
// One place of the pool and its session: opened when a job needs one, asked after a rest whether it still answers, and
// thrown away after an Error of scope session.
//
// Connections may die silently. A resting session is asked by NOOP when another was lost or an answer is overdue; a
// silent command is given up when Liveness says so.
//
// Only the place's thread calls it, without the pool's mutex; adopt() is called before that thread has anything to do.

#include <memory>
#include <mutex>

#include "imap/pool/connectivity.hpp"
#include "imap/pool/liveness.hpp"

namespace imapfs::imap {

class PoolConnection {
 public:
  struct Dependencies {
    std::mutex& mutex;
    ConnectionTable& table;
    Connectivity& connectivity;
    Liveness& liveness;
    const SessionFactory& factory;
    PoolListener* listener;
    const SessionPool::Settings& settings;
  };

  PoolConnection(ConnectionState& state, Dependencies dependencies) : state_(state), dependencies_(dependencies) {}

  /// Takes over an open session. With the pool's mutex.
  void adopt(std::unique_ptr<Session> session);
  /// Provides a live session that has left the mailboxes it must leave.
  Result<void> prepare(QueuedJob& queued);
  /// Whether the last prepare() opened the session.
  [[nodiscard]] bool fresh() const { return fresh_; }
  /// Runs the job on the session. An Error of scope session costs the session.
  Result<void> run(const QueuedJob& queued);
  /// Whether there is a session and it answers NOOP in time. If it does not answer, it is thrown away.
  bool answers(CallContext context);
  /// After an exception: throws the session away, because the state of its dialogue is unknown.
  Result<void> give_up(Error error);
  void log_out();

 private:
  using Lock = std::lock_guard<std::mutex>;

  bool still_alive(const QueuedJob& queued);
  /// False if leaving cost the session.
  bool leave_unmade(const CallContext& context);
  Result<void> connect(QueuedJob& queued);
  void connect_failed(QueuedJob& queued, const Error& error, SteadyClock::time_point started);
  void install(std::unique_ptr<Session> session, SteadyClock::time_point started);
  void discard(const Error& reason);
  void note_state();
  /// With the pool's mutex.
  void take(std::unique_ptr<Session> session);
  void watch_silence(Session& session);
  /// For SilenceWatch: whether to give up the running command.
  bool gives_up(SteadyClock::duration silent, bool changing);
  /// Whether the error is an internal one of the server that another session may not get.
  bool blames_session(const Error& error);

  ConnectionState& state_;
  const Dependencies dependencies_;
  std::unique_ptr<Session> session_;
  bool fresh_ = false;                       ///< the session has not completed a job yet
  SteadyClock::duration longest_silence_{};  ///< beyond doubt_after, in the running job
};

}  // namespace imapfs::imap

#pragma once
// One place of the pool and the session on it: opened when a job needs one, asked whether it still answers after a
// rest, and thrown away after an Error of scope session.
//
// Connections may die without a word: a session that rests is asked by NOOP when another was lost or an answer is
// overdue, and a command that stays silent is given up when Liveness says so.
//
// Its thread alone calls it, without the pool's mutex; adopt() is called before that thread has anything to do.

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

  /// Takes over a session that is open. With the pool's mutex.
  void adopt(std::unique_ptr<Session> session);
  /// Sees to a session that is live and has left what it must leave.
  Result<void> prepare(QueuedJob& queued);
  /// The session was opened by the last prepare().
  [[nodiscard]] bool fresh() const { return fresh_; }
  /// Runs the job on it. An Error of scope session costs the session.
  Result<void> run(const QueuedJob& queued);
  /// Whether the session, if there is one, answers NOOP in time. Else it is thrown away.
  bool answers(CallContext context);
  /// After an exception: nobody knows what is still to be read from the connection.
  Result<void> give_up(Error error);
  void log_out();

 private:
  using Lock = std::lock_guard<std::mutex>;

  bool still_alive(const QueuedJob& queued);
  /// False if that cost the session.
  bool leave_unmade(const CallContext& context);
  Result<void> connect(QueuedJob& queued);
  void connect_failed(QueuedJob& queued, const Error& error, SteadyClock::time_point started);
  void install(std::unique_ptr<Session> session, SteadyClock::time_point started);
  void discard(const Error& reason);
  void note_state();
  /// With the pool's mutex.
  void take(std::unique_ptr<Session> session);
  void watch_silence(Session& session);
  /// SilenceWatch: the command that runs gets no answer.
  bool gives_up(SteadyClock::duration silent, bool changing);
  /// An internal error of the server, which another session may be spared.
  bool blames_session(const Error& error);

  ConnectionState& state_;
  const Dependencies dependencies_;
  std::unique_ptr<Session> session_;
  bool fresh_ = false;                       ///< has not served a job yet
  SteadyClock::duration longest_silence_{};  ///< beyond doubt_after, in the job that runs
};

}  // namespace imapfs::imap

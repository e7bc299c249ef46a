#pragma once
// The thread of one place of the pool: takes the job chosen for it, runs it on a live session, and puts it back when
// its connection was lost and it may run again.
//
// The thread is the place's own (ConnectionState::run); the constructor only says what it does. Jobs must be complete
// and the thread joined before this is destroyed.

#include <stop_token>

#include "imap/pool/dispatcher.hpp"
#include "imap/pool/pool_connection.hpp"

namespace imapfs::imap {

class JobRunner {
 public:
  /// `closing` ends the question whether a session still answers.
  JobRunner(ConnectionState& place, Dispatcher& dispatcher, const PoolConnection::Dependencies& dependencies,
            std::stop_token closing);
  JobRunner(const JobRunner&) = delete;
  JobRunner& operator=(const JobRunner&) = delete;

  [[nodiscard]] PoolConnection& connection() { return connection_; }

 private:
  void run();
  void serve(const QueuedJobPointer& queued);
  /// The server can be reached: jobs that were held back for that are looked at.
  void let_others_connect();
  /// Puts the job back if `error` is about the connection alone and there is time left. With the pool's mutex.
  bool run_again(const QueuedJobPointer& queued, bool had_session, const Error& error);

  ConnectionState& place_;
  Dispatcher& dispatcher_;
  std::mutex& mutex_;
  const std::stop_token closing_;
  PoolConnection connection_;
};

}  // namespace imapfs::imap

#pragma once
// The thread of one place of the pool: takes the job assigned to it, runs it on a live session, and queues it again if
// its connection was lost and it may run again.
//
// ConnectionState owns the thread; the constructor sets its function. Before this is destroyed, all jobs must be
// complete and the thread joined.

#include <stop_token>

#include "imap/pool/dispatcher.hpp"
#include "imap/pool/pool_connection.hpp"

namespace imapfs::imap {

class JobRunner {
 public:
  /// `closing` ends the check whether a session still answers.
  JobRunner(ConnectionState& place, Dispatcher& dispatcher, const PoolConnection::Dependencies& dependencies,
            std::stop_token closing);
  JobRunner(const JobRunner&) = delete;
  JobRunner& operator=(const JobRunner&) = delete;

  [[nodiscard]] PoolConnection& connection() { return connection_; }

 private:
  void run();
  void serve(const QueuedJobPointer& queued);
  /// The server can be reached: has jobs looked at that were held back.
  void let_others_connect();
  /// Queues the job again if `error` concerns only the connection and there is time left. With the pool's mutex.
  bool run_again(const QueuedJobPointer& queued, bool had_session, const Error& error);

  ConnectionState& place_;
  Dispatcher& dispatcher_;
  std::mutex& mutex_;
  const std::stop_token closing_;
  PoolConnection connection_;
};

}  // namespace imapfs::imap

#pragma once
// The connections of one account: a few threads, each with a session of its own, that run jobs.
//
// A job names its mailbox; a thread whose session has it selected is preferred, then one with nothing selected, then a
// new connection, then the least recently used. Interactive jobs overtake background ones, and one thread is always
// kept free of background jobs (when there are two or more). Sessions are opened outside the lock, checked before reuse
// after a pause, and thrown away after an Error of scope session.
//
// Connections may die without a word. When one is lost, or an answer is overdue, those that rest are asked by NOOP at
// once, and the owner is told, who has others. A job whose session stays silent has it taken away once, and runs again
// on another; what changes something is only given up (to be looked up: the outcome is unknown) when others were found
// to be dead and none answers.
//
// A job gets a live session and returns a Result. After an Error of scope session with Retry::now, the job runs again
// on another session as often as its deadline allows, with pauses that grow (without a deadline, three times); so jobs
// must be repeatable. When the server cannot be reached, the pool backs off (1 s doubling to 60 s, with jitter, or what
// the server asked for), and tries once a second while an interactive job waits. Jobs wait for the outcome until
// attempts have failed for longer than a grace; then those that wait, and those that come and cannot try again
// themselves, fail with the last connect Error (EHOSTUNREACH …). The first success serves all. The job's `done` is
// called exactly once, on the pool's thread or on the submitter's when refused at once. It must be quick: the session's
// next job waits for it. A job that waits ends with EINTR or ETIMEDOUT as soon as it is cancelled or expires.

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "imapfs/base/executor.hpp"
#include "imapfs/imap/backoff.hpp"
#include "imapfs/imap/session.hpp"

namespace imapfs::imap {

enum class Priority : std::uint8_t { interactive, background };

struct PoolJob {
  WireName mailbox;  ///< affinity only; empty: any session
  Priority priority = Priority::interactive;
  CallContext context;
  /// Runs with a live session; may be called again after the connection was lost.
  std::function<Result<void>(Session&, const CallContext&)> run;
  std::function<void(Result<void>)> done;
  std::string what;  ///< for logs: "fetch headers of INBOX"
  /// Goes on for as long as it finds something to do. It rather waits for a connection that has the mailbox selected
  /// and is about to be free than have another opened, which takes several round trips; nobody waits like that for its
  /// own.
  bool goes_on = false;
  /// Carries out what a user wants changed. Worth as many connection attempts as an interactive job, though one in the
  /// background gives way to those; and a connection that has rested for a while is asked first, since what becomes of
  /// a change on a dead one is hard to tell.
  bool changes = false;
  /// Names that this job takes from their mailboxes (DELETE, RENAME). Once it has run, no other session does anything
  /// before it has left those mailboxes and what is below them: what it has selected is not what the name means any
  /// more (RFC 2180 §3), and Dovecot answers an APPEND to the new mailbox of the name with an internal error where the
  /// old one is still open.
  std::vector<WireName> unmakes;
  /// Of a job in the background: true from the moment when somebody waits for it after all. From then on it is worth as
  /// many attempts.
  std::shared_ptr<const std::atomic<bool>> awaited;
};

/// A snapshot for /.imapfs/status.
struct ConnectionStatus {
  std::string name;         ///< "imap-1"
  std::string description;  ///< empty when not connected
  std::string mailbox;      ///< selected, wire form
  std::string doing;        ///< PoolJob::what, or empty
};

struct PoolStatus {
  std::vector<ConnectionStatus> connections;
  bool online = false;
  std::string last_error;
  std::size_t queued = 0;
};

/// Called by the pool; must be quick. May come from any pool thread.
class PoolListener {
 public:
  virtual ~PoolListener() = default;
  /// A new session is about to serve jobs: the place to install an UntaggedListener. The listener returned must outlive
  /// the session.
  virtual UntaggedListener* on_session_opened(Session& session) = 0;
  /// Connectivity changed. A connection that is lost and can be replaced within the pool's grace is no change.
  virtual void on_online(bool online, const std::string& reason) = 0;
  /// A connection was lost, or is silent: others to the same server had better be asked whether they still stand.
  virtual void on_connection_doubted() {}
};

class SessionPool {
 public:
  struct Settings {
    std::size_t connections = 3;  ///< threads at most; started when first needed
    SteadyClock::duration connect_timeout = std::chrono::seconds(30);
    SteadyClock::duration idle_check_after = std::chrono::seconds(120);  ///< NOOP before reuse after this pause
    SteadyClock::duration change_check_after = std::chrono::seconds(5);  ///< the same, before something is changed
    SteadyClock::duration answer_patience = std::chrono::seconds(4);  ///< for NOOP, which no server has to think about
    /// After so much silence of a command the other connections are asked. Few commands take as long, and asking is
    /// cheap.
    SteadyClock::duration doubt_after = std::chrono::seconds(2);
    SteadyClock::duration doubt_pause = std::chrono::seconds(10);  ///< … at most this often
    /// After so much silence a connection may be given up. Long enough for a lost packet or two.
    SteadyClock::duration give_up_after = std::chrono::seconds(5);
    std::size_t queue_limit = 4096;  ///< further jobs are refused with EAGAIN
    ConnectGate::Settings reconnect;
  };

  SessionPool(Settings settings, SessionFactory factory, PoolListener* listener);
  /// Cancels what runs, fails what is queued with ECANCELED, joins.
  ~SessionPool();
  SessionPool(const SessionPool&) = delete;
  SessionPool& operator=(const SessionPool&) = delete;

  /// Gives the pool a session that is already open (the one made before the mount).
  void adopt(std::unique_ptr<Session> session);
  void submit(PoolJob job);
  [[nodiscard]] PoolStatus status() const;
  /// As PoolStatus::online.
  [[nodiscard]] bool online() const;
  /// Whether a job waits for a connection: the place to give way for jobs that need not go on.
  [[nodiscard]] bool somebody_waits() const;
  /// The network came back (or the user asked): forget the back-off.
  void retry_now();
  /// A connection of the owner's, to the same server, was lost; silently: it did not answer.
  void neighbour_lost(bool silently);
  /// One of them was asked and has answered.
  void neighbour_answers();
  void close();

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace imapfs::imap

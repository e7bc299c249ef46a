#pragma once
// The connections of one account: a few threads, each with a session of its own, that run jobs.
//
// A job names its mailbox. Best is a thread whose session has it selected, then one with nothing selected, then a new
// connection, then the least recently used. Interactive jobs overtake background jobs, and one thread is always kept
// free of background jobs (if there are two or more). Sessions are opened outside the lock, checked before reuse after
// a pause, and thrown away after an Error of scope session.
//
// Connections may die silently. When one is lost, or an answer is overdue, the pool sends NOOP on the resting
// connections at once and tells the owner, who has others. A job whose session stays silent is moved to another session
// once. A command that changes something is given up only when others were found dead and none answers; its outcome is
// then unknown and must be looked up.
//
// A job gets a live session and returns a Result. After an Error of scope session with Retry::now, the job runs again
// on another session as often as its deadline allows, with growing pauses (three times without a deadline): jobs must
// be repeatable. When the server cannot be reached, the pool backs off (1 s doubling to 60 s, with jitter, or what the
// server asks for), and tries once a second while an interactive job waits. When attempts have failed for longer than a
// grace, waiting jobs fail with the last connect Error (EHOSTUNREACH …); so do new ones, unless they may try to connect
// themselves. The first success serves all. A job's `done` is called exactly once, on the pool's thread, or on the
// submitter's if the job is refused at once. It must be quick: the session's next job waits for it. A waiting job ends
// with EINTR or ETIMEDOUT as soon as it is cancelled or expires.

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
  WireName mailbox;  ///< preference only; empty: any session
  Priority priority = Priority::interactive;
  CallContext context;
  /// Runs with a live session; may be called again after a lost connection.
  std::function<Result<void>(Session&, const CallContext&)> run;
  std::function<void(Result<void>)> done;
  std::string what;  ///< for logs: "fetch headers of INBOX"
  /// A job that runs as long as it finds work. If a connection with its mailbox selected is soon free, it waits for
  /// that one instead of opening another, which takes several round trips. No job waits for a connection that runs such
  /// a job.
  bool goes_on = false;
  /// Carries out a user's change. Worth as many connection attempts as an interactive job, but a background job still
  /// gives way to interactive ones. A connection that has rested is asked first, because the outcome of a change on a
  /// dead connection is hard to find out.
  bool changes = false;
  /// Mailboxes that this job removes or renames (DELETE, RENAME). After it has run, every other session leaves them,
  /// and those below them, before it does anything else: the selected mailbox is not the one that the name now means
  /// (RFC 2180 §3), and Dovecot answers an APPEND to a new mailbox of the name with an internal error while the old one
  /// is open.
  std::vector<WireName> unmakes;
  /// Of a background job: becomes true when somebody begins to wait for it. From then on it is worth as many attempts.
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

/// Called by the pool, from any of its threads; must be quick.
class PoolListener {
 public:
  virtual ~PoolListener() = default;
  /// A new session is about to serve jobs. Returns the UntaggedListener to install; it must outlive the session.
  virtual UntaggedListener* on_session_opened(Session& session) = 0;
  /// Connectivity changed. A lost connection that is replaced within the pool's grace is no change.
  virtual void on_online(bool online, const std::string& reason) = 0;
  /// A connection was lost or is silent: other connections to the same server should be checked.
  virtual void on_connection_doubted() {}
};

class SessionPool {
 public:
  struct Settings {
    std::size_t connections = 3;  ///< most threads; each starts when first needed
    SteadyClock::duration connect_timeout = std::chrono::seconds(30);
    SteadyClock::duration idle_check_after = std::chrono::seconds(120);  ///< NOOP before reuse after this pause
    SteadyClock::duration change_check_after = std::chrono::seconds(5);  ///< shorter, before a change
    SteadyClock::duration answer_patience = std::chrono::seconds(
        4);  ///< for NOOP, which every server can answer at once
    /// After this much silence of a command the other connections are asked. Few commands take that long, and asking is
    /// cheap.
    SteadyClock::duration doubt_after = std::chrono::seconds(2);
    SteadyClock::duration doubt_pause = std::chrono::seconds(10);  ///< … at most this often
    /// After this much silence a connection may be given up. Long enough for a lost packet or two.
    SteadyClock::duration give_up_after = std::chrono::seconds(5);
    std::size_t queue_limit = 4096;  ///< further jobs are refused with EAGAIN
    ConnectGate::Settings reconnect;
  };

  SessionPool(Settings settings, SessionFactory factory, PoolListener* listener);
  /// Cancels running jobs, fails queued jobs with ECANCELED, joins.
  ~SessionPool();
  SessionPool(const SessionPool&) = delete;
  SessionPool& operator=(const SessionPool&) = delete;

  /// Gives the pool a session that is already open (the one made before the mount).
  void adopt(std::unique_ptr<Session> session);
  void submit(PoolJob job);
  [[nodiscard]] PoolStatus status() const;
  /// As PoolStatus::online.
  [[nodiscard]] bool online() const;
  /// Whether a job waits for a connection. Jobs that can stop early should then give way.
  [[nodiscard]] bool somebody_waits() const;
  /// The network came back (or the user asked): resets the back-off.
  void retry_now();
  /// Another connection of the owner to the same server was lost. `silently`: it did not answer.
  void neighbour_lost(bool silently);
  /// Another connection of the owner was asked and has answered.
  void neighbour_answers();
  void close();

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace imapfs::imap

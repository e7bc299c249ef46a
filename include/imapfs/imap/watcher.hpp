#pragma once
// The connection that waits for news: one thread, one session, one mailbox at a time, IDLE with NOTIFY or alone, or a
// poll.
//
// The watcher connects and gives the session to the listener, which selects the mailbox and catches up; then the
// watcher idles. Every untagged datum goes to the listener; after each burst the listener may use the session (fetch
// the new rows) before IDLE starts again. IDLE is renewed every `renew_after`; without IDLE the watcher sends NOOP
// every `poll_interval`. A lost connection is reopened with back-off and jitter, and the listener selects and catches
// up again. Rounds that end at once and bring no news cost a pause that grows to `poll_interval`. A connection that may
// be dead can be asked: without an answer within seconds it counts as lost. All callbacks come from the thread
// "watch-N".

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "imapfs/imap/backoff.hpp"
#include "imapfs/imap/session.hpp"

namespace imapfs::imap {

class WatchListener : public UntaggedListener {
 public:
  /// The session is connected and nothing is selected: select the mailbox and bring it up to date. An Error of scope
  /// session reconnects; any other (mailbox gone) ends the watch.
  virtual Result<void> on_watch_started(Session& session, const CallContext& context) = 0;
  /// A burst of untagged data has ended: the session is free for commands.
  virtual Result<void> on_news(Session& session, const CallContext& context) = 0;
  /// The watch is interrupted (false, with reason) or stands (true).
  virtual void on_watching(bool watching, const std::string& reason) = 0;
  /// Before on_watching(false): the connection did not end by our own wish; silently: it did not answer, so what the
  /// server has told it of late is not known.
  virtual void on_connection_lost(bool) {}
  /// It was asked, and has answered.
  virtual void on_connection_answers() {}
  /// A round has ended, from one IDLE to the next: whether it has brought anything that was not known. `told`: the
  /// server has said something while it was waited for, rather than to a command.
  virtual bool brought_news(bool /*told*/) { return true; }
};

class Watcher {
 public:
  struct Settings {
    std::string name = "watch-1";
    std::chrono::seconds renew_after{540};
    std::chrono::seconds poll_interval{60};
    SteadyClock::duration connect_timeout = std::chrono::seconds(30);
    SteadyClock::duration answer_patience = std::chrono::seconds(4);  ///< for NOOP of a connection in doubt
    /// After so much silence a command is given up, if the connection has been in doubt since it was sent.
    SteadyClock::duration give_up_after = std::chrono::seconds(5);
    bool use_notify = false;  ///< ask for NOTIFY too, where the server has it
    Backoff::Settings backoff;
  };

  Watcher(Settings settings, SessionFactory factory, WatchListener& listener);
  /// Ends IDLE, joins.
  ~Watcher();
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  void start();
  void stop();
  /// Forget the back-off.
  void retry_now();
  /// Another connection to the server was lost: find out whether this one still stands.
  void ask();

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace imapfs::imap

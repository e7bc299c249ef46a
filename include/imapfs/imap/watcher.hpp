#pragma once
// The connection that waits for news: one thread, one session, one mailbox at a time; IDLE with or without NOTIFY, or
// polling.
//
// The watcher connects and gives the session to the listener, which selects the mailbox and catches up; then the
// watcher idles. Every untagged response goes to the listener. After each burst the listener may use the session (to
// fetch new rows) before IDLE starts again. IDLE is renewed every `renew_after`; without IDLE the watcher sends NOOP
// every `poll_interval`. A lost connection is reopened with back-off and jitter, and the listener selects and catches
// up again. Rounds that end at once and bring no news cost a pause that grows to `poll_interval`. ask() makes the
// watcher check a connection that may be dead: without an answer within seconds it counts as lost. All callbacks run on
// the thread "watch-N".

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "imapfs/imap/backoff.hpp"
#include "imapfs/imap/session.hpp"

namespace imapfs::imap {

class WatchListener : public UntaggedListener {
 public:
  /// The session is connected and nothing is selected: select the mailbox and bring it up to date. After an Error that
  /// may pass (Error::may_pass()) the watcher reconnects; any other (the mailbox is gone) ends the watch.
  virtual Result<void> on_watch_started(Session& session, const CallContext& context) = 0;
  /// A burst of untagged responses has ended; the session is free for commands.
  virtual Result<void> on_news(Session& session, const CallContext& context) = 0;
  /// The watch works (true), or is interrupted (false, with the reason).
  virtual void on_watching(bool watching, const std::string& reason) = 0;
  /// Called before on_watching(false) when the connection was lost. The argument tells whether the server stopped
  /// answering: then its latest news may be missing.
  virtual void on_connection_lost(bool) {}
  /// The connection was asked and has answered.
  virtual void on_connection_answers() {}
  /// A round from one IDLE to the next has ended: returns whether it brought anything new. `told`: the server spoke on
  /// its own, not in answer to a command.
  virtual bool brought_news(bool /*told*/) { return true; }
};

class Watcher {
 public:
  struct Settings {
    std::string name = "watch-1";
    std::chrono::seconds renew_after{540};
    std::chrono::seconds poll_interval{60};
    SteadyClock::duration connect_timeout = std::chrono::seconds(30);
    SteadyClock::duration answer_patience = std::chrono::seconds(4);  ///< for NOOP on a connection in doubt
    /// A command is given up after this much silence if the connection has come into doubt since it was sent.
    SteadyClock::duration give_up_after = std::chrono::seconds(5);
    bool use_notify = false;  ///< request NOTIFY too, if the server has it
    Backoff::Settings backoff;
  };

  Watcher(Settings settings, SessionFactory factory, WatchListener& listener);
  /// Ends IDLE, joins.
  ~Watcher();
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  void start();
  void stop();
  /// Resets the back-off.
  void retry_now();
  /// Another connection to the server was lost: checks whether this one still works.
  void ask();

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace imapfs::imap

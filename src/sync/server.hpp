#pragma once
// The account's server: the pool of connections, what is known of the server, and whether it can be reached.
//
// ask() runs a function with a live session on a pool's thread and passes its Result to a Completion. The function may
// run again on another session after a lost connection (imap/session_pool.hpp), so it must be repeatable. Before open()
// and after stop() every question fails with ECANCELED, within the call.
//
// Threads: any, except for open(), adopt() and close(), which belong to whoever starts and ends the account. One lock,
// a leaf.

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "imapfs/base/concurrency.hpp"
#include "imapfs/imap/session_pool.hpp"

namespace imapfs::sync {

/// The subject and the worth of a question; see imap::PoolJob.
struct Question {
  std::string what;          ///< for logs: "list mailboxes"
  imap::WireName mailbox{};  ///< preference only; empty: any session
  imap::Priority priority = imap::Priority::interactive;
  bool changes = false;
  std::vector<imap::WireName> unmakes{};
  std::shared_ptr<const std::atomic<bool>> awaited{};
  std::optional<SteadyClock::duration> patience{};  ///< none: the account's timeout
};

class Server {
 public:
  template <class T>
  using Asking = std::function<Result<T>(imap::Session&, const CallContext&)>;

  /// `timeout`: how long a question waits for its answer.
  explicit Server(SteadyClock::duration timeout) : timeout_(timeout) {}
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Starts the pool. `listener` outlives this object's close().
  void open(const imap::SessionPool::Settings& pool, const imap::SessionFactory& factory, imap::PoolListener& listener);
  /// Gives the pool an open session.
  void adopt(std::unique_ptr<imap::Session> session);
  /// From now on nothing is asked. False if it was stopped before.
  bool stop() { return !stopped_.exchange(true); }
  [[nodiscard]] bool stopped() const { return stopped_; }
  /// Ends what is running, and joins.
  void close();

  /// Calls `done` exactly once: on the pool's thread, or within the call if the question is refused.
  template <class T>
  void ask(Question question, Asking<T> run, Completion<T> done);
  void submit(imap::PoolJob job);
  [[nodiscard]] CallContext patience() const { return CallContext::within(timeout_); }

  [[nodiscard]] bool online() const { return pool_ && pool_->online(); }
  /// Calls `then` at once if the server counts as reachable; else after an attempt to connect, whatever its outcome.
  void with_connection(Job then);
  [[nodiscard]] bool somebody_waits() const { return pool_ && pool_->somebody_waits(); }
  /// Resets the back-off.
  void retry_now();
  /// Another connection to the server was lost, silently or not, or was asked and has answered.
  void neighbour_lost(bool silently);
  void neighbour_answers();
  [[nodiscard]] imap::PoolStatus status() const { return pool_ ? pool_->status() : imap::PoolStatus{}; }

  void note_traits(const imap::Session& session);
  /// From the session that was opened last; null before the first.
  [[nodiscard]] std::shared_ptr<const imap::ServerTraits> traits() const;
  /// Whether the server is known to have the capability.
  [[nodiscard]] bool has(std::string_view capability) const;
  /// Whether the server has it, or nothing is known of the server yet.
  [[nodiscard]] bool may_have(std::string_view capability) const;

 private:
  [[nodiscard]] imap::PoolJob job_of(Question question) const;

  const SteadyClock::duration timeout_;
  std::atomic<bool> stopped_{false};
  Guarded<std::shared_ptr<const imap::ServerTraits>> traits_;
  std::unique_ptr<imap::SessionPool> pool_;
};

template <class T>
void Server::ask(Question question, Asking<T> run, Completion<T> done) {
  auto job = job_of(std::move(question));
  if constexpr (std::is_void_v<T>) {
    job.run = std::move(run);
    job.done = std::move(done);
  } else {
    auto answer = std::make_shared<std::optional<T>>();
    job.run = [answer, run = std::move(run)](imap::Session& session, const CallContext& context) -> Result<void> {
      answer->emplace(IMAPFS_TRY(run(session, context)));
      return {};
    };
    job.done = [answer, done = std::move(done)](const Result<void>& result) {
      if (!result) return done(fail(result.error()));
      done(std::move(**answer));
    };
  }
  submit(std::move(job));
}

}  // namespace imapfs::sync

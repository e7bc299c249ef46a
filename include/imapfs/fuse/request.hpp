#pragma once
// One request of the kernel, from its arrival to its one answer.
//
// Guarantees: a request is answered exactly once, whoever comes first: the operation, its deadline (ETIMEDOUT), the
// death of its caller (EINTR), the end of the mount, or, when everybody has forgotten it, its destructor (EIO, logged
// as the bug it is). Later answers are dropped. Every error is logged once with operation, path and cause, and counted.
// Threads: all; the answer is written on the thread that brings it, with no lock held. Ownership: whoever may still
// answer holds a shared_ptr; the registry holds none.
//
// An answer given early ends the wait, not the work: a change that has begun goes on, and who learns of its success
// after the request has failed() tells the kernel, as of any other news.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include <sys/types.h>

#include <nlohmann/json_fwd.hpp>

#include "imapfs/base/executor.hpp"
#include "imapfs/base/result.hpp"
#include "imapfs/vfs/types.hpp"

struct fuse_req;

namespace imapfs::fuse {

class Request;

/// The requests in flight: for /.imapfs/requests, the SIGUSR1 dump, interrupts and the end of the mount.
class RequestRegistry {
 public:
  struct Summary {
    vfs::RequestId id = 0;
    std::string operation;
    std::string path;
    vfs::Caller caller;
    SteadyClock::duration age{};
  };

  /// Oldest first.
  [[nodiscard]] std::vector<Summary> summaries() const;
  /// [{"id": 7, "operation": "read", "path": "INBOX/…", "thread": 4711, "uid": 1000, "milliseconds": 12}, …]
  [[nodiscard]] nlohmann::json describe() const;
  /// Null when it has been answered.
  [[nodiscard]] std::shared_ptr<Request> find(vfs::RequestId id) const;

  /// From now on every request fails with ENOTCONN at once, those in flight too.
  void refuse_all();
  [[nodiscard]] bool refusing() const { return refusing_; }
  /// Waits until no answer is being written. After refuse_all() and with no new requests coming in.
  void wait_until_idle();

 private:
  friend class Request;
  void add(const std::shared_ptr<Request>& request);
  void remove(vfs::RequestId id);
  [[nodiscard]] std::vector<std::shared_ptr<Request>> all() const;

  std::atomic<vfs::RequestId> next_id_{1};
  std::atomic<bool> refusing_{false};
  mutable std::mutex mutex_;
  std::condition_variable idle_;
  std::unordered_map<vfs::RequestId, std::weak_ptr<Request>> in_flight_;
};

class Request : public std::enable_shared_from_this<Request> {
 public:
  /// What everybody wants to know of a request.
  struct Description {
    const char* operation = "";  ///< "lookup"
    vfs::NodeId node;
    std::string name;    ///< of an entry below `node`; may be empty
    vfs::Caller caller;  ///< its `request` is filled in by start()
    /// An interrupt is taken note of, and heeded from heed_interrupts() on.
    bool begins_in_any_case = false;
  };
  struct Dependencies {
    std::shared_ptr<RequestRegistry> registry;
    Scheduler* scheduler = nullptr;  ///< outlives every request
    /// For logs; the node's path without its name.
    std::function<std::string(vfs::NodeId)> path_of;
    /// fuse_reply_err(), or a test's.
    std::function<int(fuse_req*, int)> reply_error;
    /// Arranges that an interrupt of `raw` finds its way to interrupt() of the request with this id. May be empty.
    std::function<void(fuse_req*, vfs::RequestId)> make_interruptible;
    /// Whether this thread will never see an answer, because a signal ends it. Empty: no thread is killed.
    std::function<bool(pid_t)> being_killed;
  };

  /// How often a caller is looked at once a signal has come to it: Ctrl-C has to end it within 100 ms.
  static constexpr std::chrono::milliseconds look_again{40};

  static std::shared_ptr<Request> start(std::shared_ptr<const Dependencies> dependencies, Description description,
                                        fuse_req* raw);
  ~Request();
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;

  [[nodiscard]] const vfs::Caller& caller() const { return description_.caller; }
  [[nodiscard]] vfs::NodeId node() const { return description_.node; }
  [[nodiscard]] bool answered() const { return state_ == State::answered || state_ == State::failed; }
  /// Was answered with an error: what has happened all the same is news to the kernel.
  [[nodiscard]] bool failed() const { return state_ == State::failed; }
  [[nodiscard]] RequestRegistry::Summary summary() const;
  /// "INBOX/name.eml": where the operation happens; not passed through printable().
  [[nodiscard]] std::string path() const;

  /// Calls `write` with the kernel's handle if nobody has answered yet; `write` returns 0 or a negative errno as
  /// fuse_reply_* do. False when somebody had, or when the kernel did not want the answer any more: what the answer
  /// gave out (a handle) must then be taken back.
  [[nodiscard]] bool succeed(const std::function<int(fuse_req*)>& write);
  /// False when somebody had answered.
  bool fail(const Error& error);
  /// A signal has come to the caller. If it is being killed, the answer is EINTR, now or as soon as start() is through.
  /// If it is not, the request goes on as if nothing had happened, for a program that handles a signal expects neither
  /// EINTR from a file system nor half a change. But this is the only interrupt that the kernel sends for a request,
  /// and a caller that is killed later waits for our answer too: from here on it is looked at every `look_again`.
  void interrupt();
  /// For a request that begins in any case: it has begun.
  void heed_interrupts();

  /// Gives the request until `patience` from its arrival, then ETIMEDOUT. Does nothing if it is answered already. With
  /// `progress`, a number that grows while something gets on: as long again whenever it has grown since the last look.
  void arm_deadline(SteadyClock::duration patience, std::function<std::uint64_t()> progress = {});
  [[nodiscard]] SteadyClock::time_point arrived() const { return arrived_; }

 private:
  Request(std::shared_ptr<const Dependencies> dependencies, Description description, fuse_req* raw);

  /// While start() arranges things nobody but it may answer: libfuse's request would be gone under its hands.
  enum class State : std::uint8_t { starting, open, answered, failed };

  void open();
  void watch_caller();
  void end_at(SteadyClock::time_point when, SteadyClock::duration patience, std::function<std::uint64_t()> progress);
  [[nodiscard]] bool claim(State outcome);
  void finished(int outcome);
  void log_error(const Error& error) const;

  const std::shared_ptr<const Dependencies> dependencies_;
  Description description_;
  fuse_req* const raw_;
  const SteadyClock::time_point arrived_ = SteadyClock::now();
  std::atomic<State> state_{State::starting};
  std::atomic<bool> interrupted_{false};
  std::atomic<bool> heeds_interrupts_{false};
  std::atomic<Scheduler::Id> deadline_{0};
};

}  // namespace imapfs::fuse

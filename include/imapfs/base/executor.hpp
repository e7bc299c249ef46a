#pragma once
// Time, cancellation and threads.
//
// Blocking work gets a CallContext: a stop token and a deadline, passed down by value or const reference to the place
// that waits. Asynchronous work gets a Completion. It is called exactly once, on the thread that finished the work, and
// never while a lock is held.

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "imapfs/base/concurrency.hpp"
#include "imapfs/base/result.hpp"

namespace imapfs {

using SteadyClock = std::chrono::steady_clock;
using Deadline = SteadyClock::time_point;

/// Limits a blocking call: it ends at the deadline, or when a stop is requested.
struct CallContext {
  std::stop_token stop;
  Deadline deadline = Deadline::max();

  static CallContext within(SteadyClock::duration patience, std::stop_token stop = {}) {
    return CallContext{std::move(stop), SteadyClock::now() + patience};
  }
  [[nodiscard]] bool cancelled() const { return stop.stop_requested(); }
  [[nodiscard]] bool expired() const { return SteadyClock::now() >= deadline; }
  /// Time left in milliseconds for poll(2): -1 for no deadline, 0 when it has passed, never more than INT_MAX.
  [[nodiscard]] int poll_timeout() const;
  /// EINTR when cancelled, ETIMEDOUT when expired.
  [[nodiscard]] Result<void> check() const;
};

/// Called exactly once with the outcome of an asynchronous call.
template <class T>
using Completion = std::function<void(Result<T>)>;

using Job = std::function<void()>;

/// Sets the calling thread's name (cut to 15 bytes) for logs, top and gdb.
void name_this_thread(const std::string& name);

/// The thread "sched": calls functions at given times. Functions must be short and must not block; they post long work
/// to a SerialQueue. The destructor drops functions that have not been called yet.
class Scheduler {
 public:
  using Id = std::uint64_t;

  explicit Scheduler(std::string name = "sched");
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  Id at(Deadline when, Job job);
  Id after(SteadyClock::duration delay, Job job) { return at(SteadyClock::now() + delay, std::move(job)); }
  /// True if the function has not been started; it never will be.
  bool cancel(Id id);
  /// Stops calling functions and joins. Idempotent.
  void close();

 private:
  void run(const std::stop_token& stop);

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::map<std::pair<Deadline, Id>, Job> due_;
  std::map<Id, Deadline> by_id_;
  Id next_id_ = 1;
  std::jthread thread_;
};

}  // namespace imapfs

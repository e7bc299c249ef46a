#pragma once
// Functions that a part of the program wants called later, bound to that part: once it has closed its timers, none of
// them runs and none runs any more.
//
// Functions run on the scheduler's thread: short, and without blocking. Any thread may call after(). close() waits for
// a function that is running, so it must not be called from one, nor with a lock that one takes. What functions hold
// goes with close(), not when they would have been due.

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "imapfs/base/executor.hpp"

namespace imapfs {

class Timers {
 public:
  /// The scheduler must outlive this object's close().
  explicit Timers(Scheduler& scheduler) : scheduler_(scheduler) {}
  ~Timers() { close(); }
  Timers(const Timers&) = delete;
  Timers& operator=(const Timers&) = delete;

  /// Dropped after close().
  void after(SteadyClock::duration delay, Job function);
  /// Idempotent.
  void close();

 private:
  /// Reached by the scheduler, which may hold on to it after this object has gone.
  struct Pending {
    std::mutex running;  ///< held while a function runs; taken before `mutex`
    std::mutex mutex;
    bool closed = false;
    std::uint64_t next = 0;
    std::map<std::uint64_t, Job> functions;
  };
  static void run(Pending& pending, std::uint64_t number);

  Scheduler& scheduler_;
  const std::shared_ptr<Pending> pending_ = std::make_shared<Pending>();
};

}  // namespace imapfs

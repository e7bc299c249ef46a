#pragma once
// Functions that a part of the program wants called later. After the part has called close(), none of them is running
// and none will run.
//
// Functions run on the scheduler's thread: they must be short and must not block. Any thread may call after(). close()
// waits for a running function: do not call it from one, nor with a lock that one takes. close() also destroys the
// functions, with what they hold.

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

  /// Drops the function after close().
  void after(SteadyClock::duration delay, Job function);
  /// Idempotent.
  void close();

 private:
  /// Shared with the scheduler, which may keep it longer than this object lives.
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

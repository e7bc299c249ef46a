#pragma once
// The jobs that wait for a connection: interactive before background jobs, each kind in order of arrival.
//
// A plain object without a lock: the pool's mutex guards it.

#include <cstddef>
#include <deque>
#include <functional>
#include <vector>

#include "imap/pool/queued_job.hpp"

namespace imapfs::imap {

class JobQueue {
 public:
  [[nodiscard]] std::size_t size() const { return interactive_.size() + background_.size(); }
  [[nodiscard]] bool empty() const { return size() == 0; }

  void push_back(QueuedJobPointer queued) { of(*queued).push_back(std::move(queued)); }
  /// Puts a job before all others of its kind: it has had its turn already.
  void push_front(QueuedJobPointer queued) { of(*queued).push_front(std::move(queued)); }

  enum class Verdict : std::uint8_t { take, leave, stop };
  /// Shows each job to `judge`, in the order of service. `take` removes the job; `stop` skips the rest of its kind.
  /// Jobs whose stop was requested are not shown: take_ended() takes them.
  void offer(const std::function<Verdict(const QueuedJobPointer&)>& judge);

  /// Takes out jobs that were cancelled or have expired. Expired jobs fail with `unreachable` if it is given: no
  /// connection could have served them.
  std::vector<RefusedJob> take_ended(SteadyClock::time_point now, const Error* unreachable);
  std::deque<QueuedJobPointer> take_all();

  /// When, after `now`, a job expires or may be served because time has passed. `gate` is given while attempts fail.
  [[nodiscard]] Deadline next_turn(SteadyClock::time_point now, const ConnectGate* gate) const;

 private:
  using Jobs = std::deque<QueuedJobPointer>;
  [[nodiscard]] Jobs& of(const QueuedJob& queued) { return queued.interactive() ? interactive_ : background_; }

  Jobs interactive_;
  Jobs background_;
};

}  // namespace imapfs::imap

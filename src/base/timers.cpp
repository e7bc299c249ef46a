#include "imapfs/base/timers.hpp"

#include <utility>

namespace imapfs {

void Timers::after(SteadyClock::duration delay, Job function) {
  std::uint64_t number = 0;
  {
    const std::lock_guard guard(pending_->mutex);
    if (pending_->closed) return;
    number = pending_->next++;
    pending_->functions.emplace(number, std::move(function));
  }
  scheduler_.after(delay, [pending = pending_, number] { run(*pending, number); });
}

void Timers::run(Pending& pending, std::uint64_t number) {
  const std::lock_guard running(pending.running);
  Job function;
  {
    const std::lock_guard guard(pending.mutex);
    auto found = pending.functions.extract(number);
    if (found.empty()) return;
    function = std::move(found.mapped());
  }
  function();
}

void Timers::close() {
  std::map<std::uint64_t, Job> dropped;  // declared first: destroyed after both locks are released
  const std::lock_guard running(pending_->running);
  const std::lock_guard guard(pending_->mutex);
  pending_->closed = true;
  dropped.swap(pending_->functions);
}

}  // namespace imapfs

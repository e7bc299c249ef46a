#include "sync/changes/dispatch_timer.hpp"

#include <utility>

namespace imapfs::sync {

DispatchTimer::DispatchTimer(ChangeThread& thread, Later later, Job dispatch)
    : thread_(thread), later_(std::move(later)), dispatch_(std::move(dispatch)) {}

void DispatchTimer::dispatch_within(SteadyClock::duration delay) {
  const auto when = SteadyClock::now() + delay;
  {
    auto due = due_.lock();
    if (thread_.stopping() || (*due && **due <= when)) return;
    *due = when;
  }
  later_(delay, [this] {
    thread_.post([this] {
      due_.lock()->reset();
      dispatch_();
    });
  });
}

}  // namespace imapfs::sync

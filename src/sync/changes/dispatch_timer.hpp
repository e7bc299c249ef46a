#pragma once
// When ready changes are looked for next: the earliest time that anybody has asked for.
//
// Any thread; one lock, a leaf. The look itself is on the thread "journal".

#include <functional>
#include <optional>

#include "sync/changes/change_thread.hpp"

namespace imapfs::sync {

class DispatchTimer {
 public:
  using Later = std::function<void(SteadyClock::duration, Job)>;  ///< the job must only post
  DispatchTimer(ChangeThread& thread, Later later, Job dispatch);

  void dispatch_within(SteadyClock::duration delay);
  void dispatch_soon() { dispatch_within({}); }

 private:
  ChangeThread& thread_;
  const Later later_;
  const Job dispatch_;
  Guarded<std::optional<SteadyClock::time_point>> due_;  ///< a timer is set
};

}  // namespace imapfs::sync

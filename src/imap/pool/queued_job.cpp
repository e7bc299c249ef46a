#include "imap/pool/queued_job.hpp"

#include <utility>

#include "imapfs/base/exception_barrier.hpp"

namespace imapfs::imap {

void complete(const QueuedJobPointer& queued, Result<void> result) {
  auto& job = queued->job;
  queued->on_stop.reset();
  if (!result && job.context.cancelled()) result = fail(EINTR, "{}: cancelled", job.what);
  else if (!result && queued->stop.stop_requested())
    result = fail(ECANCELED, "{}: the connections are being closed", job.what);
  if (!job.done) return;
  const auto done = std::exchange(job.done, nullptr);
  (void)run_contained(job.what, [&] { done(std::move(result)); });
}

void complete(std::vector<RefusedJob> refused) {
  for (auto& [queued, error] : refused) {
    auto what = queued->job.what;
    complete(queued, fail(what.empty() ? std::move(error) : std::move(error).while_doing(what)));
  }
}

}  // namespace imapfs::imap

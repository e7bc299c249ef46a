#include "sync/bodies/download_dependencies.hpp"

#include <utility>

namespace imapfs::sync {

DownloadDependencies::DownloadDependencies(BodyFetcher::Settings settings, BodyFetcher::Submit submit,
                                           std::shared_ptr<store::MessageCache> cache,
                                           BodyFetcher::OnExactSize on_exact_size)
    : settings_(settings), submit_(std::move(submit)), cache_(std::move(cache)),
      on_exact_size_(std::move(on_exact_size)) {}

void DownloadDependencies::exact_size(const BodyFetcher::Request& request, std::uint64_t length) const {
  if (on_exact_size_) on_exact_size_(request.mailbox, request.key.uid, length);
}

void DownloadDependencies::submit(imap::PoolJob job) {
  bool closed = false;
  {
    const std::lock_guard guard(mutex_);
    closed = closed_;
    if (!closed) ++submitting_;
  }
  if (closed) return job.done(fail(ECANCELED, "the account is being closed"));
  submit_(std::move(job));
  {
    const std::lock_guard guard(mutex_);
    --submitting_;
    // Notify under the lock: after that, close() may return, and what `submit_` refers to, but not this object, may be
    // destroyed.
    idle_.notify_all();
  }
}

void DownloadDependencies::close() {
  std::unique_lock lock(mutex_);
  closed_ = true;
  idle_.wait(lock, [&] { return submitting_ == 0; });
}

}  // namespace imapfs::sync

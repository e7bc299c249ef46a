#include "sync/bodies/body_fetcher.hpp"

#include <algorithm>
#include <mutex>
#include <utility>

#include "sync/bodies/cached_body.hpp"
#include "sync/bodies/prefetch_job.hpp"

namespace imapfs::sync {

class BodyFetcher::Implementation : public std::enable_shared_from_this<Implementation> {
 public:
  explicit Implementation(std::shared_ptr<DownloadDependencies> dependencies)
      : dependencies_(std::move(dependencies)) {}

  void open(const Request& request, ByteSpan wanted, Completion<std::shared_ptr<Body>> done) {
    // Downloads before the cache: one that ends in between has committed its body by then.
    if (auto running = downloads_->find(request.key); running && running->join(done, wanted)) return;
    if (auto file = dependencies_->cache().open(request.key))
      return done(std::make_shared<CachedBody>(std::move(file)));
    auto download = downloads_->insert(request.key, std::make_shared<Download>(dependencies_, request));
    const auto job = job_that_brings(request.key);
    const bool waits = job && job->wait_for_prefetch(request.key, download);
    // A prefetch job may have brought the body meanwhile; then neither check above has found it.
    if (!waits && dependencies_->cache().contains(request.key)) {
      if (auto file = dependencies_->cache().open(request.key))
        return done(std::make_shared<CachedBody>(std::move(file)));
    }
    while (!download->join(done, wanted)) {
      download = std::make_shared<Download>(dependencies_, request);
      downloads_->replace(request.key, download);
    }
  }

  bool fetch_sets(const Request& mailbox, std::shared_ptr<SetSource> source) {
    const auto job = std::make_shared<PrefetchJob>(dependencies_, downloads_, mailbox, std::move(source));
    if (!job->prepare()) return false;
    bool closed = false;
    {
      const std::lock_guard guard(mutex_);
      closed = closed_;
      jobs_.push_back(job);
    }
    if (closed) job->stop();
    job->submit([weak = weak_from_this()](const std::shared_ptr<PrefetchJob>& ended) {
      if (const auto self = weak.lock()) self->forget(ended);
    });
    return true;
  }

  [[nodiscard]] bool is_coming(const store::BodyKey& key) const {
    return downloads_->find(key) != nullptr || job_that_brings(key) != nullptr;
  }

  [[nodiscard]] std::size_t size() const { return downloads_->all().size(); }

  void close() {
    dependencies_->close();
    std::vector<std::shared_ptr<PrefetchJob>> jobs;
    {
      const std::lock_guard guard(mutex_);
      closed_ = true;
      jobs = jobs_;
    }
    for (const auto& job : jobs) job->stop();
    for (const auto& download : downloads_->all()) download->stop();
  }

 private:
  [[nodiscard]] std::shared_ptr<PrefetchJob> job_that_brings(const store::BodyKey& key) const {
    const std::lock_guard guard(mutex_);
    const auto found = std::find_if(jobs_.begin(), jobs_.end(), [&](const auto& job) { return job->brings(key); });
    return found == jobs_.end() ? nullptr : *found;
  }

  void forget(const std::shared_ptr<PrefetchJob>& job) {
    const std::lock_guard guard(mutex_);
    std::erase(jobs_, job);
  }

  const std::shared_ptr<DownloadDependencies> dependencies_;
  const std::shared_ptr<Downloads> downloads_ = std::make_shared<Downloads>();
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<PrefetchJob>> jobs_;  ///< under way; only a few
  bool closed_ = false;
};

BodyFetcher::BodyFetcher(Settings settings, Submit submit, std::shared_ptr<store::MessageCache> cache,
                         OnExactSize on_exact_size)
    : implementation_(std::make_shared<Implementation>(std::make_shared<DownloadDependencies>(
          settings, std::move(submit), std::move(cache), std::move(on_exact_size)))) {}

BodyFetcher::~BodyFetcher() { close(); }

void BodyFetcher::open_at(const Request& request, imap::OctetRange wanted, Completion<std::shared_ptr<Body>> done) {
  implementation_->open(request, ByteSpan::at(wanted.offset, wanted.length), std::move(done));
}

bool BodyFetcher::fetch_sets(const Request& mailbox, std::shared_ptr<SetSource> source) {
  return implementation_->fetch_sets(mailbox, std::move(source));
}

bool BodyFetcher::is_coming(const store::BodyKey& key) const { return implementation_->is_coming(key); }

std::size_t BodyFetcher::downloads() const { return implementation_->size(); }

void BodyFetcher::close() { implementation_->close(); }

}  // namespace imapfs::sync

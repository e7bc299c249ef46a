#include "sync/bodies/body_fetcher.hpp"

#include <algorithm>
#include <mutex>
#include <utility>

#include "sync/bodies/cached_body.hpp"
#include "sync/bodies/prefetch_job.hpp"

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
    // Under the lock: whoever waits in close() may destroy what `submit_` refers to, but not this object.
    idle_.notify_all();
  }
}

void DownloadDependencies::close() {
  std::unique_lock lock(mutex_);
  closed_ = true;
  idle_.wait(lock, [&] { return submitting_ == 0; });
}

class BodyFetcher::Implementation : public std::enable_shared_from_this<Implementation> {
 public:
  explicit Implementation(std::shared_ptr<DownloadDependencies> host) : host_(std::move(host)) {}

  void open(const Request& request, ByteSpan wanted, Completion<std::shared_ptr<Body>> done) {
    // First the transfers, then the cache: one that ends in between has committed its body by then.
    if (auto running = transfers_->find(request.key); running && running->join(done, wanted)) return;
    if (auto file = host_->cache().open(request.key)) return done(std::make_shared<CachedBody>(std::move(file)));
    auto transfer = transfers_->insert(request.key, std::make_shared<Download>(host_, request));
    const auto set = set_that_brings(request.key);
    const bool claimed = set && set->claim(request.key, transfer);
    // If a set has brought it meanwhile, neither knows of it.
    if (!claimed && host_->cache().contains(request.key)) {
      if (auto file = host_->cache().open(request.key)) return done(std::make_shared<CachedBody>(std::move(file)));
    }
    while (!transfer->join(done, wanted)) {
      transfer = std::make_shared<Download>(host_, request);
      transfers_->replace(request.key, transfer);
    }
  }

  bool fetch_sets(const Request& mailbox, std::shared_ptr<SetSource> source) {
    const auto set = std::make_shared<PrefetchJob>(host_, transfers_, mailbox, std::move(source));
    if (!set->prepare()) return false;
    bool closed = false;
    {
      const std::lock_guard guard(mutex_);
      closed = closed_;
      sets_.push_back(set);
    }
    if (closed) set->stop();
    set->submit([weak = weak_from_this()](const std::shared_ptr<PrefetchJob>& ended) {
      if (const auto self = weak.lock()) self->forget(ended);
    });
    return true;
  }

  [[nodiscard]] bool is_coming(const store::BodyKey& key) const {
    return transfers_->find(key) != nullptr || set_that_brings(key) != nullptr;
  }

  [[nodiscard]] std::size_t size() const { return transfers_->all().size(); }

  void close() {
    host_->close();
    std::vector<std::shared_ptr<PrefetchJob>> sets;
    {
      const std::lock_guard guard(mutex_);
      closed_ = true;
      sets = sets_;
    }
    for (const auto& set : sets) set->stop();
    for (const auto& transfer : transfers_->all()) transfer->stop();
  }

 private:
  [[nodiscard]] std::shared_ptr<PrefetchJob> set_that_brings(const store::BodyKey& key) const {
    const std::lock_guard guard(mutex_);
    const auto found = std::find_if(sets_.begin(), sets_.end(), [&](const auto& set) { return set->brings(key); });
    return found == sets_.end() ? nullptr : *found;
  }

  void forget(const std::shared_ptr<PrefetchJob>& set) {
    const std::lock_guard guard(mutex_);
    std::erase(sets_, set);
  }

  const std::shared_ptr<DownloadDependencies> host_;
  const std::shared_ptr<Downloads> transfers_ = std::make_shared<Downloads>();
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<PrefetchJob>> sets_;  ///< under way: few
  bool closed_ = false;
};

BodyFetcher::BodyFetcher(Settings settings, Submit submit, std::shared_ptr<store::MessageCache> cache,
                         OnExactSize on_exact_size)
    : implementation_(std::make_shared<Implementation>(std::make_shared<DownloadDependencies>(
          settings, std::move(submit), std::move(cache), std::move(on_exact_size)))) {}

BodyFetcher::~BodyFetcher() { close(); }

void BodyFetcher::open(const Request& request, Completion<std::shared_ptr<Body>> done) {
  implementation_->open(request, {}, std::move(done));
}

void BodyFetcher::open_at(const Request& request, imap::OctetRange wanted, Completion<std::shared_ptr<Body>> done) {
  implementation_->open(request, ByteSpan::at(wanted.offset, wanted.length), std::move(done));
}

bool BodyFetcher::fetch_sets(const Request& mailbox, std::shared_ptr<SetSource> source) {
  return implementation_->fetch_sets(mailbox, std::move(source));
}

bool BodyFetcher::is_coming(const store::BodyKey& key) const { return implementation_->is_coming(key); }

std::size_t BodyFetcher::transfers() const { return implementation_->size(); }

void BodyFetcher::close() { implementation_->close(); }

}  // namespace imapfs::sync

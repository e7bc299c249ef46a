#include "imapfs/sync/body_fetcher.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include "body_fetcher_transfer.hpp"

namespace imapfs::sync {
namespace {

/// A body that is whole on disk.
class CachedBody : public Body {
 public:
  explicit CachedBody(std::shared_ptr<store::BodyFile> file) : file_(std::move(file)) {}
  [[nodiscard]] std::uint64_t length() const override { return file_->length(); }
  [[nodiscard]] bool whole() const override { return true; }
  void read(std::uint64_t offset, std::size_t length, Completion<BodySlice> done) override {
    const auto begin = std::min(offset, file_->length());
    const auto size = std::min<std::uint64_t>(length, file_->length() - begin);
    done(BodySlice{file_->descriptor(), begin, static_cast<std::size_t>(size), file_});
  }

 private:
  const std::shared_ptr<store::BodyFile> file_;
};

}  // namespace

TransferHost::TransferHost(BodyFetcher::Settings settings, BodyFetcher::Submit submit,
                           std::shared_ptr<store::MessageCache> cache, BodyFetcher::OnExactSize on_exact_size)
    : settings_(settings),
      submit_(std::move(submit)),
      cache_(std::move(cache)),
      on_exact_size_(std::move(on_exact_size)) {}

void TransferHost::exact_size(const BodyFetcher::Request& request, std::uint64_t length) const {
  if (length != request.size && on_exact_size_) on_exact_size_(request.mailbox, request.key.uid, length);
}

void TransferHost::submit(imap::PoolJob job) {
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

void TransferHost::close() {
  std::unique_lock lock(mutex_);
  closed_ = true;
  idle_.wait(lock, [&] { return submitting_ == 0; });
}

/// The transfers under way. A transfer stays here for as long as it lives, so that a body that only memory could take is shared too.
class BodyFetcher::Implementation {
 public:
  explicit Implementation(std::shared_ptr<TransferHost> host) : host_(std::move(host)) {}

  void open(const Request& request, Completion<std::shared_ptr<Body>> done) {
    // First the transfers, then the cache: one that ends in between has committed its body by then.
    if (auto running = find(request.key); running && running->join(done)) return;
    if (auto file = host_->cache().open(request.key)) return done(std::make_shared<CachedBody>(std::move(file)));
    auto transfer = insert(request.key, std::make_shared<BodyTransfer>(host_, request));
    while (!transfer->join(done)) {
      transfer = std::make_shared<BodyTransfer>(host_, request);
      replace(request.key, transfer);
    }
  }

  [[nodiscard]] std::size_t size() const {
    const std::lock_guard guard(mutex_);
    return static_cast<std::size_t>(
        std::count_if(transfers_.begin(), transfers_.end(), [](const auto& entry) { return !entry.second.expired(); }));
  }

  void close() {
    host_->close();
    std::vector<std::shared_ptr<BodyTransfer>> running;
    {
      const std::lock_guard guard(mutex_);
      for (const auto& [key, weak] : transfers_) running.push_back(weak.lock());
    }
    for (const auto& transfer : running) {
      if (transfer) transfer->stop();
    }
  }

 private:
  std::shared_ptr<BodyTransfer> find(const store::BodyKey& key) const {
    const std::lock_guard guard(mutex_);
    const auto found = transfers_.find(key);
    return found == transfers_.end() ? nullptr : found->second.lock();
  }

  /// The live transfer of that key, or else `fresh`.
  std::shared_ptr<BodyTransfer> insert(const store::BodyKey& key, const std::shared_ptr<BodyTransfer>& fresh) {
    const std::lock_guard guard(mutex_);
    forget_expired();
    auto& entry = transfers_[key];
    if (auto running = entry.lock()) return running;
    entry = fresh;
    return fresh;
  }

  void replace(const store::BodyKey& key, const std::shared_ptr<BodyTransfer>& fresh) {
    const std::lock_guard guard(mutex_);
    transfers_[key] = fresh;
  }

  /// Now and then, so that the cost per open stays constant.
  void forget_expired() {
    if (transfers_.size() < sweep_at_) return;
    std::erase_if(transfers_, [](const auto& entry) { return entry.second.expired(); });
    sweep_at_ = std::max<std::size_t>(64, 2 * transfers_.size());
  }

  const std::shared_ptr<TransferHost> host_;
  mutable std::mutex mutex_;
  std::map<store::BodyKey, std::weak_ptr<BodyTransfer>> transfers_;
  std::size_t sweep_at_ = 64;
};

BodyFetcher::BodyFetcher(Settings settings, Submit submit, std::shared_ptr<store::MessageCache> cache,
                         OnExactSize on_exact_size)
    : implementation_(std::make_shared<Implementation>(std::make_shared<TransferHost>(
          settings, std::move(submit), std::move(cache), std::move(on_exact_size)))) {}

BodyFetcher::~BodyFetcher() { close(); }

void BodyFetcher::open(const Request& request, Completion<std::shared_ptr<Body>> done) {
  implementation_->open(request, std::move(done));
}

std::size_t BodyFetcher::transfers() const { return implementation_->size(); }

void BodyFetcher::close() { implementation_->close(); }

}  // namespace imapfs::sync

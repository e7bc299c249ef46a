#pragma once
// Shared by downloads and prefetch jobs: settings, the pool, the cache, and the listener for exact sizes.
//
// Thread-safe. Lives as long as any of them; after close() the pool gets nothing from here.

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>

#include "sync/bodies/body_fetcher.hpp"

namespace imapfs::sync {

class DownloadDependencies {
 public:
  DownloadDependencies(BodyFetcher::Settings settings, BodyFetcher::Submit submit,
                       std::shared_ptr<store::MessageCache> cache, BodyFetcher::OnExactSize on_exact_size);
  [[nodiscard]] const BodyFetcher::Settings& settings() const { return settings_; }
  [[nodiscard]] store::MessageCache& cache() const { return *cache_; }
  void exact_size(const BodyFetcher::Request& request, std::uint64_t length) const;
  /// After close() it calls `job.done` with ECANCELED within the call.
  void submit(imap::PoolJob job);
  /// Waits for running calls of submit().
  void close();

 private:
  const BodyFetcher::Settings settings_;
  const BodyFetcher::Submit submit_;
  const std::shared_ptr<store::MessageCache> cache_;
  const BodyFetcher::OnExactSize on_exact_size_;
  std::mutex mutex_;
  std::condition_variable idle_;
  std::size_t submitting_ = 0;
  bool closed_ = false;
};

}  // namespace imapfs::sync

#pragma once
// The downloads by message. A download stays here while it lives, so that a body that only memory could take is shared
// too. Thread-safe.

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "sync/bodies/download.hpp"

namespace imapfs::sync {

class Downloads {
 public:
  using Pointer = std::shared_ptr<Download>;

  [[nodiscard]] Pointer find(const store::BodyKey& key) const {
    const std::lock_guard guard(mutex_);
    const auto found = downloads_.find(key);
    return found == downloads_.end() ? nullptr : found->second.lock();
  }

  /// The live download of that key; if there is none, inserts and returns `fresh`.
  Pointer insert(const store::BodyKey& key, const Pointer& fresh) {
    const std::lock_guard guard(mutex_);
    forget_expired();
    auto& entry = downloads_[key];
    if (auto running = entry.lock()) return running;
    entry = fresh;
    return fresh;
  }

  void replace(const store::BodyKey& key, const Pointer& fresh) {
    const std::lock_guard guard(mutex_);
    downloads_[key] = fresh;
  }

  [[nodiscard]] std::vector<Pointer> all() const {
    const std::lock_guard guard(mutex_);
    std::vector<Pointer> live;
    for (const auto& [key, weak] : downloads_) {
      if (auto download = weak.lock()) live.push_back(std::move(download));
    }
    return live;
  }

 private:
  /// Runs only now and then, so that the cost per open stays constant.
  void forget_expired() {
    if (downloads_.size() < sweep_at_) return;
    std::erase_if(downloads_, [](const auto& entry) { return entry.second.expired(); });
    sweep_at_ = std::max<std::size_t>(64, 2 * downloads_.size());
  }

  mutable std::mutex mutex_;
  std::map<store::BodyKey, std::weak_ptr<Download>> downloads_;
  std::size_t sweep_at_ = 64;
};

}  // namespace imapfs::sync

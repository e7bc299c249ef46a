#pragma once
// The transfers under way, by message. A transfer stays here for as long as it lives, so that a body that only memory
// could take is shared too. Thread-safe.

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
    const auto found = transfers_.find(key);
    return found == transfers_.end() ? nullptr : found->second.lock();
  }

  /// The live transfer of that key, or else `fresh`.
  Pointer insert(const store::BodyKey& key, const Pointer& fresh) {
    const std::lock_guard guard(mutex_);
    forget_expired();
    auto& entry = transfers_[key];
    if (auto running = entry.lock()) return running;
    entry = fresh;
    return fresh;
  }

  void replace(const store::BodyKey& key, const Pointer& fresh) {
    const std::lock_guard guard(mutex_);
    transfers_[key] = fresh;
  }

  [[nodiscard]] std::vector<Pointer> all() const {
    const std::lock_guard guard(mutex_);
    std::vector<Pointer> live;
    for (const auto& [key, weak] : transfers_) {
      if (auto transfer = weak.lock()) live.push_back(std::move(transfer));
    }
    return live;
  }

 private:
  /// Now and then, so that the cost per open stays constant.
  void forget_expired() {
    if (transfers_.size() < sweep_at_) return;
    std::erase_if(transfers_, [](const auto& entry) { return entry.second.expired(); });
    sweep_at_ = std::max<std::size_t>(64, 2 * transfers_.size());
  }

  mutable std::mutex mutex_;
  std::map<store::BodyKey, std::weak_ptr<Download>> transfers_;
  std::size_t sweep_at_ = 64;
};

}  // namespace imapfs::sync

#pragma once
// When the lengths of a fake's bodies are proved. Thread-safe; work runs with no lock held.

#include <cstdint>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

namespace imapfs::testing {

/// Until it is given, a body tells `told`.
class LengthProof {
 public:
  explicit LengthProof(std::uint64_t told) : told_(told) {}
  [[nodiscard]] std::uint64_t told() const { return told_; }
  [[nodiscard]] bool given() const {
    const std::lock_guard guard(mutex_);
    return given_;
  }
  /// Now, if it is given.
  void when_given(std::function<void()> work) {
    {
      const std::lock_guard guard(mutex_);
      if (!given_) return waiting_.push_back(std::move(work));
    }
    work();
  }
  void give() {
    std::vector<std::function<void()>> waiting;
    {
      const std::lock_guard guard(mutex_);
      given_ = true;
      waiting.swap(waiting_);
    }
    for (const auto& work : waiting) work();
  }

 private:
  const std::uint64_t told_;
  mutable std::mutex mutex_;
  bool given_ = false;
  std::vector<std::function<void()>> waiting_;
};

}  // namespace imapfs::testing

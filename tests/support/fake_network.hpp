#pragma once
// The way to a fake account's server: answers come at once, or when the test lets them. Thread-safe; answers come with
// no lock held.

#include <mutex>
#include <utility>
#include <vector>

#include "imapfs/base/executor.hpp"

namespace imapfs::testing {

class FakeNetwork {
 public:
  /// From now on answers come only in answer_all().
  void hold() {
    const std::lock_guard guard(mutex_);
    holding_ = true;
  }
  void answer_all() {
    std::vector<Job> held;
    {
      const std::lock_guard guard(mutex_);
      holding_ = false;
      held = std::exchange(held_, {});
    }
    for (auto& answer : held) answer();
  }
  void answer(Job job) {
    {
      const std::lock_guard guard(mutex_);
      if (holding_) return held_.push_back(std::move(job));
    }
    job();
  }

 private:
  std::mutex mutex_;
  bool holding_ = false;
  std::vector<Job> held_;
};

}  // namespace imapfs::testing

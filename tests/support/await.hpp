#pragma once
// Waiting for a Completion in a test. A call that does not complete in time fails the test, and gives ETIMEDOUT; so
// does one that completes twice.

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "imapfs/base/executor.hpp"
#include "imapfs/base/result.hpp"

namespace imapfs::testing {

/// How long a call of a unit may take: less than ctest gives its test.
inline constexpr auto call_patience = std::chrono::seconds(20);

/// What a call that has begun completes with, for tests that do something meanwhile. Copies await the same call.
template <class T>
class Awaited {
 public:
  /// May be called on any thread, also after this object is gone.
  [[nodiscard]] Completion<T> completion() const {
    return [state = state_](Result<T> result) {
      const std::lock_guard guard(state->mutex);
      EXPECT_FALSE(state->result) << "completed twice";
      state->result = std::move(result);
      state->changed.notify_all();
    };
  }
  [[nodiscard]] bool ready() const {
    const std::lock_guard guard(state_->mutex);
    return state_->result.has_value();
  }
  Result<T> get(std::chrono::seconds patience = call_patience) const {
    std::unique_lock lock(state_->mutex);
    if (!state_->changed.wait_for(lock, patience, [&] { return state_->result.has_value(); })) {
      ADD_FAILURE() << "a call did not complete in " << patience.count() << " seconds";
      return fail(ETIMEDOUT, "the call did not complete");
    }
    return *state_->result;
  }

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<Result<T>> result;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

/// Begins a call and waits for its completion.
template <class T>
Result<T> await(const std::function<void(Completion<T>)>& call, std::chrono::seconds patience = call_patience) {
  const Awaited<T> awaited;
  call(awaited.completion());
  return awaited.get(patience);
}

}  // namespace imapfs::testing

#include "sync/helper_thread.hpp"

#include <gtest/gtest.h>

#include <atomic>

#include "unit/sync/sync_test_support.hpp"

namespace imapfs::sync {
namespace {

TEST(HelperThread, WhatIsPostedLaterRunsOnTheThread) {
  Scheduler scheduler;
  HelperThread helper(scheduler);
  const auto posted = await<void>(
      [&](const Completion<void>& done) { helper.post_after(std::chrono::milliseconds(1), [done] { done({}); }); });
  EXPECT_TRUE(posted);
}

TEST(HelperThread, NoTimerRunsOnceTimersAreClosed) {
  Scheduler scheduler;
  HelperThread helper(scheduler);
  std::atomic<bool> ran{false};
  helper.after(std::chrono::milliseconds(1), [&] { ran = true; });
  helper.close_timers();
  const bool ran_before = ran;
  // What is due later has had its turn when this has.
  EXPECT_TRUE(await<void>(
      [&](const Completion<void>& done) { scheduler.after(std::chrono::milliseconds(5), [done] { done({}); }); }));
  EXPECT_EQ(ran, ran_before);
}

TEST(HelperThread, WhoHasWaitedLongEnoughGoesOnWithSuccess) {
  Scheduler scheduler;
  HelperThread helper(scheduler);
  std::atomic<int> calls{0};
  Completion<void> late;
  const auto result = await<void>([&](const Completion<void>& done) {
    late = helper.with_patience(std::chrono::milliseconds(1), [&calls, done](const Result<void>& outcome) {
      ++calls;
      done(outcome);
    });
  });
  EXPECT_TRUE(result);
  late(fail(EIO, "too late to matter"));
  EXPECT_EQ(calls, 1);
}

TEST(HelperThread, WhatCompletesInTimeIsPassedOn) {
  Scheduler scheduler;
  HelperThread helper(scheduler);
  const auto result = await<void>(
      [&](Completion<void> done) { helper.with_patience(test_patience, std::move(done))(fail(EIO, "in time")); });
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().errnum, EIO);
}

}  // namespace
}  // namespace imapfs::sync

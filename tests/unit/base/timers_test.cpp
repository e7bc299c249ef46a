#include "imapfs/base/timers.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>

namespace imapfs {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

TEST(Timers, CallAFunctionWhenItIsDue) {
  Scheduler scheduler("test");
  Timers timers(scheduler);
  std::promise<void> called;
  timers.after(milliseconds(1), [&] { called.set_value(); });
  EXPECT_EQ(called.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
}

TEST(Timers, CallNothingOnceTheyAreClosed) {
  Scheduler scheduler("test");
  std::atomic<int> calls{0};
  std::promise<void> later;
  Timers others(scheduler);
  {
    Timers timers(scheduler);
    timers.after(milliseconds(1), [&] { ++calls; });
    timers.close();
    calls = 0;
    timers.after(milliseconds(1), [&] { ++calls; });
  }
  others.after(milliseconds(20), [&] { later.set_value(); });
  later.get_future().wait();
  EXPECT_EQ(calls, 0);
}

TEST(Timers, WaitAtTheEndForAFunctionThatRuns) {
  Scheduler scheduler("test");
  std::promise<void> begun;
  std::promise<void> open;
  std::atomic<bool> ended{false};
  auto timers = std::make_unique<Timers>(scheduler);
  timers->after({}, [&] {
    begun.set_value();
    open.get_future().wait();
    ended = true;
  });
  begun.get_future().wait();
  auto closed = std::async(std::launch::async, [&] {
    timers.reset();
    return ended.load();
  });
  open.set_value();
  EXPECT_TRUE(closed.get()) << "closed while the function was running";
}

TEST(Timers, LetGoAtTheEndWhatFunctionsHold) {
  Scheduler scheduler("test");
  const auto held = std::make_shared<int>(0);
  Timers timers(scheduler);
  timers.after(hours(1), [held] { ++*held; });
  EXPECT_EQ(held.use_count(), 2);
  timers.close();
  EXPECT_EQ(held.use_count(), 1);
}

TEST(Timers, AFunctionMaySetTheNext) {
  Scheduler scheduler("test");
  Timers timers(scheduler);
  std::promise<void> called;
  timers.after({}, [&] { timers.after({}, [&] { called.set_value(); }); });
  EXPECT_EQ(called.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
}

}  // namespace
}  // namespace imapfs

#include "imapfs/base/executor.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <stdexcept>
#include <vector>

namespace imapfs {
namespace {

using namespace std::chrono_literals;

TEST(CallContext, ReportsCancellationBeforeExpiry) {
  std::stop_source source;
  auto context = CallContext::within(-1s, source.get_token());
  EXPECT_EQ(context.check().error().errnum, ETIMEDOUT);
  source.request_stop();
  EXPECT_EQ(context.check().error().errnum, EINTR);
}

TEST(CallContext, WithoutADeadlineWaitsForEver) {
  EXPECT_EQ(CallContext{}.poll_timeout(), -1);
  EXPECT_EQ(CallContext::within(-1s).poll_timeout(), 0);
  EXPECT_GT(CallContext::within(10s).poll_timeout(), 9000);
}

TEST(Scheduler, GoesOnAfterAFunctionThatThrows) {
  Scheduler scheduler("test");
  std::promise<void> ran;
  scheduler.after(0ms, [] { throw std::runtime_error("a defect"); });
  scheduler.after(1ms, [&ran] { ran.set_value(); });
  EXPECT_EQ(ran.get_future().wait_for(10s), std::future_status::ready);
}

TEST(Scheduler, CallsFunctionsInTheOrderOfTheirTimes) {
  Scheduler scheduler;
  std::promise<void> done;
  std::vector<int> order;
  const auto now = SteadyClock::now();
  scheduler.at(now + 20ms, [&] {
    order.push_back(2);
    done.set_value();
  });
  scheduler.at(now + 10ms, [&] { order.push_back(1); });
  done.get_future().wait();
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST(Scheduler, ACancelledFunctionIsNeverCalled) {
  Scheduler scheduler;
  std::atomic<bool> called{false};
  const auto id = scheduler.after(1h, [&] { called = true; });
  EXPECT_TRUE(scheduler.cancel(id));
  EXPECT_FALSE(scheduler.cancel(id));
  scheduler.close();
  EXPECT_FALSE(called);
}

TEST(Scheduler, DropsWhatIsNotDueWhenItEnds) {
  std::atomic<bool> called{false};
  {
    Scheduler scheduler;
    scheduler.after(1h, [&] { called = true; });
  }
  EXPECT_FALSE(called);
}

}  // namespace
}  // namespace imapfs

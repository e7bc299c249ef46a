#include "imapfs/base/concurrency.hpp"

#include <gtest/gtest.h>

#include <stop_token>
#include <thread>
#include <vector>

namespace imapfs {
namespace {

TEST(SingleFlight, OnlyTheFirstStartsTheWorkAndAllAreHandedBack) {
  SingleFlight<int, int> flights;
  EXPECT_TRUE(flights.join(7, 1));
  EXPECT_FALSE(flights.join(7, 2));
  EXPECT_TRUE(flights.join(8, 3));
  EXPECT_EQ(flights.finish(7), (std::vector<int>{1, 2}));
  EXPECT_TRUE(flights.finish(7).empty());
  EXPECT_TRUE(flights.join(7, 4));
}

TEST(BoundedQueue, PopReturnsNothingOnceStopped) {
  BoundedQueue<int> queue(1);
  std::stop_source source;
  std::thread stopper([&] { source.request_stop(); });
  EXPECT_FALSE(queue.pop(source.get_token()).has_value());
  stopper.join();
}

}  // namespace
}  // namespace imapfs

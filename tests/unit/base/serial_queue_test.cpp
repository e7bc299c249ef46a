#include "imapfs/base/serial_queue.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <stdexcept>
#include <string>
#include <vector>

namespace imapfs {
namespace {

/// A job that waits until it is let go, and tells that it has begun.
struct Gate {
  std::promise<void> begun;
  std::promise<void> open;
  Job job() {
    return [this] {
      begun.set_value();
      open.get_future().wait();
    };
  }
};

TEST(SerialQueue, RunsJobsInTheOrderPosted) {
  std::vector<int> seen;
  SerialQueue queue("test", 8);
  for (int i = 0; i < 100; ++i) queue.post([&seen, i] { seen.push_back(i); });
  queue.drain();
  ASSERT_EQ(seen.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(seen[static_cast<std::size_t>(i)], i);
}

TEST(SerialQueue, FinishesWhatIsQueuedBeforeItEnds) {
  std::vector<int> order;
  {
    SerialQueue queue("test", 4);
    for (int number = 0; number < 20; ++number) EXPECT_TRUE(queue.post([&order, number] { order.push_back(number); }));
  }
  ASSERT_EQ(order.size(), 20u);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(SerialQueue, AJobMayPostMoreThanThereIsRoomFor) {
  int count = 0;
  SerialQueue queue("test", 1);
  queue.post([&] {
    for (int i = 0; i < 50; ++i) EXPECT_TRUE(queue.post([&] { ++count; }));
  });
  queue.close();
  EXPECT_EQ(count, 50);
}

TEST(SerialQueue, WhatAJobPostsRunsAfterWhatWasQueuedBefore) {
  std::string order;
  Gate gate;
  SerialQueue queue("test", 8);
  queue.post([&] {
    gate.job()();
    queue.post([&] { order += "follow-up "; });
  });
  gate.begun.get_future().wait();
  queue.post([&] { order += "other "; });
  gate.open.set_value();
  queue.close();
  EXPECT_EQ(order, "other follow-up ");
}

TEST(SerialQueue, FollowUpsThatComeFirstRunBeforeWhatIsQueued) {
  std::string order;
  Gate gate;
  SerialQueue queue("test", 8, SerialQueue::FollowUps::first);
  queue.post([&] {
    gate.job()();
    queue.post([&] { order += "one "; });
    queue.post([&] { order += "two "; });
  });
  gate.begun.get_future().wait();
  queue.post([&] { order += "other "; });
  gate.open.set_value();
  queue.drain();
  EXPECT_EQ(order, "one two other ");
}

TEST(SerialQueue, AFullQueueMakesOtherThreadsWaitAndRefusesWhoDoesNot) {
  Gate gate;
  int count = 0;
  SerialQueue queue("test", 1);
  queue.post(gate.job());
  gate.begun.get_future().wait();
  ASSERT_TRUE(queue.try_post([&] { ++count; }));
  EXPECT_FALSE(queue.try_post([&] { ++count; }));
  auto posted = std::async(std::launch::async, [&] { return queue.post([&] { ++count; }); });
  gate.open.set_value();
  EXPECT_TRUE(posted.get());
  queue.drain();
  EXPECT_EQ(count, 2);
}

TEST(SerialQueue, CloseRunsWhatIsQueuedAndWhatThatPosts) {
  std::string order;
  Gate gate;
  SerialQueue queue("test", 8);
  queue.post(gate.job());
  queue.post([&] {
    order += "queued ";
    queue.post([&] { order += "posted late"; });
  });
  gate.begun.get_future().wait();
  auto closed = std::async(std::launch::async, [&] { queue.close(); });
  gate.open.set_value();
  closed.get();
  EXPECT_EQ(order, "queued posted late");
  EXPECT_FALSE(queue.post([] {}));
  EXPECT_FALSE(queue.try_post([] {}));
}

TEST(SerialQueue, AJobThatThrowsDoesNotTakeTheOthersAlong) {
  bool ran = false;
  SerialQueue queue("test", 8);
  queue.post([] { throw std::runtime_error("a defect"); });
  queue.post([] { throw 1; });
  queue.post([&] { ran = true; });
  queue.drain();
  EXPECT_TRUE(ran);
}

TEST(SerialQueue, KnowsItsOwnThread) {
  bool inside = false;
  SerialQueue queue("test", 8);
  queue.post([&] { inside = queue.runs_here(); });
  queue.drain();
  EXPECT_TRUE(inside);
  EXPECT_FALSE(queue.runs_here());
}

}  // namespace
}  // namespace imapfs

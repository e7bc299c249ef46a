#include "vfs/staging/drain_waiters.hpp"

#include <cerrno>
#include <set>

#include "unit/vfs/situation.hpp"
#include "vfs/staging/open_handles.hpp"

namespace imapfs::vfs {
namespace {

struct DrainWaitersTest : ::testing::Test {
  std::set<std::uint64_t> waited_for;
  DrainWaiters waiters{[this](NodeId node) { return waited_for.contains(node.value); }};
};

TEST_F(DrainWaitersTest, AnswersWhenTheLastFileHasEnded) {
  waited_for = {1, 2};
  Answer<void> answer;
  waiters.add(answer.reply(), {NodeId{1}, NodeId{2}});
  waited_for = {2};
  waiters.check();
  EXPECT_FALSE(answer.came());
  EXPECT_TRUE(waiters.wait_for(NodeId{2}));
  waited_for.clear();
  waiters.check();
  EXPECT_EQ(answer.error(), 0);
  EXPECT_FALSE(waiters.wait_for(NodeId{2}));
}

TEST_F(DrainWaitersTest, AFailureAnswersThoseWhoWaitForThatFile) {
  waited_for = {1, 2};
  Answer<void> first;
  Answer<void> second;
  waiters.add(first.reply(), {NodeId{1}});
  waiters.add(second.reply(), {NodeId{2}});
  waiters.fail_all(NodeId{1}, Error{EINVAL, Scope::message, Retry::never, "no mail"});
  EXPECT_EQ(first.error(), EINVAL);
  EXPECT_FALSE(second.came());
}

TEST(OpenHandlesTest, AFileIsWrittenUntilItsWriterHasClosedIt) {
  OpenHandles handles;
  handles.add(1, 100, true);
  handles.add(2, 200, false);
  EXPECT_TRUE(handles.is_being_written());
  EXPECT_FALSE(handles.others_write(1));
  EXPECT_TRUE(handles.others_write(2));
  handles.find(1)->flushed = true;
  EXPECT_FALSE(handles.is_being_written());
  EXPECT_TRUE(handles.remove(1));
  EXPECT_FALSE(handles.remove(1));
  EXPECT_FALSE(handles.empty());
}

TEST(OpenHandlesTest, WhatOthersWroteIsNotTheWorkOfWhoWroteNothing) {
  OpenHandles handles;
  handles.add(1, 100, true);
  handles.add(2, 200, true);
  EXPECT_FALSE(handles.is_others_work(1)) << "nobody has written";
  handles.find(2)->wrote = true;
  EXPECT_TRUE(handles.is_others_work(1));
  EXPECT_FALSE(handles.is_others_work(2));
}

}  // namespace
}  // namespace imapfs::vfs

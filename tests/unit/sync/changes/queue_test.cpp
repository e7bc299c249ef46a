// Which changes may be carried out, and which go together.

#include "sync/changes/queue.hpp"

#include <gtest/gtest.h>

#include "sync/changes/change_kinds.hpp"

namespace imapfs::sync {
namespace {

using Kind = store::JournalChange::Kind;

PendingChange change(std::uint64_t id, Kind kind, std::uint32_t uid, const std::string& destination = {},
                     std::uint64_t follows = 0) {
  PendingChange pending;
  pending.change.id = ChangeId{id};
  pending.change.kind = kind;
  if (uid != 0) pending.change.source = {"INBOX", UidValidity{1}, Uid{uid}};
  pending.change.follows = ChangeId{follows};
  pending.change.destination = destination;
  if (kind == Kind::flag) pending.change.flags = deleted_flag(FlagChange::Kind::add);
  return pending;
}

std::vector<std::uint64_t> numbers(const std::vector<ChangeId>& ids) {
  std::vector<std::uint64_t> values;
  for (const auto id : ids) values.push_back(id.value);
  return values;
}
using Numbers = std::vector<std::uint64_t>;

TEST(ChangeQueue, OneBatchIsOfOneKindAndOneDestination) {
  ChangeQueue queue;
  queue.add(change(1, Kind::flag, 1));
  queue.add(change(2, Kind::move, 2, "Archive"));
  queue.add(change(3, Kind::flag, 3));
  queue.add(change(4, Kind::move, 4, "Bin"));
  EXPECT_EQ(numbers(queue.take_batch()), (Numbers{1, 3}));
  EXPECT_TRUE(queue.take_batch().empty());
  queue.release_mailbox_of(change(1, Kind::flag, 1).change);
  EXPECT_EQ(numbers(queue.take_batch()), (Numbers{2}));
}

TEST(ChangeQueue, ChangesOfOneMessageWaitForEachOther) {
  ChangeQueue queue;
  queue.add(change(1, Kind::copy, 1, "Archive"));
  queue.add(change(2, Kind::flag, 1));
  EXPECT_EQ(numbers(queue.take_batch()), (Numbers{1}));
  queue.release_mailbox_of(change(1, Kind::flag, 1).change);
  EXPECT_TRUE(queue.take_batch().empty());
  EXPECT_EQ(numbers(queue.dependents(ChangeId{1})), (Numbers{2}));
  queue.end(ChangeId{1}, {"Archive", UidValidity{2}, Uid{9}});
  EXPECT_EQ(numbers(queue.take_batch()), (Numbers{2}));
}

TEST(ChangeQueue, WhatFollowsAnArrivalGetsItsPlace) {
  ChangeQueue queue;
  queue.add(change(1, Kind::move, 1, "Archive"));
  EXPECT_EQ(queue.order().moving({"INBOX", UidValidity{1}, Uid{1}}), ChangeId{1});
  queue.add(change(2, Kind::move, 0, "Bin", 1));
  EXPECT_EQ(queue.order().moving({"INBOX", UidValidity{1}, Uid{1}}), ChangeId{2});
  EXPECT_EQ(numbers(queue.take_batch()), (Numbers{1}));
  queue.end(ChangeId{1}, {"Archive", UidValidity{2}, Uid{9}});
  queue.release_mailbox_of(change(1, Kind::flag, 1).change);
  EXPECT_EQ(numbers(queue.take_batch()), (Numbers{2}));
  EXPECT_EQ(queue.find(ChangeId{2})->change.source, (store::JournalLocation{"Archive", UidValidity{2}, Uid{9}}));
}

TEST(ChangeQueue, ASetOfUidsStaysShorterThanALineMayBe) {
  ChangeQueue queue;
  for (std::uint32_t i = 1; i <= 4000; ++i) queue.add(change(i, Kind::flag, 1'000'000 + 2 * i));
  const auto sparse = queue.take_batch();
  EXPECT_LT(sparse.size(), 1000u);
  EXPECT_GT(sparse.size(), 800u);
  ChangeQueue dense;
  for (std::uint32_t i = 1; i <= 6000; ++i) dense.add(change(i, Kind::flag, 1'000'000 + i));
  EXPECT_EQ(dense.take_batch().size(), ReadyChanges::batch_limit);
}

TEST(ChangeQueue, WhatIsPausedComesBackInTime) {
  ChangeQueue queue;
  queue.add(change(1, Kind::flag, 1));
  const auto batch = queue.take_batch();
  queue.release_mailbox_of(change(1, Kind::flag, 1).change);
  queue.put_back(batch, std::chrono::hours(1));
  EXPECT_TRUE(queue.wake(SteadyClock::now()));
  EXPECT_TRUE(queue.take_batch().empty());
  EXPECT_FALSE(queue.wake(SteadyClock::now() + std::chrono::hours(2)));
  EXPECT_EQ(numbers(queue.take_batch()), (Numbers{1}));
}

}  // namespace
}  // namespace imapfs::sync

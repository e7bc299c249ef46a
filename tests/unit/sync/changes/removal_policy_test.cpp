// The policy of removal, and which changes go together.

#include <gtest/gtest.h>

#include "sync/changes/change_kinds.hpp"
#include "sync/changes/queue.hpp"

namespace imapfs::sync {
namespace {

using Kind = store::JournalChange::Kind;

Result<Removal> plan(RemovalPolicy policy, std::set<std::string> words, const std::string& mailbox = "INBOX",
                     const std::string& trash = "Bin") {
  return plan_removal(policy, imap::Capabilities(std::move(words)), mailbox, trash);
}

TEST(RemovalPolicyTable, FlagsByItself) {
  EXPECT_EQ(*plan(RemovalPolicy::automatic, {"UIDPLUS"}), Removal::flag);
  EXPECT_EQ(*plan(RemovalPolicy::flag, {"UIDPLUS", "X-GM-EXT-1"}), Removal::flag);
}

TEST(RemovalPolicyTable, UsesTheTrashWhereFlaggingDoesNotDelete) {
  EXPECT_EQ(*plan(RemovalPolicy::automatic, {"UIDPLUS", "X-GM-EXT-1"}), Removal::trash);
  EXPECT_EQ(*plan(RemovalPolicy::trash, {"UIDPLUS"}), Removal::trash);
}

TEST(RemovalPolicyTable, ExpungesWhatIsInTheTrashAndFlagsWhereThereIsNone) {
  EXPECT_EQ(*plan(RemovalPolicy::trash, {"UIDPLUS"}, "Bin"), Removal::expunge);
  EXPECT_EQ(*plan(RemovalPolicy::trash, {}, "Bin"), Removal::flag);
  EXPECT_EQ(*plan(RemovalPolicy::trash, {"UIDPLUS"}, "INBOX", ""), Removal::flag);
}

TEST(RemovalPolicyTable, RefusesToExpungeWithoutUidplus) {
  EXPECT_EQ(*plan(RemovalPolicy::expunge, {"UIDPLUS"}), Removal::expunge);
  const auto refused = plan(RemovalPolicy::expunge, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().errnum, EOPNOTSUPP);
}

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
  ChangeQueue ledger;
  ledger.add(change(1, Kind::flag, 1));
  ledger.add(change(2, Kind::move, 2, "Archive"));
  ledger.add(change(3, Kind::flag, 3));
  ledger.add(change(4, Kind::move, 4, "Bin"));
  EXPECT_EQ(numbers(ledger.take_batch()), (Numbers{1, 3}));
  EXPECT_TRUE(ledger.take_batch().empty());
  ledger.release("INBOX");
  EXPECT_EQ(numbers(ledger.take_batch()), (Numbers{2}));
}

TEST(ChangeQueue, ChangesOfOneMessageWaitForEachOther) {
  ChangeQueue ledger;
  ledger.add(change(1, Kind::copy, 1, "Archive"));
  ledger.add(change(2, Kind::flag, 1));
  EXPECT_EQ(numbers(ledger.take_batch()), (Numbers{1}));
  ledger.release("INBOX");
  EXPECT_TRUE(ledger.take_batch().empty());
  EXPECT_EQ(numbers(ledger.dependents(ChangeId{1})), (Numbers{2}));
  ledger.end(ChangeId{1}, {"Archive", UidValidity{2}, Uid{9}});
  EXPECT_EQ(numbers(ledger.take_batch()), (Numbers{2}));
}

TEST(ChangeQueue, WhatFollowsAnArrivalGetsItsPlace) {
  ChangeQueue ledger;
  ledger.add(change(1, Kind::move, 1, "Archive"));
  EXPECT_EQ(ledger.moving({"INBOX", UidValidity{1}, Uid{1}}), ChangeId{1});
  ledger.add(change(2, Kind::move, 0, "Bin", 1));
  EXPECT_EQ(ledger.moving({"INBOX", UidValidity{1}, Uid{1}}), ChangeId{2});
  EXPECT_EQ(numbers(ledger.take_batch()), (Numbers{1}));
  ledger.end(ChangeId{1}, {"Archive", UidValidity{2}, Uid{9}});
  ledger.release("INBOX");
  EXPECT_EQ(numbers(ledger.take_batch()), (Numbers{2}));
  EXPECT_EQ(ledger.find(ChangeId{2})->change.source, (store::JournalLocation{"Archive", UidValidity{2}, Uid{9}}));
}

TEST(ChangeQueue, ASetOfUidsStaysShorterThanALineMayBe) {
  ChangeQueue ledger;
  for (std::uint32_t i = 1; i <= 4000; ++i) ledger.add(change(i, Kind::flag, 1'000'000 + 2 * i));
  const auto sparse = ledger.take_batch();
  EXPECT_LT(sparse.size(), 1000u);
  EXPECT_GT(sparse.size(), 800u);
  ChangeQueue dense;
  for (std::uint32_t i = 1; i <= 6000; ++i) dense.add(change(i, Kind::flag, 1'000'000 + i));
  EXPECT_EQ(dense.take_batch().size(), ChangeQueue::batch_limit);
}

TEST(ChangeQueue, WhatIsPausedComesBackInTime) {
  ChangeQueue ledger;
  ledger.add(change(1, Kind::flag, 1));
  const auto batch = ledger.take_batch();
  ledger.release("INBOX");
  ledger.put_back(batch, std::chrono::hours(1));
  EXPECT_TRUE(ledger.wake(SteadyClock::now()));
  EXPECT_TRUE(ledger.take_batch().empty());
  EXPECT_FALSE(ledger.wake(SteadyClock::now() + std::chrono::hours(2)));
  EXPECT_EQ(numbers(ledger.take_batch()), (Numbers{1}));
}

}  // namespace
}  // namespace imapfs::sync

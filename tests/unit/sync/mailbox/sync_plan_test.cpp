#include "sync/mailbox/sync_plan.hpp"

#include <gtest/gtest.h>

namespace imapfs::sync {
namespace {

KnownMailbox known_mailbox() { return {UidValidity{7}, Uid{11}, ModSeq{50}, 10, true, true}; }

imap::SelectedMailbox same_answer() {
  imap::SelectedMailbox selected;
  selected.messages = 10;
  selected.uid_validity = UidValidity{7};
  selected.uid_next = Uid{11};
  selected.highest_modseq = ModSeq{50};
  return selected;
}

UidSet set_of(std::initializer_list<std::uint32_t> uids) {
  UidSet set;
  for (const auto uid : uids) set.add(Uid{uid}, Uid{uid});
  return set;
}

TEST(SyncPlan, AnUnlistedMailboxIsListed) { EXPECT_EQ(choose_method({}, same_answer(), true), SyncMethod::listing); }

TEST(SyncPlan, AnotherUidValidityIsAnotherMailbox) {
  auto selected = same_answer();
  selected.uid_validity = UidValidity{8};
  EXPECT_TRUE(identity_changed(known_mailbox(), selected));
  EXPECT_EQ(choose_method(known_mailbox(), selected, true), SyncMethod::listing);
}

TEST(SyncPlan, AMissingUidValidityCountsAsZero) {
  auto known = known_mailbox();
  auto selected = same_answer();
  selected.uid_validity.reset();
  EXPECT_TRUE(identity_changed(known, selected));
  known.uid_validity = UidValidity{};
  EXPECT_FALSE(identity_changed(known, selected));
}

TEST(SyncPlan, NothingIsAskedWhenModseqCountAndUidNextAreTheSame) {
  EXPECT_EQ(choose_method(known_mailbox(), same_answer(), true), SyncMethod::none);
}

TEST(SyncPlan, QresyncIsUsedWhereItWasAnswered) {
  auto selected = same_answer();
  selected.qresync_applied = true;
  EXPECT_EQ(choose_method(known_mailbox(), selected, true), SyncMethod::qresync);
}

TEST(SyncPlan, CondstoreIsUsedWhereModseqGrew) {
  auto selected = same_answer();
  selected.highest_modseq = ModSeq{51};
  EXPECT_EQ(choose_method(known_mailbox(), selected, true), SyncMethod::condstore);
  EXPECT_EQ(choose_method(known_mailbox(), selected, false), SyncMethod::full);
}

TEST(SyncPlan, AModseqThatIsLowerMissingOrZeroIsNotBelieved) {
  for (const auto modseq : {std::optional(ModSeq{49}), std::optional(ModSeq{0}), std::optional<ModSeq>{}}) {
    auto selected = same_answer();
    selected.qresync_applied = true;
    selected.highest_modseq = modseq;
    EXPECT_EQ(choose_method(known_mailbox(), selected, true), SyncMethod::full);
  }
}

TEST(SyncPlan, AUidNextThatWentDownIsNotBelieved) {
  auto selected = same_answer();
  selected.uid_next = Uid{5};
  selected.qresync_applied = true;
  EXPECT_EQ(choose_method(known_mailbox(), selected, true), SyncMethod::full);
}

TEST(SyncPlan, TwoSetsAreComparedByRanges) {
  UidSet known = UidSet::range(Uid{1}, Uid{10});
  UidSet server = set_of({2, 3, 12, 15});
  const auto difference = compare_uids(known, server);
  EXPECT_EQ(difference.missing.to_string(), "12,15");
  EXPECT_EQ(difference.gone.to_string(), "1,4:10");
}

TEST(SyncPlan, SubtractingReachesTheHighestUid) {
  const auto all = UidSet::range(Uid{1}, Uid{UINT32_MAX});
  EXPECT_EQ(subtract(all, UidSet::range(Uid{5}, Uid{UINT32_MAX})).to_string(), "1:4");
  EXPECT_TRUE(subtract(all, all).empty());
  EXPECT_EQ(subtract(all, {}), all);
}

TEST(SyncPlan, TakingTheFirstUidsSplitsARange) {
  auto set = UidSet::range(Uid{3}, Uid{12});
  EXPECT_EQ(take_first(set, 4).to_string(), "3:6");
  EXPECT_EQ(set.to_string(), "7:12");
  EXPECT_EQ(take_first(set, 100).to_string(), "7:12");
  EXPECT_TRUE(set.empty());
}

TEST(SyncPlan, ADirectoryTimeIsReproducibleAndFollowsTheContent) {
  const auto time = unwitnessed_directory_time(UidValidity{1'600'000'000}, Uid{9}, 3);
  EXPECT_EQ(time.seconds, 1'600'000'000);
  EXPECT_LT(time.nanoseconds, 1'000'000'000u);
  EXPECT_EQ(time.nanoseconds, unwitnessed_directory_time(UidValidity{1'600'000'000}, Uid{9}, 3).nanoseconds);
  EXPECT_NE(time.nanoseconds, unwitnessed_directory_time(UidValidity{1'600'000'000}, Uid{10}, 3).nanoseconds);
  EXPECT_EQ(unwitnessed_directory_time(UidValidity{7}, Uid{9}, 3).seconds, 946'684'800);
  EXPECT_EQ(unwitnessed_directory_time(UidValidity{4'000'000'000}, Uid{9}, 3).seconds, 4'000'000'000)
      << "the clock has no say: it would be another time after a remount";
}

}  // namespace
}  // namespace imapfs::sync

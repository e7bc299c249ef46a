#include "sync/bodies/access_pattern.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace imapfs::sync {
namespace {

using Messages = std::vector<AccessPattern::Message>;

/// A mailbox whose messages can be chosen, and what has been fetched of it.
class ListedMessages {
 public:
  explicit ListedMessages(std::uint32_t messages, std::uint64_t size = 1000) {
    for (std::uint32_t i = 1; i <= messages; ++i) sizes[i] = size;
  }
  [[nodiscard]] AccessPattern::Listing listing() const {
    return [this](Uid after, const std::function<bool(const AccessPattern::Message&)>& visit) {
      for (auto row = sizes.upper_bound(after.value); row != sizes.end(); ++row) {
        ++looked_at;
        if (!visit({Uid{row->first}, row->second})) return;
      }
    };
  }
  std::optional<AccessPattern::ReaderId> open(std::uint32_t uid) { return ahead.opened(Uid{uid}, listing()); }
  /// The next set as a UID set in text; "" for none.
  std::string next_set(AccessPattern::ReaderId reader) {
    const auto plan = ahead.plan(reader);
    if (!plan) return "";
    const auto set = AccessPattern::choose(*plan, limits, listing(), [this](Uid uid) { return !have.contains(uid); });
    ahead.give(*plan, set);
    std::vector<Uid> uids;
    for (const auto& message : set.messages) {
      have.insert(message.uid);
      fetched_ahead.insert(message.uid);
      uids.push_back(message.uid);
    }
    return UidSet::of(uids).to_string();
  }
  /// Opens `uid`, as part of a reader that is fed. How many messages were fetched ahead.
  std::size_t open_and_feed(std::uint32_t uid) {
    const auto before = have.size();
    const auto reader = open(uid);
    while (reader && !next_set(*reader).empty()) {
    }
    const auto fetched = have.size() - before;
    have.insert(Uid{uid});
    return fetched;
  }

  std::map<std::uint32_t, std::uint64_t> sizes;
  std::set<Uid> have;
  std::set<Uid> fetched_ahead;
  AccessPattern ahead;
  AccessPattern::Limits limits;
  mutable std::size_t looked_at = 0;
};

TEST(AccessPattern, ThreeOpensInOrderMakeAReader) {
  ListedMessages mailbox(100);
  EXPECT_FALSE(mailbox.open(10));
  EXPECT_FALSE(mailbox.open(11));
  const auto reader = mailbox.open(12);
  ASSERT_TRUE(reader);
  EXPECT_EQ(mailbox.next_set(*reader), "12:19") << "the message that is being opened comes first";
  EXPECT_EQ(mailbox.open(13), reader);
}

TEST(AccessPattern, AGapOfFourListedMessagesIsStillOrderHoweverFarTheUidsAre) {
  ListedMessages mailbox(0);
  for (std::uint32_t i = 1; i <= 50; ++i) mailbox.sizes[i * 1000] = 10;
  mailbox.open(1000);
  mailbox.open(5000);
  EXPECT_TRUE(mailbox.open(9000));
  ListedMessages wider(50);
  wider.open(1);
  wider.open(6);
  EXPECT_FALSE(wider.open(11));
}

TEST(AccessPattern, OpeningTheSameMessageAgainIsNoProgress) {
  ListedMessages mailbox(100);
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(mailbox.open(5));
}

TEST(AccessPattern, BackwardsOrAtRandomNothingIsFetched) {
  ListedMessages mailbox(5000);
  for (std::uint32_t uid = 200; uid > 0; --uid) EXPECT_EQ(mailbox.open_and_feed(uid), 0U);
  std::mt19937 random(1);
  std::size_t fetched = 0;
  for (int i = 0; i < 500; ++i) fetched += mailbox.open_and_feed(1 + random() % 5000);
  EXPECT_LE(fetched, 50U) << "three of a few followed each other by chance";
}

TEST(AccessPattern, SetsGrowAndTwoAreBeforeTheReader) {
  ListedMessages mailbox(100'000);
  mailbox.open(1);
  mailbox.open(2);
  const auto reader = *mailbox.open(3);
  EXPECT_EQ(mailbox.next_set(reader), "3:10");
  EXPECT_EQ(mailbox.next_set(reader), "11:42");
  EXPECT_EQ(mailbox.next_set(reader), "") << "two are ahead";
  mailbox.open(4);
  EXPECT_EQ(mailbox.next_set(reader), "43:170");
  mailbox.open(10);
  EXPECT_EQ(mailbox.next_set(reader), "");
  mailbox.open(11);
  EXPECT_EQ(mailbox.next_set(reader), "171:682");
  EXPECT_EQ(mailbox.next_set(reader), "");
  for (std::uint32_t uid = 12; uid <= 171; ++uid) mailbox.open(uid);
  EXPECT_EQ(mailbox.next_set(reader), "683:2730");
  EXPECT_EQ(mailbox.next_set(reader), "2731:4778") << "and no further";
}

TEST(AccessPattern, ASetIsBoundedByOctetsAndLeavesLargeMessagesOut) {
  ListedMessages mailbox(100, 1000);
  mailbox.limits.set_bytes = 3000;
  mailbox.limits.message_bytes = 5000;
  mailbox.sizes[4] = 5001;
  mailbox.open(1);
  mailbox.open(2);
  const auto reader = *mailbox.open(3);
  EXPECT_EQ(mailbox.next_set(reader), "3,5:6");
}

TEST(AccessPattern, ALargeMessageIsPartOfASetWhenAsMuchWasReadBefore) {
  ListedMessages mailbox(400, 10'000);
  mailbox.limits.message_bytes = 50'000;
  mailbox.limits.large_message_bytes = 1'000'000;
  for (const std::uint32_t uid : {6, 60, 61}) mailbox.sizes[uid] = 80'000;
  mailbox.sizes[62] = 1'000'001;
  for (std::uint32_t uid = 1; uid <= 70; ++uid) mailbox.open_and_feed(uid);
  EXPECT_FALSE(mailbox.fetched_ahead.contains(Uid{6})) << "nothing was read before";
  EXPECT_TRUE(mailbox.fetched_ahead.contains(Uid{60}));
  EXPECT_TRUE(mailbox.fetched_ahead.contains(Uid{61}));
  EXPECT_FALSE(mailbox.fetched_ahead.contains(Uid{62})) << "too large for any set";
}

TEST(AccessPattern, ALargeMessageDoesNotKeepTheRestOfASetWaiting) {
  ListedMessages mailbox(100, 1000);
  mailbox.limits.set_bytes = 5000;
  mailbox.limits.message_bytes = 2000;
  for (std::uint32_t uid = 1; uid <= 20; ++uid) mailbox.open_and_feed(uid);
  mailbox.sizes[40] = 8000;
  std::string sets;
  for (std::uint32_t uid = 21; uid <= 45; ++uid) {
    const auto reader = mailbox.open(uid);
    for (auto set = mailbox.next_set(*reader); !set.empty(); set = mailbox.next_set(*reader)) sets += set + " ";
  }
  EXPECT_NE(sets.find(" 40 "), std::string::npos) << sets;
}

TEST(AccessPattern, WhatIsCachedIsSkippedAndLookedAtOnce) {
  ListedMessages mailbox(20'000);
  for (std::uint32_t uid = 1; uid <= 20'000; ++uid) mailbox.have.insert(Uid{uid});
  for (std::uint32_t uid = 1; uid <= 10'000; ++uid) EXPECT_EQ(mailbox.open_and_feed(uid), 0U);
  EXPECT_LE(mailbox.looked_at, 60'000U) << "a few rows per open";
}

TEST(AccessPattern, ASetOfManyPiecesStaysACommandLine) {
  ListedMessages mailbox(50'000, 10);
  for (std::uint32_t uid = 2; uid <= 50'000; uid += 2) mailbox.have.insert(Uid{uid});
  std::string longest;
  const auto fed = [&](std::optional<AccessPattern::ReaderId> reader) {
    while (reader) {
      auto set = mailbox.next_set(*reader);
      if (set.empty()) return;
      if (set.size() > longest.size()) longest = std::move(set);
    }
  };
  for (std::uint32_t uid = 1; uid <= 20'000; ++uid) fed(mailbox.open(uid));
  EXPECT_LE(longest.size(), 8000U);
  EXPECT_GE(longest.size(), 1000U);
}

TEST(AccessPattern, ALittleDisorderEndsNoReader) {
  // As a glob of names that begin with the date does it.
  ListedMessages mailbox(10'000);
  std::size_t alone = 0;
  for (std::uint32_t block = 0; block < 9'000; block += 5) {
    for (const std::uint32_t step : {2U, 1U, 4U, 3U, 5U}) {
      if (!mailbox.have.contains(Uid{block + step})) {
        ++alone;
        mailbox.open_and_feed(block + step);
        mailbox.have.insert(Uid{block + step});
      } else {
        mailbox.open_and_feed(block + step);
      }
    }
  }
  EXPECT_LE(alone, 10U);
}

TEST(AccessPattern, SeveralReadersAreFedSideBySide) {
  ListedMessages mailbox(100'000);
  std::size_t fetched = 0;
  for (std::uint32_t i = 1; i <= 1000; ++i) {
    fetched += mailbox.open_and_feed(i);
    fetched += mailbox.open_and_feed(20'000 + i);
    fetched += mailbox.open_and_feed(90'000 + i);
  }
  EXPECT_GE(fetched, 3000U);
  EXPECT_EQ(mailbox.ahead.readers(), 3U);
}

TEST(AccessPattern, WhoJumpsLeavesLittleUnread) {
  ListedMessages mailbox(100'000);
  std::size_t fetched = 0;
  for (std::uint32_t start = 1; start < 99'000; start += 1000)
    for (std::uint32_t i = 0; i < 3; ++i) fetched += mailbox.open_and_feed(start + i);
  EXPECT_LE(fetched, 99U * (8 + 32));
}

TEST(AccessPattern, AtTheEndOfTheMailboxThereIsNothingToFetchUntilMailComes) {
  ListedMessages mailbox(5);
  for (std::uint32_t uid = 1; uid <= 5; ++uid) mailbox.open_and_feed(uid);
  EXPECT_EQ(mailbox.have.size(), 5U);
  EXPECT_EQ(mailbox.open_and_feed(5), 0U);
  for (std::uint32_t uid = 6; uid <= 8; ++uid) mailbox.sizes[uid] = 10;
  EXPECT_EQ(mailbox.open_and_feed(6), 3U) << "with the one that is opened";
}

TEST(AccessPattern, AReaderThatWasEndedIsRecognisedAnew) {
  ListedMessages mailbox(1000);
  mailbox.open(1);
  mailbox.open(2);
  const auto reader = *mailbox.open(3);
  mailbox.ahead.end(reader);
  EXPECT_EQ(mailbox.next_set(reader), "");
  EXPECT_FALSE(mailbox.open(4));
  EXPECT_FALSE(mailbox.open(5));
  const auto again = mailbox.open(6);
  ASSERT_TRUE(again);
  EXPECT_NE(again, reader);
  EXPECT_EQ(mailbox.next_set(*again), "6:13");
}

}  // namespace
}  // namespace imapfs::sync

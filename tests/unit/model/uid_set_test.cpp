#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "imapfs/model/types.hpp"

namespace imapfs {
namespace {

constexpr std::uint32_t highest = 4294967295;

TEST(UidSet, IsWrittenAsAnImapSequenceSet) {
  EXPECT_EQ(UidSet().to_string(), "");
  EXPECT_EQ(UidSet::single(Uid{7}).to_string(), "7");
  EXPECT_EQ(UidSet::range(Uid{1}, Uid{5}).to_string(), "1:5");
  EXPECT_EQ(UidSet::of({Uid{7}, Uid{1}, Uid{2}, Uid{3}, Uid{2}}).to_string(), "1:3,7");
}

TEST(UidSet, NeverContainsAStar) { EXPECT_EQ(UidSet::range(Uid{10}, Uid{highest}).to_string(), "10:4294967295"); }

TEST(UidSet, ReversedRangesMeanTheSame) { EXPECT_EQ(UidSet::range(Uid{9}, Uid{4}), UidSet::range(Uid{4}, Uid{9})); }

TEST(UidSet, ZeroIsNoUid) {
  EXPECT_TRUE(UidSet::single(Uid{0}).empty());
  EXPECT_EQ(UidSet::range(Uid{0}, Uid{3}).to_string(), "1:3");
  EXPECT_FALSE(UidSet::range(Uid{0}, Uid{3}).contains(Uid{0}));
}

TEST(UidSet, OverlappingAndNeighbouringRangesMerge) {
  UidSet set = UidSet::range(Uid{10}, Uid{20});
  set.add(Uid{30}, Uid{40});
  set.add(Uid{50}, Uid{60});
  EXPECT_EQ(set.to_string(), "10:20,30:40,50:60");
  set.add(Uid{21}, Uid{29});
  EXPECT_EQ(set.to_string(), "10:40,50:60");
  set.add(Uid{35}, Uid{70});
  EXPECT_EQ(set.to_string(), "10:70");
  set.add(Uid{9}, Uid{9});
  set.add(Uid{72}, Uid{72});
  EXPECT_EQ(set.to_string(), "9:70,72");
}

TEST(UidSet, TheHighestUidMergesWithoutOverflow) {
  UidSet set = UidSet::single(Uid{highest});
  set.add(Uid{highest - 1}, Uid{highest - 1});
  set.add(Uid{1}, Uid{1});
  EXPECT_EQ(set.to_string(), "1,4294967294:4294967295");
  set.add(Uid{1}, Uid{highest});
  EXPECT_EQ(set.to_string(), "1:4294967295");
  EXPECT_EQ(set.count(), 4294967295u);
  EXPECT_TRUE(set.contains(Uid{highest}));
}

TEST(UidSet, AgreesWithASetOfNumbers) {
  std::mt19937 random(20261122);
  std::uniform_int_distribution<std::uint32_t> any(0, 300);
  for (int round = 0; round < 200; ++round) {
    UidSet set;
    std::set<std::uint32_t> model;
    for (int step = 0; step < 20; ++step) {
      const std::uint32_t first = any(random);
      const std::uint32_t last = std::min(first + any(random) % 8, 300u);
      set.add(Uid{first}, Uid{last});
      for (std::uint32_t uid = std::max(first, 1u); uid <= last; ++uid) model.insert(uid);
    }
    ASSERT_EQ(set.count(), model.size());
    for (std::uint32_t uid = 0; uid <= 301; ++uid) ASSERT_EQ(set.contains(Uid{uid}), model.contains(uid)) << uid;
    std::vector<Uid> uids;
    for (const auto uid : model) uids.push_back(Uid{uid});
    ASSERT_EQ(UidSet::of(uids), set);
    for (std::size_t i = 1; i < set.ranges().size(); ++i) {
      ASSERT_GT(set.ranges()[i].first, set.ranges()[i - 1].last + 1) << "neighbours must be merged";
    }
  }
}

}  // namespace
}  // namespace imapfs

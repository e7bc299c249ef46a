// Where a MessageTable lists its messages, and under which names.

#include <gtest/gtest.h>

#include <set>

#include "sync/mailbox/writable_message_table.hpp"
#include "unit/sync/sync_test_support.hpp"

namespace imapfs::sync {
namespace {

using Place = MessageTable::Place;

class MessagePlacesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (std::uint32_t uid = 1; uid <= 5; ++uid) table.upsert(message(uid), true);
    table.set_complete(true);
  }
  static MessageMeta message(std::uint32_t uid) {
    MessageMeta meta;
    meta.uid = Uid{uid};
    meta.file_name = own_name(uid);
    return meta;
  }
  static std::string own_name(std::uint32_t uid) {
    return fmt::format("2026-11-20_0930_anna@example.org_Lunch.{}.eml", uid);
  }
  static std::string distinct_name(std::uint32_t uid, std::size_t pluses) {
    return *mime::NameTemplate().distinct(own_name(uid), Uid{uid}, pluses);
  }
  std::vector<std::string> listed_in_full() const {
    std::vector<std::string> all;
    table.visit_after({}, SIZE_MAX, [&](const MessageTable::RowView& row) {
      all.emplace_back(row.file_name);
      return true;
    });
    return all;
  }
  std::vector<std::string> listed(Uid after = {}, std::size_t limit = SIZE_MAX) const {
    std::vector<std::string> all;
    table.visit_after(after, limit, [&](const MessageTable::RowView& row) {
      all.push_back(row.file_name.size() > 20 ? fmt::format("{}", row.uid.value) : std::string(row.file_name));
      return true;
    });
    return all;
  }
  void flag_deleted(std::uint32_t uid) { table.set_flags(Uid{uid}, FlagSet::parse("\\Deleted"), {}); }
  std::uint32_t find(const std::string& name) const {
    const auto found = table.find_by_name(name);
    return found ? found->uid.value : 0;
  }
  std::uint32_t find_deleted(const std::string& name) const {
    const auto found = table.find_deleted_by_name(name);
    return found ? found->uid.value : 0;
  }

  WritableMessageTable table{default_names()};
};

using Names = std::vector<std::string>;

TEST_F(MessagePlacesTest, WhatIsFlaggedDeletedIsListedInDeletedOnly) {
  flag_deleted(2);
  EXPECT_EQ(listed(), (Names{"1", "3", "4", "5"}));
  EXPECT_EQ(table.deleted(), std::vector{Uid{2}});
  EXPECT_EQ(find(own_name(2)), 0u);
  EXPECT_EQ(find_deleted(own_name(2)), 2u);
  EXPECT_EQ(find_deleted(own_name(3)), 0u);
  EXPECT_EQ(table.place(Uid{2}), Place::deleted);
  EXPECT_TRUE(table.find(Uid{2}));
  EXPECT_EQ(table.size(), 5u) << "all rows count for the sync";
}

TEST_F(MessagePlacesTest, WhatIsHiddenIsListedNowhereAndFoundByUid) {
  flag_deleted(2);
  EXPECT_EQ(table.set_hidden(UidSet::range(Uid{2}, Uid{3}), true), (std::vector{Uid{2}, Uid{3}}));
  EXPECT_EQ(listed(), (Names{"1", "4", "5"}));
  EXPECT_TRUE(table.deleted().empty());
  EXPECT_EQ(find(own_name(3)), 0u);
  EXPECT_EQ(find_deleted(own_name(2)), 0u);
  EXPECT_TRUE(table.find(Uid{3}));
  EXPECT_TRUE(table.hidden(Uid{3}));
  EXPECT_EQ(table.uids().to_string(), "1:5");
}

TEST_F(MessagePlacesTest, HidingTwiceIsNoChange) {
  table.set_hidden(UidSet::single(Uid{3}), true);
  EXPECT_TRUE(table.set_hidden(UidSet::single(Uid{3}), true).empty());
  EXPECT_EQ(table.set_hidden(UidSet::single(Uid{3}), false), std::vector{Uid{3}});
  EXPECT_TRUE(table.set_hidden(UidSet::single(Uid{3}), false).empty());
  EXPECT_EQ(find(own_name(3)), 3u);
}

TEST_F(MessagePlacesTest, ARowThatComesLaterIsHiddenFromTheStart) {
  EXPECT_TRUE(table.set_hidden(UidSet::single(Uid{9}), true).empty());
  table.upsert(message(9), true);
  EXPECT_EQ(table.place(Uid{9}), Place::hidden);
  EXPECT_EQ(table.set_hidden(UidSet::range(Uid{1}, Uid{4294967295U}), false), std::vector{Uid{9}});
}

TEST_F(MessagePlacesTest, ALimitCountsListedRowsOnly) {
  table.set_hidden(UidSet::range(Uid{1}, Uid{2}), true);
  EXPECT_EQ(listed(Uid{0}, 2), (Names{"3", "4"}));
  EXPECT_EQ(listed(Uid{3}, 2), (Names{"4", "5"}));
}

TEST_F(MessagePlacesTest, ALocalNameTakesThePlaceOfTheTemplates) {
  table.set_local_name(Uid{3}, "offer.eml");
  EXPECT_EQ(listed(), (Names{"1", "2", "offer.eml", "4", "5"}));
  EXPECT_EQ(find("offer.eml"), 3u);
  EXPECT_EQ(find(own_name(3)), 0u);
  EXPECT_EQ(table.find(Uid{3})->file_name, "offer.eml");
  EXPECT_EQ(table.find_original(Uid{3})->file_name, own_name(3));
  EXPECT_EQ(table.local_name(Uid{3}), "offer.eml");
}

TEST_F(MessagePlacesTest, AnEmptyLocalNameBringsTheTemplatesBack) {
  table.set_local_name(Uid{3}, "offer.eml");
  table.set_local_name(Uid{3}, "");
  EXPECT_EQ(find("offer.eml"), 0u);
  EXPECT_EQ(find(own_name(3)), 3u);
  EXPECT_FALSE(table.local_name(Uid{3}));
}

TEST_F(MessagePlacesTest, AnotherLocalNameTakesThePlaceOfTheFirst) {
  table.set_local_name(Uid{3}, "offer.eml");
  table.set_local_name(Uid{3}, "contract.eml");
  EXPECT_EQ(find("offer.eml"), 0u);
  EXPECT_EQ(find("contract.eml"), 3u);
}

TEST_F(MessagePlacesTest, OfTwoWithOneNameTheLatestListedHasIt) {
  table.set_local_name(Uid{5}, "draft.eml");
  table.set_local_name(Uid{2}, "draft.eml");
  EXPECT_EQ(find("draft.eml"), 2u) << "the latest, not the highest UID";
  EXPECT_EQ(listed(), (Names{"1", "draft.eml", "3", "4", "5"})) << "no name is listed twice";
  EXPECT_EQ(find(own_name(5)), 5u);
  table.set_hidden(UidSet::single(Uid{2}), true);
  EXPECT_EQ(find("draft.eml"), 5u);
  EXPECT_EQ(listed(), (Names{"1", "3", "4", "draft.eml"}));
}

TEST_F(MessagePlacesTest, ManyVersionsOfADraftInDeletedHaveOneNameEach) {
  for (const std::uint32_t uid : {1, 2, 3}) {
    table.set_local_name(Uid{uid}, "draft.eml");
    flag_deleted(uid);
  }
  EXPECT_EQ(find_deleted("draft.eml"), 3u);
  EXPECT_EQ(table.find(Uid{3})->file_name, "draft.eml");
  EXPECT_EQ(table.find(Uid{1})->file_name, own_name(1));
  EXPECT_EQ(find_deleted(own_name(1)), 1u);
}

TEST_F(MessagePlacesTest, OnlyTheNameThatIsListedIsFound) {
  for (const auto* name : {"3.eml", "3", "2026-11-20_0930_anna@example.org_Dinner.3.eml", "x.3.eml",
                           "2026-11-20_0930_anna@example.org_Lunch.3+.eml"})
    EXPECT_EQ(find(name), 0u) << name;
}

TEST_F(MessagePlacesTest, AGivenNameStaysWhenAMessageComesWhoseTemplateMakesIt) {
  table.set_local_name(Uid{3}, own_name(9));
  table.upsert(message(9), true);
  EXPECT_EQ(find(own_name(9)), 3u);
  EXPECT_EQ(table.find(Uid{9})->file_name, distinct_name(9, 1));
  EXPECT_EQ(find(distinct_name(9, 1)), 9u);
  EXPECT_EQ(listed_in_full().at(5), distinct_name(9, 1));
}

TEST_F(MessagePlacesTest, TheSecondNameMayHaveBeenGivenTooThenItIsTheThird) {
  table.set_local_name(Uid{3}, own_name(5));
  table.set_local_name(Uid{4}, distinct_name(5, 1));
  EXPECT_EQ(find(own_name(5)), 3u);
  EXPECT_EQ(find(distinct_name(5, 1)), 4u);
  EXPECT_EQ(find(distinct_name(5, 2)), 5u);
}

TEST_F(MessagePlacesTest, AGivenNameCountsBeforeTheRowOfItsMessageComes) {
  table.set_complete(false);
  table.set_local_name(Uid{9}, own_name(2));
  EXPECT_EQ(find(own_name(2)), 0u) << "it is the name of one that is not known yet";
  EXPECT_EQ(find(distinct_name(2, 1)), 2u);
  table.upsert(message(9), true);
  EXPECT_EQ(find(own_name(2)), 9u);
}

TEST_F(MessagePlacesTest, NobodyIsRenamedWhileTheOneWithTheNameIsOnItsWayOut) {
  table.set_local_name(Uid{3}, own_name(2));
  table.set_hidden(UidSet::single(Uid{3}), true);
  EXPECT_EQ(find(own_name(2)), 0u);
  EXPECT_EQ(find(distinct_name(2, 1)), 2u);
  table.remove(UidSet::single(Uid{3}));
  EXPECT_EQ(find(own_name(2)), 2u);
}

TEST_F(MessagePlacesTest, NoNameIsListedTwiceWhateverIsGiven) {
  const std::vector<std::string> given = {own_name(1),         own_name(2),         own_name(3),
                                          distinct_name(1, 1), distinct_name(2, 1), "draft.eml"};
  for (std::size_t round = 0; round < 6 * 6 * 6 * 6; ++round) {
    auto number = round;
    for (const std::uint32_t uid : {1, 2, 3, 4}) {
      table.set_local_name(Uid{uid}, given[number % given.size()]);
      number /= given.size();
    }
    const auto all = listed_in_full();
    EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), 5u) << round;
    for (std::uint32_t uid = 1; uid <= 5; ++uid) EXPECT_EQ(find(all[uid - 1]), uid) << round << " " << all[uid - 1];
  }
}

TEST_F(MessagePlacesTest, InDeletedTooAGivenNameComesBeforeTheTemplates) {
  table.set_local_name(Uid{3}, own_name(2));
  flag_deleted(3);
  EXPECT_EQ(find(own_name(2)), 2u) << "not in the same place";
  flag_deleted(2);
  EXPECT_EQ(find_deleted(own_name(2)), 3u);
  EXPECT_EQ(find_deleted(distinct_name(2, 1)), 2u);
}

TEST_F(MessagePlacesTest, TwoMessagesMayChangeNames) {
  table.set_local_name(Uid{2}, own_name(3));
  table.set_local_name(Uid{3}, own_name(2));
  EXPECT_EQ(find(own_name(2)), 3u);
  EXPECT_EQ(find(own_name(3)), 2u);
}

TEST_F(MessagePlacesTest, WhoHasLostItsNameToALaterOneTakesItsOwnBackUnlessThatIsGiven) {
  table.set_local_name(Uid{2}, "draft.eml");
  table.set_local_name(Uid{3}, own_name(2));
  EXPECT_EQ(find(own_name(2)), 3u);
  table.set_local_name(Uid{4}, "draft.eml");
  EXPECT_EQ(find("draft.eml"), 4u);
  EXPECT_EQ(find(own_name(2)), 3u);
  EXPECT_EQ(find(distinct_name(2, 1)), 2u);
}

TEST_F(MessagePlacesTest, NamesOfEarlierTimesComeBeforeThoseGivenSince) {
  table.set_local_name(Uid{4}, "draft.eml");
  table.set_local_name(Uid{5}, "new.eml");
  table.add_earlier_names({{Uid{2}, "offer.eml"}, {Uid{1}, "offer.eml"}, {Uid{3}, "draft.eml"}, {Uid{5}, "old.eml"}});
  EXPECT_EQ(find("offer.eml"), 1u) << "the last given, not the highest UID";
  EXPECT_EQ(find("draft.eml"), 4u);
  EXPECT_EQ(find("new.eml"), 5u);
  EXPECT_EQ(find("old.eml"), 0u);
}

TEST_F(MessagePlacesTest, ALocalNameMayBeGivenBeforeTheRowComes) {
  table.set_local_name(Uid{9}, "offer.eml");
  EXPECT_EQ(find("offer.eml"), 0u);
  EXPECT_EQ(table.uids_named("offer.eml"), std::vector{Uid{9}});
  table.upsert(message(9), true);
  EXPECT_EQ(find("offer.eml"), 9u);
}

TEST_F(MessagePlacesTest, RemovedRowsTakeTheirNamesAndPlacesAlong) {
  table.set_local_name(Uid{3}, "offer.eml");
  table.set_hidden(UidSet::single(Uid{4}), true);
  flag_deleted(5);
  const auto removed = table.remove(UidSet::range(Uid{3}, Uid{5}));
  ASSERT_EQ(removed.size(), 3u);
  EXPECT_EQ(removed[0].file_name, "offer.eml");
  EXPECT_EQ(removed[0].place, Place::listed);
  EXPECT_EQ(removed[1].place, Place::hidden);
  EXPECT_EQ(removed[2].place, Place::deleted);
  EXPECT_TRUE(table.locally_named().empty());
  EXPECT_FALSE(table.hidden(Uid{4}));
}

TEST_F(MessagePlacesTest, AResetForgetsPlacesUnlessTheMessagesAreTheSame) {
  table.set_local_name(Uid{3}, "offer.eml");
  table.set_hidden(UidSet::single(Uid{4}), true);
  table.reset(UidValidity{7}, true);
  EXPECT_TRUE(table.hidden(Uid{4}));
  EXPECT_EQ(table.local_name(Uid{3}), "offer.eml");
  table.reset(UidValidity{8});
  EXPECT_FALSE(table.hidden(Uid{4}));
  EXPECT_FALSE(table.local_name(Uid{3}));
}

TEST_F(MessagePlacesTest, OrdinaryRowsCostNoMoreForOneThatIsNot) {
  const auto before = table.memory_bytes();
  table.set_local_name(Uid{3}, "offer.eml");
  table.set_hidden(UidSet::single(Uid{4}), true);
  EXPECT_LT(table.memory_bytes(), before + 1000);
  EXPECT_GT(table.memory_bytes(), before);
}

}  // namespace
}  // namespace imapfs::sync

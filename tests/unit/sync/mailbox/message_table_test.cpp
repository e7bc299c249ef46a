#include "sync/mailbox/writable_message_table.hpp"

#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <thread>

namespace imapfs::sync {
namespace {

mime::NameTemplate default_names() { return mime::NameTemplate::parse(mime::NameTemplate::default_text).value(); }

MessageMeta message(std::uint32_t uid, std::string name = {}) {
  MessageMeta meta;
  meta.uid = Uid{uid};
  meta.internal_date = 1700000000 + uid;
  meta.size = 1000 + uid;
  meta.file_name = name.empty() ? fmt::format("2026-11-20_0930_anna@example.org_Lunch.{}.eml", uid) : std::move(name);
  return meta;
}

std::vector<std::uint32_t> visited(const MessageTable& table, std::uint32_t after = 0, std::size_t limit = SIZE_MAX) {
  std::vector<std::uint32_t> uids;
  table.visit_after(Uid{after}, limit, [&](const MessageTable::RowView& row) {
    uids.push_back(row.uid.value);
    return true;
  });
  return uids;
}

std::vector<std::uint32_t> removed_uids(WritableMessageTable& table, const UidSet& set) {
  std::vector<std::uint32_t> uids;
  for (const auto& row : table.remove(set)) uids.push_back(row.uid.value);
  return uids;
}

TEST(MessageTable, ARowIsFoundByUidWithEverythingThatWasPutIn) {
  WritableMessageTable table{default_names()};
  auto meta = message(4711);
  meta.flags.add("\\Seen");
  meta.flags.add("$Forwarded");
  meta.modseq = ModSeq{99};
  meta.size = 1ULL << 40;
  EXPECT_TRUE(table.upsert(meta, true));
  const auto found = table.find(Uid{4711});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->internal_date, meta.internal_date);
  EXPECT_EQ(found->size, meta.size);
  EXPECT_FALSE(found->size_is_exact);
  EXPECT_EQ(found->modseq, meta.modseq);
  EXPECT_EQ(found->flags, meta.flags);
  EXPECT_EQ(found->file_name, meta.file_name);
  EXPECT_FALSE(table.find(Uid{4710}));
  EXPECT_FALSE(table.find(Uid{0}));
}

TEST(MessageTable, UidZeroIsNoMessage) {
  WritableMessageTable table{default_names()};
  EXPECT_FALSE(table.upsert(message(0), true));
  EXPECT_EQ(table.size(), 0U);
}

TEST(MessageTable, ANameIsFoundInFullOnly) {
  WritableMessageTable table{default_names()};
  table.upsert(message(7), true);
  const auto full = table.find(Uid{7})->file_name;
  EXPECT_EQ(table.find_by_name(full)->uid, Uid{7});
  EXPECT_FALSE(table.find_by_name("7.eml"));
  EXPECT_FALSE(table.find_by_name("07.eml"));
  EXPECT_FALSE(table.find_by_name("2026-11-20_0930_anna@example.org_Dinner.7.eml"));
  EXPECT_FALSE(table.find_by_name(""));
}

TEST(MessageTable, RowsAreVisitedInUidOrderWhateverTheOrderOfArrival) {
  for (const bool descending : {false, true}) {
    WritableMessageTable table{default_names()};
    std::vector<std::uint32_t> expected;
    for (std::uint32_t i = 1; i <= 3000; ++i) {
      expected.push_back(i * 3);
      EXPECT_TRUE(table.upsert(message(descending ? (3001 - i) * 3 : i * 3), true));
    }
    table.set_complete(true);
    EXPECT_EQ(visited(table), expected);
    EXPECT_TRUE(table.upsert(message(1501), false)) << "a single late row";
    expected.insert(std::lower_bound(expected.begin(), expected.end(), 1501U), 1501U);
    EXPECT_EQ(visited(table), expected);
    for (const auto uid : expected) EXPECT_EQ(table.find(Uid{uid})->uid.value, uid);
  }
}

TEST(MessageTable, OnlyRowsUpToTheFrontierAreVisitedUntilComplete) {
  WritableMessageTable table{default_names()};
  table.upsert(message(5), true);
  table.upsert(message(9), false);
  EXPECT_EQ(table.frontier(), Uid{5});
  EXPECT_EQ(visited(table), (std::vector<std::uint32_t>{5}));
  EXPECT_FALSE(table.visit_after(Uid{5}, 10, [](const auto&) { return true; }).at_end);
  table.set_complete(true);
  EXPECT_EQ(visited(table), (std::vector<std::uint32_t>{5, 9}));
  EXPECT_TRUE(table.visit_after(Uid{9}, 10, [](const auto&) { return true; }).at_end);
}

TEST(MessageTable, AVisitStopsAtItsLimitAndWhenTheVisitorHasEnough) {
  WritableMessageTable table{default_names()};
  for (std::uint32_t uid = 1; uid <= 10; ++uid) table.upsert(message(uid), true);
  table.set_complete(true);
  EXPECT_EQ(visited(table, 3, 2), (std::vector<std::uint32_t>{4, 5}));
  std::size_t calls = 0;
  const auto page = table.visit_after(Uid{0}, 100, [&](const auto&) { return ++calls < 4; });
  EXPECT_EQ(page.rows, 3U) << "the refused row does not count";
  EXPECT_FALSE(page.at_end);
  EXPECT_TRUE(table.visit_after(Uid{8}, 2, [](const auto&) { return true; }).at_end);
  EXPECT_TRUE(table.visit_after(Uid{4294967295U}, 2, [](const auto&) { return true; }).at_end);
}

TEST(MessageTable, ASetOfRowsIsRemovedAndReportedWithNamesInOrder) {
  WritableMessageTable table{default_names()};
  for (std::uint32_t uid = 1; uid <= 2000; ++uid) table.upsert(message(uid), true);
  auto set = UidSet::range(Uid{600}, Uid{1900});
  set.add(Uid{5}, Uid{5});
  set.add(Uid{5000}, Uid{6000});
  const auto removed = table.remove(set);
  ASSERT_EQ(removed.size(), 1302U);
  EXPECT_EQ(removed[0].uid, Uid{5});
  EXPECT_EQ(removed[0].file_name, message(5).file_name);
  EXPECT_EQ(removed.back().uid, Uid{1900});
  EXPECT_EQ(removed.back().file_name, message(1900).file_name);
  EXPECT_EQ(table.size(), 698U);
  EXPECT_FALSE(table.find(Uid{5}));
  EXPECT_FALSE(table.find(Uid{600}));
  EXPECT_EQ(table.find(Uid{599})->file_name, message(599).file_name) << "names survive compaction";
  EXPECT_EQ(table.find(Uid{1901})->file_name, message(1901).file_name);
  EXPECT_TRUE(removed_uids(table, set).empty());
  EXPECT_TRUE(removed_uids(table, UidSet{}).empty());
  EXPECT_EQ(removed_uids(table, UidSet::range(Uid{1}, Uid{4294967295U})).size(), 698U);
  EXPECT_EQ(table.size(), 0U);
  EXPECT_TRUE(table.upsert(message(3), true)) << "an emptied table takes rows again";
  EXPECT_EQ(visited(table), (std::vector<std::uint32_t>{3}));
}

TEST(MessageTable, RemovingMostMessagesGivesMemoryBack) {
  WritableMessageTable table{default_names()};
  for (std::uint32_t uid = 1; uid <= 20000; ++uid) table.upsert(message(uid), true);
  const auto before = table.memory_bytes();
  table.remove(UidSet::range(Uid{101}, Uid{20000}));
  EXPECT_LT(table.memory_bytes(), before / 10);
}

TEST(MessageTable, UidsComeAsRuns) {
  WritableMessageTable table{default_names()};
  for (const std::uint32_t uid : {1U, 2U, 3U, 7U, 9U, 10U, 4294967295U}) table.upsert(message(uid), true);
  EXPECT_EQ(table.uids().ranges(), (std::vector<UidSet::Range>{{1, 3}, {7, 7}, {9, 10}, {4294967295U, 4294967295U}}));
}

TEST(MessageTable, FlagsChangeOnlyWhenTheyDiffer) {
  WritableMessageTable table{default_names()};
  table.upsert(message(1), true);
  const auto seen = FlagSet::parse("\\Seen $Work");
  EXPECT_TRUE(table.set_flags(Uid{1}, seen, ModSeq{5}));
  EXPECT_FALSE(table.set_flags(Uid{1}, seen, ModSeq{7}));
  EXPECT_EQ(table.find(Uid{1})->modseq, ModSeq{7});
  EXPECT_FALSE(table.set_flags(Uid{1}, seen, ModSeq{0})) << "a server without MODSEQ in an unasked FETCH";
  EXPECT_EQ(table.find(Uid{1})->modseq, ModSeq{7});
  EXPECT_EQ(table.find(Uid{1})->flags, seen);
  EXPECT_FALSE(table.set_flags(Uid{2}, seen, ModSeq{8}));
}

TEST(MessageTable, RecentIsNoChangeOfFlags) {
  WritableMessageTable table{default_names()};
  table.upsert(message(1), true);
  EXPECT_FALSE(table.set_flags(Uid{1}, FlagSet::parse("\\Recent"), ModSeq{}));
  EXPECT_TRUE(table.set_flags(Uid{1}, FlagSet::parse("\\Recent \\Seen"), ModSeq{}));
  EXPECT_EQ(table.find(Uid{1})->flags, FlagSet::parse("\\Seen"));
}

TEST(MessageTable, AHostileFloodOfKeywordsCostsBoundedMemoryAndKeepsSystemFlags) {
  WritableMessageTable table{default_names()};
  for (std::uint32_t uid = 1; uid <= 3000; ++uid) {
    auto meta = message(uid);
    meta.flags.add(std::string(10000, 'k') + std::to_string(uid));
    meta.flags.add("\\Seen");
    table.upsert(meta, true);
  }
  EXPECT_LT(table.memory_bytes(), 6U << 20);
  EXPECT_TRUE(table.find(Uid{3000})->flags.has(SystemFlag::seen));
  EXPECT_EQ(table.find(Uid{1})->flags.keywords().size(), 1U);
}

TEST(MessageTable, AnExactSizeIsNotReplacedByAServersEstimate) {
  WritableMessageTable table{default_names()};
  table.upsert(message(1), true);
  EXPECT_TRUE(table.set_exact_size(Uid{1}, 77));
  EXPECT_FALSE(table.set_exact_size(Uid{1}, 77));
  EXPECT_FALSE(table.set_exact_size(Uid{2}, 77));
  EXPECT_FALSE(table.upsert(message(1, "renamed.1.eml"), true));
  const auto found = table.find(Uid{1});
  EXPECT_EQ(found->size, 77U);
  EXPECT_TRUE(found->size_is_exact);
  EXPECT_EQ(found->file_name, "renamed.1.eml");
}

TEST(MessageTable, ResetForgetsEverythingUnderANewValidity) {
  WritableMessageTable table{default_names()};
  table.upsert(message(1), true);
  table.set_complete(true);
  table.reset(UidValidity{12});
  EXPECT_EQ(table.uid_validity(), UidValidity{12});
  EXPECT_EQ(table.size(), 0U);
  EXPECT_FALSE(table.complete());
  EXPECT_EQ(table.frontier(), Uid{0});
}

TEST(MessageTable, ALyingExistsReservesNoMemory) {
  WritableMessageTable table{default_names()};
  table.reserve(4294967295U);
  EXPECT_LT(table.memory_bytes(), 1U << 20);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define IMAPFS_HEAP_IS_GLIBC 1
#endif

TEST(MessageTable, AMessageWithANameOfSeventyBytesCostsAtMost250Bytes) {
  constexpr std::uint32_t count = 200000;
  const auto order = [](std::uint32_t i, bool descending) { return descending ? count + 1 - i : i; };
  for (const bool descending : {false, true}) {
    [[maybe_unused]] const auto before = mallinfo2();
    WritableMessageTable table{default_names()};
    for (std::uint32_t i = 1; i <= count; ++i) {
      const auto uid = order(i, descending);
      auto name = fmt::format("2026-11-20_0930_anna@example.org_{}.{:07}.eml", std::string(25, 's'), uid);
      ASSERT_EQ(name.size(), 70U);
      table.upsert(message(uid, std::move(name)), true);
    }
    const double reported = static_cast<double>(table.memory_bytes()) / count;
    EXPECT_LE(reported, 250);
    RecordProperty(descending ? "reported_descending" : "reported_ascending", std::to_string(reported));
#ifdef IMAPFS_HEAP_IS_GLIBC
    const auto after = mallinfo2();
    const double measured = static_cast<double>(after.uordblks + after.hblkhd - before.uordblks - before.hblkhd) /
                            count;
    EXPECT_LE(measured, 250);
    EXPECT_NEAR(measured, reported, 10) << "memory_bytes() tells the truth";
    std::printf("bytes per message: %.1f measured, %.1f reported\n", measured, reported);
#endif
  }
}

TEST(MessageTable, ReadersSeeWholeRowsWhileTheSyncWrites) {
  WritableMessageTable table{default_names()};
  std::atomic<bool> done{false};
  std::jthread reader([&] {
    while (!done) {
      Uid last{0};
      table.visit_after(Uid{0}, 1000, [&](const auto& row) {
        EXPECT_LT(last, row.uid);
        EXPECT_EQ(row.file_name, message(row.uid.value).file_name);
        last = row.uid;
        return true;
      });
      const auto found = table.find_by_name(message(40).file_name);
      EXPECT_TRUE(!found || found->uid == Uid{40});
    }
  });
  for (int round = 0; round < 20; ++round) {
    for (std::uint32_t uid = 1; uid <= 200; ++uid) table.upsert(message(uid), true);
    table.set_flags(Uid{40}, FlagSet::parse(round % 2 == 0 ? "\\Seen" : "$A $B"), ModSeq{});
    table.remove(UidSet::range(Uid{30}, Uid{190}));
  }
  table.reset(UidValidity{2});
  done = true;
}

}  // namespace
}  // namespace imapfs::sync

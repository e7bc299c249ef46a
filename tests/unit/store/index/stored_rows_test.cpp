#include "imapfs/store/stored_rows.hpp"

#include <gtest/gtest.h>

#include "sample_messages.hpp"

namespace imapfs::store {
namespace {

using testing::message;

std::vector<StoredMessage> all(const StoredRows& rows) {
  std::vector<StoredMessage> found;
  rows.visit([&](const StoredMessage& row) { found.push_back(row); });
  return found;
}

TEST(StoredRows, ComeBackAsTheyWereAndInOrder) {
  StoredRows rows;
  auto odd = message(7, "\\Flagged $Forwarded");
  odd.meta.size_is_exact = true;
  odd.headers = {"", std::string("a\0b", 3), std::string(8192, 'x'), ""};
  rows.add(odd);
  for (std::uint32_t uid = 1000; uid > 0; --uid) rows.add(message(uid));
  const auto found = all(rows);
  ASSERT_EQ(found.size(), 1001u);
  EXPECT_EQ(found[0].meta.uid, Uid{7});
  EXPECT_EQ(found[0].meta.flags, odd.meta.flags);
  EXPECT_TRUE(found[0].meta.size_is_exact);
  EXPECT_EQ(found[0].meta.file_name, odd.meta.file_name);
  EXPECT_EQ(found[0].headers.from, "");
  EXPECT_EQ(found[0].headers.subject, odd.headers.subject);
  EXPECT_EQ(found[0].headers.date, odd.headers.date);
  const auto expected = message(1);
  EXPECT_EQ(found[1000].meta.uid, expected.meta.uid);
  EXPECT_EQ(found[1000].meta.internal_date, expected.meta.internal_date);
  EXPECT_EQ(found[1000].meta.size, expected.meta.size);
  EXPECT_FALSE(found[1000].meta.size_is_exact);
  EXPECT_EQ(found[1000].meta.modseq, expected.meta.modseq);
  EXPECT_EQ(found[1000].meta.file_name, expected.meta.file_name);
  EXPECT_EQ(found[1000].headers.message_id, expected.headers.message_id);
}

TEST(StoredRows, AreLostOnlyIfTheirUidIsRemoved) {
  StoredRows rows;
  for (std::uint32_t uid = 1; uid <= 5; ++uid) rows.add(message(uid));
  rows.remove(UidSet::range(Uid{2}, Uid{4}));
  const auto found = all(rows);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[1].meta.file_name, message(5).meta.file_name);
}

TEST(StoredRows, OneRowCostsLittleAndManyCostTheirText) {
  StoredRows one;
  one.add(message(1));
  EXPECT_LT(one.memory_bytes(), 2000u);
  StoredRows many;
  for (std::uint32_t uid = 1; uid <= 10'000; ++uid) many.add(message(uid));
  EXPECT_LT(many.memory_bytes(), 10'000u * 300);
}

}  // namespace
}  // namespace imapfs::store

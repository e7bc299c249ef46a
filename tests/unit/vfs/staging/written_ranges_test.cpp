#include "vfs/staging/written_ranges.hpp"

#include <gtest/gtest.h>

namespace imapfs::vfs {
namespace {

TEST(WrittenRanges, AreWholeWhateverTheOrder) {
  WrittenRanges ranges;
  EXPECT_FALSE(ranges.first_hole(0));
  ranges.add(20, 10);
  EXPECT_EQ(ranges.first_hole(30), 0u);
  ranges.add(0, 10);
  EXPECT_EQ(ranges.first_hole(30), 10u);
  ranges.add(12, 4);
  ranges.add(8, 6);
  EXPECT_EQ(ranges.first_hole(30), 16u);
  ranges.add(16, 4);
  EXPECT_FALSE(ranges.first_hole(30));
  EXPECT_EQ(ranges.first_hole(31), 30u);
}

TEST(WrittenRanges, MayOverlapAndHoldEachOther) {
  WrittenRanges ranges;
  ranges.add(10, 10);
  ranges.add(12, 2);
  ranges.add(5, 30);
  ranges.add(0, 5);
  EXPECT_FALSE(ranges.first_hole(35));
  ranges.add(40, 0);
  EXPECT_EQ(ranges.first_hole(40), 35u);
}

TEST(WrittenRanges, EndWhereTheFileIsCut) {
  WrittenRanges ranges(30);
  ranges.cut(10);
  EXPECT_FALSE(ranges.first_hole(10));
  EXPECT_EQ(ranges.first_hole(30), 10u) << "what was cut off and is there again is empty";
  ranges.cut(0);
  EXPECT_EQ(ranges.first_hole(1), 0u);
}

}  // namespace
}  // namespace imapfs::vfs

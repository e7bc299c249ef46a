#include <gtest/gtest.h>

#include "imapfs/model/types.hpp"

namespace imapfs {
namespace {

TEST(FlagSet, SystemFlagsAreKnownInAnyCase) {
  FlagSet flags;
  flags.add("\\sEEn");
  flags.add("\\FLAGGED");
  EXPECT_TRUE(flags.has(SystemFlag::seen));
  EXPECT_TRUE(flags.has("\\Flagged"));
  EXPECT_FALSE(flags.has(SystemFlag::deleted));
  EXPECT_TRUE(flags.keywords().empty());
  EXPECT_EQ(flags.to_string(), "\\Flagged \\Seen");
}

TEST(FlagSet, KeywordsAreSortedUniqueWithoutCaseAndSpelledAsFirstReceived) {
  FlagSet flags;
  flags.add("$MDNSent");
  flags.add("$forwarded");
  flags.add("$Forwarded");
  EXPECT_EQ(flags.keywords(), (std::vector<std::string>{"$forwarded", "$MDNSent"}));
  EXPECT_TRUE(flags.has("$FORWARDED"));
  EXPECT_FALSE(flags.has("$For"));
}

TEST(FlagSet, TheOrderOfAddingMakesNoDifference) {
  FlagSet one;
  one.add("b");
  one.add("\\Seen");
  one.add("a");
  FlagSet other;
  other.add("a");
  other.add("b");
  other.add(SystemFlag::seen);
  EXPECT_EQ(one, other);
}

TEST(FlagSet, RemovedFlagsAreGone) {
  FlagSet flags = FlagSet::parse("\\Seen \\Deleted Work play");
  flags.remove("\\deleted");
  flags.remove("WORK");
  flags.remove("never-there");
  EXPECT_EQ(flags.to_string(), "\\Seen play");
  flags.remove("\\Seen");
  flags.remove("play");
  EXPECT_EQ(flags, FlagSet());
}

TEST(FlagSet, AnEmptyNameIsIgnored) {
  FlagSet flags;
  flags.add("");
  flags.remove("");
  EXPECT_FALSE(flags.has(""));
  EXPECT_EQ(flags, FlagSet());
}

TEST(FlagSet, RecentIsKnownButNotWritten) {
  FlagSet flags;
  flags.add("\\recent");
  EXPECT_TRUE(flags.has(SystemFlag::recent));
  EXPECT_EQ(flags.to_string(), "");
}

TEST(FlagSet, UnknownBackslashFlagsAreKeptAsReceived) {
  EXPECT_EQ(FlagSet::parse("\\Important \\Seen").to_string(), "\\Seen \\Important");
}

TEST(FlagSet, ParseReversesToString) {
  const FlagSet flags = FlagSet::parse(" $Junk\t\\Seen\r\n\\Answered  NonJunk \\Draft");
  EXPECT_EQ(flags.to_string(), "\\Answered \\Draft \\Seen $Junk NonJunk");
  EXPECT_EQ(FlagSet::parse(flags.to_string()), flags);
  EXPECT_EQ(FlagSet::parse(""), FlagSet());
  EXPECT_EQ(FlagSet::parse("  \t "), FlagSet());
}

TEST(FlagSet, NonAsciiBytesInKeywordsCompareExactly) {
  FlagSet flags;
  flags.add("\xc4");
  EXPECT_TRUE(flags.has("\xc4"));
  EXPECT_FALSE(flags.has("\xe4"));
}

}  // namespace
}  // namespace imapfs

#include "imap/wire/response_values.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "imap/login/etpan_guard.hpp"
#include "imap/wire/command_line.hpp"

namespace imapfs::imap::test {
namespace {

TEST(InternalDate, IsReadWithItsZone) {
  EXPECT_EQ(parse_internal_date("17-Jul-1996 02:44:25 -0700"), 837596665);
  EXPECT_EQ(parse_internal_date(" 1-Jan-1970 01:00:00 +0100"), 0);
  EXPECT_EQ(parse_internal_date("1-jan-1970 00:00:00 +0000"), 0);
  EXPECT_EQ(parse_internal_date("31-Dec-2200 23:59:59 +0000"), 7289654399);
  EXPECT_EQ(parse_internal_date("29-Feb-2024 12:00:00 +0000"), 1709208000);
}

TEST(InternalDate, IsWrittenInUtcWithASpaceBeforeASingleDigit) {
  EXPECT_EQ(format_internal_date(837596665), "17-Jul-1996 09:44:25 +0000");
  EXPECT_EQ(format_internal_date(0), " 1-Jan-1970 00:00:00 +0000");
  EXPECT_EQ(format_internal_date(-1), "31-Dec-1969 23:59:59 +0000");
  EXPECT_EQ(format_internal_date(253402300799), "31-Dec-9999 23:59:59 +0000");
  for (const auto time : std::vector<UnixTime>{0, 951782400, 1709208000}) {
    EXPECT_EQ(parse_internal_date(*format_internal_date(time)), time);
  }
}

TEST(InternalDate, OfAYearThatHasNotFourDigitsIsNotWritten) {
  EXPECT_FALSE(format_internal_date(253402300800));
  EXPECT_FALSE(format_internal_date(-62167219201));
  EXPECT_FALSE(format_internal_date(std::numeric_limits<UnixTime>::max()));
  EXPECT_FALSE(format_internal_date(std::numeric_limits<UnixTime>::min()));
}

TEST(Atom, IsWhatAKeywordMayBe) {
  for (const auto* text : {"$Forwarded", "Junk", "a-b_c.d", "x!#&'+,/:;<=>?@[^`|}~"})
    EXPECT_TRUE(is_atom(text)) << text;
  for (const auto* text : {"", "a b", "a]", "(", ")", "{", "%", "*", "\"", "\\", "a\r\nb", "\x7f", "\xC3\xA4"}) {
    EXPECT_FALSE(is_atom(text)) << text;
  }
}

TEST(InternalDate, WhatIsNoDateIsAbsent) {
  for (const auto* text :
       {"", "x", "30-Feb-2026 00:00:00 +0000", "1-Foo-2026 00:00:00 +0000", "1-Jan-2026", "1-Jan-2026 99:00:00 +0000",
        "1-Jan-2026 00:61:00 +0000", "-1-Jan-2026 00:00:00 +0000", "32-Jan-2026 00:00:00 +0000"}) {
    EXPECT_FALSE(parse_internal_date(text)) << text;
  }
}

TEST(InternalDate, ThatCannotBeMeantIsAbsent) {
  for (const auto* text : {"31-Dec-1969 23:59:59 +0000", "30-Dec-1899 00:00:00 +0000", " 1-Jan-0001 00:00:00 +0000",
                           " 1-Jan-2201 00:00:00 +0000", "31-Dec-9999 23:59:59 +0000", " 1-Jan-1970 00:30:00 +0100"}) {
    EXPECT_FALSE(parse_internal_date(text)) << text;
  }
}

TEST(Keywords, AreBoundedInOctetsWhateverTheirNumber) {
  const std::string keyword(4000, 'k');
  std::string text = "(";
  for (int i = 0; i < 100; ++i) text += keyword + std::to_string(i) + ' ';
  bool wildcard = false;
  std::size_t octets = 0;
  const auto flags = parse_flag_text(text + "\\Seen)", wildcard);
  for (const auto& kept : flags.keywords()) octets += kept.size();
  EXPECT_GT(octets, 4000u);
  EXPECT_LE(octets, 16u * 1024);
}

TEST(UidCollector, HoldsWhatComesInAnyOrderAndNoMoreThanItsBound) {
  UidCollector uids;
  for (const std::uint32_t uid : {9u, 3u, 4u, 1u}) ASSERT_TRUE(uids.add(uid, uid));
  ASSERT_TRUE(uids.add(20, 10));
  EXPECT_EQ(uids.take().to_string(), "1,3:4,9:20");
  EXPECT_TRUE(uids.take().empty());
  std::uint32_t next = UINT32_MAX;
  while (next > 1 && uids.add(next, next)) next -= 2;
  EXPECT_GT(next, 1u) << "a descending answer must have an end";
}

TEST(InternalDate, AMissingOrBadZoneIsUtc) {
  EXPECT_EQ(parse_internal_date("1-Jan-1970 00:00:05"), 5);
  EXPECT_EQ(parse_internal_date("1-Jan-1970 00:00:05 CET"), 5);
}

TEST(StatusText, IsCutIntoCodeDataAndText) {
  const auto answer = parse_status_text(Answer::Kind::no, "[copyuid 1 2:3 4:5] Moved");
  EXPECT_EQ(answer.code, "COPYUID");
  EXPECT_EQ(answer.code_data, "1 2:3 4:5");
  EXPECT_EQ(answer.text, "Moved");
  EXPECT_EQ(parse_status_text(Answer::Kind::ok, "[PERMANENTFLAGS (a]b \\*)] x").code_data, "(a]b \\*)");
  EXPECT_EQ(parse_status_text(Answer::Kind::ok, "[ALERT").code, "ALERT");
  EXPECT_EQ(parse_status_text(Answer::Kind::ok, "[PERMANENTFLAGS (] x").code_data, "(");
  EXPECT_TRUE(parse_status_text(Answer::Kind::ok, "").code.empty());
}

TEST(CapabilityWords, KeepOnlyWhatACapabilityCanBe) {
  const auto words = parse_capability_words(" IMAP4rev1  auth=plain X\x01Y (bad) LITERAL+ ");
  EXPECT_EQ(words, (std::set<std::string>{"IMAP4REV1", "AUTH=PLAIN", "LITERAL+"}));
}

TEST(CommandLine, QuotesEscapesAndUsesLiteralsForEightBits) {
  CommandLine line("STATUS");
  line.string("a\"b\\c").string("\xc3\xbc").word("(X)");
  EXPECT_EQ(line.pieces(), (std::vector<std::string>{"STATUS \"a\\\"b\\\\c\" ", "\xc3\xbc", " (X)"}));
  CommandLine utf8("STATUS", true);
  utf8.string("\xc3\xbc");
  EXPECT_EQ(utf8.pieces().front(), "STATUS \"\xc3\xbc\"");
}

TEST(CommandLine, RefusesLineBreaksAndNulsEverywhere) {
  EXPECT_FALSE(CommandLine("X").string("a\rb").check());
  EXPECT_FALSE(CommandLine("X").word("a\nb").check());
  EXPECT_FALSE(CommandLine("X").string(std::string("\xc3\0", 2)).check());
  EXPECT_TRUE(CommandLine("X").string("fine").check());
}

TEST(EtpanGuard, LetsOrdinaryResponsesPass) {
  EXPECT_TRUE(harmless("* NAMESPACE ((\"\" \"/\")) NIL ((\"a(b\" \"/\"))"));
  EXPECT_TRUE(harmless("* ID (\"name\" \"12345678901234567890\")"));
}

TEST(EtpanGuard, StopsWhatCrashesLibetpan) {
  EXPECT_FALSE(harmless("* ID (" + std::string(20'000, '(') + std::string(20'000, ')') + ")"));
  EXPECT_FALSE(harmless("* NAMESPACE (("));
  EXPECT_FALSE(harmless("* NAMESPACE )"));
  EXPECT_FALSE(harmless("* ID (\"open)"));
  EXPECT_FALSE(harmless("* QUOTA x (STORAGE 4294967296 1)"));
  EXPECT_FALSE(harmless(std::string("* ID (\"a\0b\")", 11)));
  EXPECT_FALSE(harmless("* ID " + std::string(max_guarded_response, 'x')));
}

}  // namespace
}  // namespace imapfs::imap::test

#include "imapfs/mime/header_decode.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace imapfs::mime {
namespace {

using namespace std::string_literals;

std::string repeated(std::string_view text, std::size_t bytes) {
  std::string result;
  while (result.size() < bytes) result += text;
  return result;
}

TEST(ToUtf8, KeepsValidTextAndBringsItToNfc) {
  EXPECT_EQ(to_utf8("plain"), "plain");
  EXPECT_EQ(to_utf8("Mu\xcc\x88ller"), "M\xc3\xbcller");
  EXPECT_EQ(to_utf8("日本語 😀"), "日本語 😀");
}

TEST(ToUtf8, ReadsOtherBytesAsWindows1252) {
  EXPECT_EQ(to_utf8("M\xfcller \x93hi\x94 \x80"), "Müller “hi” €");
  EXPECT_EQ(to_utf8("\x81\xff"), "\xef\xbf\xbdÿ");
}

TEST(ToUtf8, MixesBothWithinOneText) { EXPECT_EQ(to_utf8("ü \xfc 日\xe6"), "ü ü 日æ"); }

TEST(ToUtf8, RefusesSurrogatesOverlongFormsAndNul) {
  EXPECT_EQ(to_utf8("\xed\xa0\x80"), "í\xc2\xa0€");
  EXPECT_EQ(to_utf8("\xc0\xaf"), "À¯");
  EXPECT_EQ(to_utf8("\xf5\x80\x80\x80"), "õ€€€");
  EXPECT_EQ(to_utf8("a\0b"s),
            "a\xef\xbf\xbd"
            "b");
}

TEST(ToUtf8, CutsEndlessRunsOfCombiningMarksInsteadOfSortingThem) {
  const auto started = std::chrono::steady_clock::now();
  const std::string text = to_utf8("a" + repeated("\xcc\x81\xcc\x96", 1 << 20) + "b");
  EXPECT_LT(text.size(), 100u);
  EXPECT_TRUE(text.ends_with("b"));
  EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(20));
}

TEST(DecodeText, LeavesPlainTextAlone) {
  EXPECT_EQ(decode_text("Lunch on Friday?"), "Lunch on Friday?");
  EXPECT_EQ(decode_text("  padded \r\n"), "padded");
  EXPECT_EQ(decode_text(""), "");
}

TEST(DecodeText, DecodesEncodedWords) {
  EXPECT_EQ(decode_text("=?utf-8?Q?M=C3=BCller?="), "Müller");
  EXPECT_EQ(decode_text("=?iso-8859-1?q?caf=E9?= at =?UTF-8?B?4pyT?="), "café at ✓");
  EXPECT_EQ(decode_text("=?iso-2022-jp?B?GyRCRnxLXBsoQg==?="), "日本");
  EXPECT_EQ(decode_text("=?gb2312?B?xOO6ww==?="), "你好");
}

TEST(DecodeText, JoinsNeighbouringWordsAlsoWhenACharacterIsSplitBetweenThem) {
  EXPECT_EQ(decode_text("=?utf-8?Q?a?=\r\n =?utf-8?Q?b?="), "ab");
  EXPECT_EQ(decode_text("=?utf-8?B?w?= =?utf-8?B?7w==?="), "ü");
}

TEST(DecodeText, UnfoldsAndNeverHasLineEnds) {
  EXPECT_EQ(decode_text("one\r\n two\n\tthree"), "one two three");
  EXPECT_EQ(decode_text("=?utf-8?Q?one=0D=0ABcc:_x?="), "one  Bcc: x");
  EXPECT_EQ(decode_text("a\rb"), "a b");
}

TEST(DecodeText, GuessesRaw8BitBytes) {
  EXPECT_EQ(decode_text("M\xfcller"), "Müller");
  EXPECT_EQ(decode_text("Müller =?utf-8?Q?=C3=BC?="), "Müller ü");
}

TEST(DecodeText, KeepsWhatIsNoEncodedWord) {
  EXPECT_EQ(decode_text("=?utf-8?Q?open"), "=?utf-8?Q?open");
  EXPECT_EQ(decode_text("=?utf-8?X?b?="), "=?utf-8?X?b?=");
}

TEST(DecodeText, NeverShowsControls) {
  const std::string replacement = "\xef\xbf\xbd";
  EXPECT_EQ(decode_text("a\x1b[31mred"), "a" + replacement + "[31mred");
  EXPECT_EQ(decode_text("=?utf-8?Q?a=1B[31m?="), "a" + replacement + "[31m");
  EXPECT_EQ(decode_text("=?utf-8?Q?a=C2=9B1m?="), "a" + replacement + "1m");
  EXPECT_EQ(decode_text("a\0b"s), "a" + replacement + "b");
}

TEST(DecodeText, SurvivesUnknownCharsetsAndLoneSurrogates) {
  EXPECT_EQ(decode_text("=?x-unknown?Q?abc?="), "abc");
  EXPECT_EQ(decode_text("=?utf-8?Q?M=FCller?=").substr(0, 1), "M");
  for (const auto* word :
       {"=?utf-16?B?2AA=?=", "=?utf-8?Q?=ED=A0=80?=", "=?../../etc?Q?a=FF?=", "=?utf-16be?B?2AAAQQ==?="}) {
    const std::string text = decode_text(word);
    EXPECT_EQ(to_utf8(text), text) << word;
  }
}

TEST(DecodeText, IsBoundedForHugeFields) {
  for (const auto* piece : {"=?utf-8?Q?a?= ", "=?", "=?utf-8?B?w?=", "word ", "\r\n ", "\xcc\x81"}) {
    const std::string text = decode_text("x" + repeated(piece, 1 << 20));
    EXPECT_LE(text.size(), 2u * 65536) << piece;
    EXPECT_EQ(to_utf8(text), text) << piece;
  }
}

TEST(FirstAddress, TakesTheAddressWithoutTheName) {
  EXPECT_EQ(first_address("anna@example.org"), "anna@example.org");
  EXPECT_EQ(first_address("Anna Mueller <anna@example.org>"), "anna@example.org");
  EXPECT_EQ(first_address("\"Müller, Anna\" <anna@example.org>, bob@example.org"), "anna@example.org");
  EXPECT_EQ(first_address("=?utf-8?Q?M=C3=BCller?=\r\n <anna@example.org>"), "anna@example.org");
  EXPECT_EQ(first_address("(comment) anna@example.org (Anna)"), "anna@example.org");
  EXPECT_EQ(first_address("\"<fake@example.net>\" <anna@example.org>"), "anna@example.org");
  EXPECT_EQ(first_address("<anna@example.org>"), "anna@example.org");
}

TEST(FirstAddress, EntersGroups) {
  EXPECT_EQ(first_address("Friends: anna@example.org, bob@example.org;"), "anna@example.org");
  EXPECT_EQ(first_address("outer: inner: anna@example.org;;"), "anna@example.org");
  EXPECT_EQ(first_address("undisclosed-recipients:;"), "");
}

TEST(FirstAddress, FallsBackToTheDisplayName) {
  EXPECT_EQ(first_address("Anna"), "Anna");
  EXPECT_EQ(first_address("=?utf-8?Q?M=C3=BCller?="), "Müller");
  EXPECT_EQ(first_address("anna at example.org"), "anna at example.org");
  EXPECT_EQ(first_address(""), "");
  EXPECT_EQ(first_address("<>"), "");
}

TEST(FirstAddress, ReadsWhatStrictParsersRefuse) {
  EXPECT_EQ(first_address("Anna [home] <anna@example.org>"), "anna@example.org");
  EXPECT_EQ(first_address("Anna <anna@example.org"), "anna@example.org");
  EXPECT_EQ(first_address("M\xfcller <anna@example.org>"), "anna@example.org");
}

TEST(FirstAddress, ReadsWhatGMimeWouldLeakOn) {
  EXPECT_EQ(first_address("Anna <anna@[127.0.0.1]> (at home"), "anna@[127.0.0.1]");
  EXPECT_EQ(first_address("anna@[127.0.0.1]"), "anna@[127.0.0.1]");
  EXPECT_EQ(first_address("\"[list] Anna (via x)\" <anna@example.org>"), "anna@example.org");
}

TEST(DecodeAddresses, WritesAllForPeople) {
  EXPECT_EQ(decode_addresses("=?utf-8?Q?Anna_M=C3=BCller?= <anna@example.org>, bob@example.org"),
            "Anna Müller <anna@example.org>, bob@example.org");
  EXPECT_EQ(decode_addresses("Friends: a@example.org, B <b@example.org>;"), "a@example.org, B <b@example.org>");
  EXPECT_EQ(decode_addresses("\"Mueller, Anna\" <anna@example.org>"), "\"Mueller, Anna\" <anna@example.org>");
  EXPECT_EQ(decode_addresses("Anna"), "Anna");
  EXPECT_EQ(decode_addresses(""), "");
}

TEST(DecodeAddresses, IsBoundedForHostileFields) {
  for (const auto* piece : {"a:", ":;", "<", "(", "\"a", "a@b,", "@", ",", "\\", "=?utf-8?Q?a@b?= <", "()", "["}) {
    const std::string field = repeated(piece, 1 << 18);
    const std::string text = decode_addresses(field);
    EXPECT_EQ(to_utf8(text), text) << piece;
    const std::string address = first_address(field);
    EXPECT_EQ(to_utf8(address), address) << piece;
  }
}

TEST(ParseDate, ReadsTheFormsOfMail) {
  EXPECT_EQ(parse_date("Fri, 20 Nov 2026 09:30:00 +0100"), 1795163400);
  EXPECT_EQ(parse_date(" 20 Nov 2026 09:30:00 GMT (comment)"), 1795167000);
  EXPECT_EQ(parse_date("Thu, 1 Jan 1970 00:00:00 +0000"), 0);
}

TEST(ParseDate, GivesNothingForGarbage) {
  for (const auto* text :
       {"", "yesterday", "Fri, 99 Nov 2026 99:30:00 +9999", "31 Feb 2026 00:00:00 +0000", "\xff\xff"}) {
    EXPECT_FALSE(parse_date(text)) << text;
  }
}

constexpr std::string_view block =
    "Received: from x\r\n\tby y; Subject: not this\r\nSUBJECT : one\r\n two\r\nFrom: a@example.org\nsubject: second\r\n"
    "Empty:\r\nLast: end\r\n\r\nTo: in the body\r\n";

TEST(FindField, FindsTheFirstInAnyCaseWithItsFolds) {
  EXPECT_EQ(find_field(block, "Subject"), " one\r\n two");
  EXPECT_EQ(find_field(block, "from"), " a@example.org");
  EXPECT_EQ(find_field(block, "empty"), "");
  EXPECT_EQ(find_field("X: y", "x"), " y");
}

TEST(FindField, StopsAtTheEndOfTheHeader) {
  EXPECT_FALSE(find_field(block, "To"));
  EXPECT_FALSE(find_field(block, "Sub"));
  EXPECT_FALSE(find_field(block, "one"));
  EXPECT_FALSE(find_field("", "Subject"));
  EXPECT_FALSE(find_field("no colon\r\n", "no"));
  EXPECT_FALSE(find_field(":\r\n", ""));
}

TEST(ListedFields, AreTheFirstOfEachNameAsFindFieldGivesThem) {
  constexpr std::string_view header =
      "DATE: today\r\nfrom : a@b\r\n <c>\r\nX-From: no\r\nSubject:\r\n\tfolded\r\n line\r\nFrom: second\r\nmessage-id: <1@b>\r\n\r\n"
      "To: in the body\r\n";
  const auto fields = listed_fields(header);
  EXPECT_EQ(fields.from, find_field(header, "From"));
  EXPECT_EQ(fields.subject, find_field(header, "Subject"));
  EXPECT_EQ(fields.date, find_field(header, "Date"));
  EXPECT_EQ(fields.message_id, find_field(header, "Message-ID"));
  EXPECT_EQ(fields.to, "");
  EXPECT_EQ(fields.from, " a@b\r\n <c>");
}

TEST(DecodeListingHeaders, DecodesTheFourFields) {
  const auto headers = decode_listing_headers(
      "Date: Fri, 20 Nov 2026 09:30:00 +0100\r\nFrom: =?utf-8?Q?M=C3=BCller?= <m@example.org>\r\n"
      "Subject: =?utf-8?Q?Caf=C3=A9?=\r\n =?utf-8?Q?_at_5?=\r\nMessage-ID: <1@example.org>\r\n\r\n");
  EXPECT_EQ(headers.from, "Müller <m@example.org>");
  EXPECT_EQ(headers.subject, "Café at 5");
  EXPECT_EQ(headers.date, "Fri, 20 Nov 2026 09:30:00 +0100");
  EXPECT_EQ(headers.message_id, "<1@example.org>");
}

TEST(DecodeListingHeaders, AbsentFieldsAreEmpty) {
  const auto headers = decode_listing_headers("\r\n");
  EXPECT_EQ(headers.from + headers.subject + headers.date + headers.message_id, "");
}

TEST(HeaderDecode, WorksFromManyThreadsAtOnce) {
  std::vector<std::jthread> threads;
  std::vector<std::string> results(4);
  for (auto& result : results) {
    threads.emplace_back([&result] {
      for (int i = 0; i < 200; ++i)
        result = decode_text("=?iso-8859-1?Q?=E9?= =?koi8-r?B?8A==?=") + first_address("\"x\" <a@b.c>");
    });
  }
  threads.clear();
  for (const auto& result : results) EXPECT_EQ(result, "éПa@b.c");
}

}  // namespace
}  // namespace imapfs::mime

#include "imapfs/mime/header_decode.hpp"
#include "support/parameter_names.hpp"

#include <fmt/format.h>
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

struct RawSubject {
  const char* charset;
  const char* octets;
  const char* text;
};
void PrintTo(const RawSubject& subject, std::ostream* stream) { *stream << subject.charset << ' ' << subject.text; }

class RawText : public ::testing::TestWithParam<RawSubject> {};

TEST_P(RawText, IsReadByAGuessWhereNothingSaysItsCharset) {
  EXPECT_EQ(decode_text(GetParam().octets), GetParam().text);
}

TEST_P(RawText, IsReadInTheCharsetOfItsContentType) {
  const auto block = fmt::format("Subject: {}\r\nContent-Type: text/plain;\r\n Charset=\"{}\"\r\n\r\n",
                                 GetParam().octets, GetParam().charset);
  EXPECT_EQ(decode_listing_headers(block).subject, GetParam().text);
}

INSTANTIATE_TEST_SUITE_P(
    Subjects, RawText,
    ::testing::Values(
        RawSubject{"GBK", "\xb9\xd8\xd3\xda\xd5\xd9\xbf\xaa\xc4\xea\xb6\xc8\xbb\xe1\xd2\xe9\xb5\xc4\xcd\xa8\xd6\xaa",
                   "关于召开年度会议的通知"},
        RawSubject{"Big5", "\xc3\xf6\xa9\xf3\xa5\xbb\xa4\xeb\xaa\xba\xb5\x6f\xb2\xbc", "關於本月的發票"},
        RawSubject{"Shift_JIS", "\x82\xb2\x92\x8d\x95\xb6\x82\xcc\x8a\x6d\x94\x46", "ご注文の確認"},
        RawSubject{"EUC-JP", "\xa4\xb4\xc3\xed\xca\xb8\xa4\xce\xb3\xce\xc7\xa7", "ご注文の確認"},
        RawSubject{"ISO-2022-JP", "\x1b$B$4CmJ8$N3NG'\x1b(B", "ご注文の確認"},
        RawSubject{"KOI8-R", "\xf7\xd3\xd4\xd2\xc5\xde\xc1 \xd7 \xd0\xcf\xce\xc5\xc4\xc5\xcc\xd8\xce\xc9\xcb",
                   "Встреча в понедельник"},
        RawSubject{"windows-1251", "\xc2\xf1\xf2\xf0\xe5\xf7\xe0 \xe2 \xef\xee\xed\xe5\xe4\xe5\xeb\xfc\xed\xe8\xea",
                   "Встреча в понедельник"},
        RawSubject{"EUC-KR", "\xc1\xd6\xb9\xae \xc8\xae\xc0\xce \xb8\xde\xc0\xcf\xc0\xd4\xb4\xcf\xb4\xd9",
                   "주문 확인 메일입니다"},
        RawSubject{"ISO-8859-1",
                   "Gr\xfc\xdf"
                   "e aus M\xfcnchen",
                   "Grüße aus München"}),
    imapfs::testing::names_in_order({"Gbk", "Big5", "ShiftJis", "EucJp", "Iso2022Jp", "Koi8R", "Windows1251", "EucKr",
                                     "Iso88591"}));

TEST(RawTextOf, OfContentTypeCountsWhereAGuessHasTooLittle) {
  const std::string koi8 = "\xc4\xc1";  // "да"
  EXPECT_EQ(decode_listing_headers("Subject: " + koi8 + "\r\nContent-Type: text/plain; charset=koi8-r\r\n").subject,
            "да");
  EXPECT_EQ(decode_listing_headers("Subject: " + koi8 + "\r\n").subject, "ÄÁ");
}

TEST(RawTextOf, WesternTextIsNotTakenForAnother) {
  EXPECT_EQ(decode_text("\xe0 \xe9t\xe9 tr\xe8s"), "à été très");
  EXPECT_EQ(decode_text("\x93quoted\x94 \x96 text\x92s"), "“quoted” – text’s");
  EXPECT_EQ(decode_text("Sm\xf6rg\xe5s"), "Smörgås");
}

TEST(RawTextOf, DamagedUtf8StaysUtf8) { EXPECT_EQ(decode_text("日本語のメー\xe3\x83"), "日本語のメーãƒ"); }

TEST(RawTextOf, ACharsetThatDoesNotFitIsNotBelieved) {
  for (const auto* charset : {"utf-8", "us-ascii", "x-unknown", "iso-2022-jp", ""}) {
    const auto block = fmt::format(
        "Subject: Gr\xfc\xdf"
        "e\r\nContent-Type: text/plain; charset={}\r\n",
        charset);
    EXPECT_EQ(decode_listing_headers(block).subject, "Grüße") << charset;
  }
}

TEST(HeaderInUtf8, ConvertsFieldsThatNeedItAndLeavesOthersAsTheyAre) {
  std::string storage;
  const std::string plain = "Subject: a\r\nFrom: b@example.org\r\n\r\n";
  EXPECT_EQ(header_in_utf8(plain, storage).data(), plain.data()) << "nothing is copied";
  const auto mixed = header_in_utf8(
      "From: Müller\r\nSubject: \xf7\xd3\xd4\xd2\xc5\xde\xc1\r\n folded \xf7\xd3\r\nTo: c\r\n", storage);
  EXPECT_EQ(mixed, "From: Müller\r\nSubject: Встреча\r\n folded Вс\r\nTo: c\r\n");
}

TEST(DecodeText, ReadsBase64WithoutItsPaddingToTheEnd) {
  EXPECT_EQ(decode_text("=?utf-8?B?SGFsbG8?="), "Hallo");
  EXPECT_EQ(decode_text("=?utf-8?B?SGFsbG8h?="), "Hallo!");
  EXPECT_EQ(decode_text("=?utf-8?B?SGFsbA?= there"), "Hall there");
  EXPECT_EQ(decode_text("=?utf-8?B?w7w?= =?utf-8?B?w6Q?="), "üä");
  EXPECT_EQ(decode_text("=?utf-8?b?w7w?= and =?utf-8?Q?=C3=A4?="), "ü and ä");
  EXPECT_EQ(decode_addresses("=?utf-8?B?QW5uYQ?= <anna@example.org>"), "Anna <anna@example.org>");
}

TEST(DecodeText, OfBase64ThatIsSplitWithinAGroupIsPutTogether) {
  EXPECT_EQ(decode_text("=?utf-8?B?SGFsb?= =?utf-8?B?G8h?="), "Hallo!");
}

TEST(ParseDate, OfADateThatCannotBeMeantIsNothing) {
  EXPECT_FALSE(parse_date("Sat, 30 Dec 1899 00:00:00 +0000"));
  EXPECT_FALSE(parse_date("1 Jan 2300 00:00:00 +0000"));
  EXPECT_TRUE(parse_date("1 Jan 2199 00:00:00 +0000"));
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

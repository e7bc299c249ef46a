#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "imapfs/mime/header_decode.hpp"
#include "imapfs/mime/names.hpp"

namespace imapfs::mime {
namespace {

using namespace std::string_literals;

constexpr UnixTime nov_20 = 1795167000;  // 2026-11-20 09:30 UTC

std::string rendered(std::string_view subject, std::string_view from = "Anna <anna@example.org>") {
  return NameTemplate().render({Uid{4711}, nov_20, from, {}, subject, {}});
}

std::string subject_part(std::string_view subject) {
  std::string name = rendered(subject);
  const auto prefix = "2026-11-20_0930_anna@example.org_"s;
  const auto suffix = ".4711.eml"s;
  EXPECT_TRUE(name.starts_with(prefix) && name.ends_with(suffix)) << name;
  return name.substr(prefix.size(), name.size() - prefix.size() - suffix.size());
}

int error_of(std::string_view text) {
  const auto result = NameTemplate::parse(text);
  return result ? 0 : result.error().errnum;
}

TEST(MessageNames, TheDefaultReadsLikeTheManual) {
  EXPECT_EQ(rendered("Lunch on Friday?"), "2026-11-20_0930_anna@example.org_Lunch-on-Friday.4711.eml");
}

TEST(MessageNames, AbsentFieldsHaveAName) {
  EXPECT_EQ(rendered("", ""), "2026-11-20_0930_nobody_no-subject.4711.eml");
  EXPECT_EQ(rendered("???", "<>"), "2026-11-20_0930_nobody_no-subject.4711.eml");
}

TEST(MessageNames, AFromWithOnlyADisplayNameIsUsed) {
  EXPECT_EQ(rendered("x", "Anna Maria"), "2026-11-20_0930_Anna-Maria_x.4711.eml");
}

TEST(MessageNames, PathSeparatorsAndNulBecomeDashes) {
  EXPECT_EQ(subject_part("../../etc/passwd"), "etc-passwd");
  EXPECT_EQ(subject_part("a\0b"s), "a-b");
  EXPECT_EQ(subject_part("=?utf-8?Q?a=00b?="), "a-b");
}

TEST(MessageNames, TerminalsAreSafeFromControlsAndEscapeSequences) {
  EXPECT_EQ(subject_part("\x1b]0;owned\x07\x1b[2Jx"), "0-owned-2Jx");
  EXPECT_EQ(subject_part("a\xc2\x9b"
                         "b\x7f"
                         "c"),
            "a-b-c");
  EXPECT_EQ(subject_part("=?utf-8?Q?a=1B=5B31m?="), "a-31m");
}

TEST(MessageNames, BidiAndInvisibleCharactersBecomeDashes) {
  const std::vector<std::string> invisible = {
      "\u202a", "\u202b", "\u202c", "\u202d",     "\u202e",     "\u2066", "\u2067", "\u2068",    "\u2069",
      "\u200e", "\u200f", "\u061c", "\u200b",     "\u200c",     "\u200d", "\u2060", "\ufeff",    "\u2028",
      "\u2029", "\u00ad", "\u180e", "\U000e0041", "\U000e0001", "\u034f", "\u3164", "\u115f",    "\uffa0",
      "\u2800", "\u00a0", "\u3000", "\ufff9",     "\ufffd",     "\ufffe", "\ufdd0", "\U000e0100"};
  for (const auto& character : invisible) {
    EXPECT_EQ(subject_part("exe" + character + "fdp"), "exe-fdp") << std::hex << static_cast<int>(character.back());
  }
}

TEST(MessageNames, ShellLoopsAreSafe) {
  EXPECT_EQ(subject_part("a'b\"c`d"), "a-b-c-d");
  EXPECT_EQ(subject_part("*?[x]"), "x");
  EXPECT_EQ(subject_part("$(rm -rf ~) && echo; {a,b} | cat < x > y !1 #c \\n"), "rm-rf-echo-a,b-cat-x-y-1-c-n");
  EXPECT_EQ(subject_part("-rf"), "rf");
  EXPECT_EQ(subject_part("...hidden"), "hidden");
}

TEST(MessageNames, WhiteSpaceRunsBecomeOneDash) { EXPECT_EQ(subject_part("  a \t b\r\n c --- d  "), "a-b-c-d"); }

TEST(MessageNames, NoDashOrDotStandsBeforeTheNextPiece) { EXPECT_EQ(subject_part("What?! ..."), "What"); }

TEST(MessageNames, EveryScriptAndEmojiIsKept) {
  EXPECT_EQ(subject_part("Übergröße 日本語 Привет שלום مرحبا हिन्दी 😀"), "Übergröße-日本語-Привет-שלום-مرحبا-हिन्दी-😀");
  EXPECT_EQ(subject_part("“so” 50% +1 a=b x_y"), "“so”-50%-+1-a=b-x_y");
}

TEST(MessageNames, AreInNfc) {
  EXPECT_EQ(subject_part("u\xcc\x88"), "ü");
  // A mark that would join the name's own text, here '=' to U+2260, is dropped.
  const auto names = NameTemplate::parse("s={subject}.{uid}.eml");
  ASSERT_TRUE(names);
  EXPECT_EQ(names->render({Uid{1}, 0, {}, {}, "\xcc\xb8x", {}}), "s=x.1.eml");
}

TEST(MessageNames, AreAtMost200BytesCutOnACharacterBoundary) {
  for (const std::string& character : {"a"s, "ü"s, "日"s, "😀"s, "e\xcc\x81\xcc\x96"s}) {
    std::string subject;
    while (subject.size() < 10000) subject += character;
    const std::string name = rendered(subject);
    EXPECT_LE(name.size(), max_file_name_bytes);
    EXPECT_GT(name.size(), max_file_name_bytes - 6);
    EXPECT_EQ(to_utf8(name), name);
    EXPECT_TRUE(name.ends_with(".4711.eml"));
    EXPECT_TRUE(name.starts_with("2026-11-20_0930_anna@example.org_"));
  }
}

TEST(MessageNames, TheSubjectIsCutBeforeTheAddress) {
  const std::string local(100, 'x');
  const std::string name = rendered(std::string(300, 's'), local + "@example.org");
  EXPECT_NE(name.find(local + "@example.org"), std::string::npos);
  EXPECT_EQ(name.size(), max_file_name_bytes);
  const std::string longer = rendered(std::string(300, 's'), std::string(300, 'x') + "@example.org");
  EXPECT_EQ(longer.size(), max_file_name_bytes);
  EXPECT_NE(longer.find("_ssssssssssssssss."), std::string::npos);
}

TEST(MessageNames, DatesOutsideTheCalendarAreClamped) {
  const auto names = NameTemplate::parse("{date}.{uid}");
  ASSERT_TRUE(names);
  const auto at = [&](UnixTime time) { return names->render({Uid{1}, time, {}, {}, {}, {}}); };
  EXPECT_EQ(at(0), "1970-01-01_0000.1");
  EXPECT_EQ(at(-1), "1969-12-31_2359.1");
  EXPECT_EQ(at(INT64_MAX), "9999-12-31_2359.1");
  EXPECT_EQ(at(INT64_MIN), "0000-01-01_0000.1");
}

TEST(MessageNames, EveryPlaceholderIsFilled) {
  const auto names = NameTemplate::parse("{uid}_{to}_{message-id}_{from}.txt");
  ASSERT_TRUE(names);
  EXPECT_EQ(names->render({Uid{5}, 0, "a@x.org", "Bob <b@x.org>", {}, " <m/1@x.org>"}),
            "5_b@x.org_m-1@x.org_a@x.org.txt");
  EXPECT_EQ(names->render({Uid{5}, 0, {}, {}, {}, {}}), "5_nobody_no-message-id_nobody.txt");
  EXPECT_TRUE(names->uses_to());
  EXPECT_TRUE(names->needs_headers());
  EXPECT_FALSE(NameTemplate().uses_to());
}

TEST(NameTemplate, NeedsNoHeadersForNumbersAndDates) {
  EXPECT_FALSE(NameTemplate::parse("{date}.{uid}.eml")->needs_headers());
  EXPECT_FALSE(NameTemplate::parse("{uid}.eml")->needs_headers());
  EXPECT_TRUE(NameTemplate().needs_headers());
}

TEST(NameTemplate, RefusesWhatCouldNotWork) {
  EXPECT_EQ(error_of(NameTemplate::default_text), 0);
  EXPECT_EQ(error_of("{uid}"), 0);
  for (const auto* text : {"",
                           "{date}.eml",
                           "{uid}.{uid}",
                           "{nothing}{uid}.eml",
                           "{uid",
                           "uid}",
                           "a/{uid}.eml",
                           "{uid}2",
                           "2{uid}",
                           "{subject}{uid}.eml",
                           "{uid}{date}.eml",
                           ".{uid}.eml",
                           "-{uid}.eml",
                           "{uid}_{subject}",
                           "a b.{uid}.eml",
                           "{uid}\n",
                           "\xff{uid}",
                           "*{uid}",
                           "{uid}.\u202e",
                           "{date}\xcc\x81.{uid}"}) {
    EXPECT_EQ(error_of(text), EINVAL) << text;
  }
  EXPECT_EQ(error_of(std::string(195, 'a') + "{uid}"), EINVAL);
  EXPECT_EQ(error_of(std::string(190, 'a') + "{uid}"), 0);
}

TEST(NameTemplate, AnUnknownPlaceholderIsNamed) {
  const auto result = NameTemplate::parse("{sender}.{uid}.eml");
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().what.find("{sender}"), std::string::npos) << result.error().what;
}

TEST(PossibleUids, ReadsTheUidBack) {
  const NameTemplate names;
  EXPECT_EQ(names.possible_uids("2026-11-20_0930_anna@example.org_Lunch-on-Friday.4711.eml"), std::vector{Uid{4711}});
  EXPECT_EQ(names.possible_uids("x.4294967295.eml"), std::vector{Uid{4294967295}});
}

TEST(PossibleUids, FindsNoneInNamesThatCarryNone) {
  const NameTemplate names;
  for (const auto* name : {"", "eml", ".eml", "a.eml", "0.eml", "04711.eml", "4711.eml", "4294967296.eml", "x.4711.txt",
                           "4711", "+1.eml", "x.0.eml"}) {
    EXPECT_TRUE(names.possible_uids(name).empty()) << name;
  }
}

TEST(PossibleUids, TriesEveryPlaceOfAUidBetweenFields) {
  const auto names = NameTemplate::parse("{date}_{uid}_{subject}.eml");
  ASSERT_TRUE(names);
  const std::string name = names->render({Uid{77}, nov_20, {}, {}, "room 5_12_x", {}});
  const auto uids = names->possible_uids(name);
  EXPECT_NE(std::find(uids.begin(), uids.end(), Uid{77}), uids.end());
  EXPECT_LE(uids.size(), 16u);
}

TEST(PossibleUids, ContainTheUidOfEveryRenderedName) {
  std::mt19937 random(20261122);
  for (const auto* text : {"{date}_{from}_{subject}.{uid}.eml", "{uid}.eml", "{uid}", "{uid}-{subject}.eml",
                           "{subject}-{uid}", "mail-{uid}.x"}) {
    const auto names = NameTemplate::parse(text);
    ASSERT_TRUE(names) << text;
    for (int round = 0; round < 200; ++round) {
      std::string subject;
      for (int i = 0; i < 30; ++i) subject += static_cast<char>(random());
      const Uid uid{static_cast<std::uint32_t>(random() | 1)};
      const std::string name = names->render({uid, static_cast<UnixTime>(random()), subject, {}, subject, {}});
      const auto uids = names->possible_uids(name);
      ASSERT_NE(std::find(uids.begin(), uids.end(), uid), uids.end()) << name;
    }
  }
}

TEST(DistinctNames, CarryTheUidAndAreMadeByNoMessage) {
  std::mt19937 random(20261123);
  for (const auto* text : {"{date}_{from}_{subject}.{uid}.eml", "{uid}.eml", "{uid}", "{uid}+{subject}.eml",
                           "{subject}-{uid}", "mail-{uid}.x"}) {
    const auto names = NameTemplate::parse(text);
    ASSERT_TRUE(names) << text;
    for (int round = 0; round < 200; ++round) {
      std::string subject;
      for (int i = 0; i < 30; ++i) subject += static_cast<char>(random());
      const Uid uid{static_cast<std::uint32_t>(random() | 1)};
      const auto rendered = names->render({uid, static_cast<UnixTime>(random()), subject, {}, subject, {}});
      for (const std::size_t pluses : {1, 2, 7}) {
        const auto name = names->distinct(rendered, uid, pluses);
        ASSERT_TRUE(name) << rendered;
        EXPECT_NE(*name, rendered);
        const auto uids = names->possible_uids(*name);
        EXPECT_NE(std::find(uids.begin(), uids.end(), uid), uids.end()) << *name;
      }
    }
  }
}

TEST(DistinctNames, HaveAPlusForEachTimeAfterTheUid) {
  const auto names = NameTemplate::parse("{uid}.eml");
  EXPECT_EQ(names->distinct("5.eml", Uid{5}, 1), "5+.eml");
  EXPECT_EQ(names->distinct("5.eml", Uid{5}, 3), "5+++.eml");
  EXPECT_EQ(NameTemplate().distinct("2026-11-20_0930_a@b_5-x.5.eml", Uid{5}, 1), "2026-11-20_0930_a@b_5-x.5+.eml");
}

TEST(DistinctNames, AreNoLongerThanAFilesNameCanBe) {
  const auto names = NameTemplate::parse("{subject}.{uid}.eml");
  const auto longest = names->render({Uid{5}, 0, {}, {}, std::string(500, 'x'), {}});
  ASSERT_EQ(longest.size(), 200u);
  EXPECT_TRUE(names->distinct(longest, Uid{5}, 55));
  EXPECT_FALSE(names->distinct(longest, Uid{5}, 56));
}

TEST(ShortForm, IsTheBareUid) {
  EXPECT_EQ(NameTemplate::short_form(Uid{4711}), "4711.eml");
  EXPECT_EQ(NameTemplate::short_form("4711.eml"), Uid{4711});
  for (const auto* name : {"04711.eml", "0.eml", "4711", "4711.EML", "-1.eml", "4294967296.eml",
                           "99999999999999999999.eml", " 1.eml", ".eml"}) {
    EXPECT_FALSE(NameTemplate::short_form(name)) << name;
  }
}

TEST(SafeComponent, KeepsTheLimitAndFallsBack) {
  EXPECT_EQ(safe_component("日本語", 4, "x"), "日");
  EXPECT_EQ(safe_component("...", 10, "fallback"), "fallback");
  EXPECT_EQ(safe_component("", 4, "fallback"), "fall");
  EXPECT_EQ(safe_component("a-----b", 2, "x"), "a");
}

}  // namespace
}  // namespace imapfs::mime

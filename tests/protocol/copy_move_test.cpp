// UID COPY and UID MOVE: what is sent, how far COPYUID is believed, and what happens in between.
#include "change_dialogue.hpp"

namespace imapfs::imap::test {
namespace {

std::string pairs(const CopiedMessages& copied) {
  std::string text;
  for (const auto& [from, to] : copied.uids)
    text += fmt::format("{}{}>{}", text.empty() ? "" : " ", from.value, to.value);
  return text;
}

TEST(Copy, TellsWhatBecameOfEachMessage) {
  ScriptedServer server;
  open_inbox(server);
  server.answer("UID COPY 304,319:320 \"Archive\"", "", "OK [COPYUID 38505 304,319:320 3956:3958] done");
  const auto session = in_inbox(server);
  ASSERT_NE(session, nullptr);
  const auto copied = session->copy(UidSet::of({Uid{304}, Uid{319}, Uid{320}}), "Archive", patient());
  ASSERT_TRUE(copied) << copied.error().what << server.complaint();
  EXPECT_EQ(copied->uid_validity, UidValidity{38505});
  EXPECT_EQ(pairs(*copied), "304>3956 319>3957 320>3958");
}

TEST(Copy, OfNothingSendsNothing) {
  ScriptedServer server;
  open_inbox(server);
  server.answer("NOOP", "");
  const auto session = in_inbox(server);
  ASSERT_NE(session, nullptr);
  const auto copied = session->copy({}, "Archive", patient());
  ASSERT_TRUE(copied);
  EXPECT_TRUE(copied->uids.empty());
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

TEST(Copy, ALineBreakInTheDestinationIsEINVALAndNothingIsSent) {
  ScriptedServer server;
  open_inbox(server);
  server.answer("NOOP", "");
  const auto session = in_inbox(server);
  ASSERT_NE(session, nullptr);
  expect_error(error_of(session->copy(UidSet::single(Uid{1}), "A\r\nF9 LOGOUT", patient())), EINVAL, Scope::request,
               Retry::never);
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

struct CopyUidCase {
  const char* name;
  const char* untagged;
  const char* answer;
  const char* pairs;  ///< nothing: the server did not tell
};

class CopyUid : public ::testing::TestWithParam<CopyUidCase> {};

/// Of a copy of 5:8.
TEST_P(CopyUid, IsBelievedOnlyWhereItMakesSense) {
  ScriptedServer server;
  open_inbox(server);
  server.answer("UID COPY 5:8 \"Archive\"", GetParam().untagged, GetParam().answer).answer("NOOP", "");
  const auto session = in_inbox(server);
  ASSERT_NE(session, nullptr);
  const auto copied = session->copy(UidSet::range(Uid{5}, Uid{8}), "Archive", patient());
  ASSERT_TRUE(copied) << copied.error().what << server.complaint();
  EXPECT_EQ(copied->uid_validity.has_value(), GetParam().pairs != nullptr);
  EXPECT_EQ(pairs(*copied), GetParam().pairs == nullptr ? "" : GetParam().pairs);
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

const CopyUidCase copy_uid_cases[] = {
    {"Tagged", "", "OK [COPYUID 9 5:8 1:4] x", "5>1 6>2 7>3 8>4"},
    {"Untagged", "* OK [COPYUID 9 5:8 1:4] x\r\n", "OK x", "5>1 6>2 7>3 8>4"},
    {"InBothPlaces", "* OK [COPYUID 9 5:8 1:4] x\r\n", "OK [COPYUID 9 5:8 1:4] x", "5>1 6>2 7>3 8>4"},
    {"InSeveralParts", "* OK [COPYUID 9 7:8 1:2] x\r\n* OK [COPYUID 9 5:6 3:4] x\r\n", "OK x", "5>3 6>4 7>1 8>2"},
    {"InAnotherOrder", "", "OK [COPYUID 9 8,5:7 1:4] x", "5>2 6>3 7>4 8>1"},
    {"WithRangesUpsideDown", "", "OK [COPYUID 9 8:5 4:1] x", "5>1 6>2 7>3 8>4"},
    {"OfThoseThatWereLeft", "", "OK [COPYUID 9 6 1] x", "6>1"},
    {"Missing", "", "OK x", nullptr},
    {"WithoutSets", "", "OK [COPYUID 9] x", nullptr},
    {"WithOneSet", "", "OK [COPYUID 9 5:8] x", nullptr},
    {"WithThreeSets", "", "OK [COPYUID 9 5:8 1:4 1:4] x", nullptr},
    {"WithDifferentCounts", "", "OK [COPYUID 9 5:8 1:3] x", nullptr},
    {"WithMoreThanAskedFor", "", "OK [COPYUID 9 5:9 1:5] x", nullptr},
    {"OfOthersThanAskedFor", "", "OK [COPYUID 9 1:4 1:4] x", nullptr},
    {"WithHugeRanges", "", "OK [COPYUID 9 1:4294967295 1:4294967295] x", nullptr},
    {"WithAHugeDestination", "", "OK [COPYUID 9 5:8 1:4294967295] x", nullptr},
    {"WithZero", "", "OK [COPYUID 9 0 0] x", nullptr},
    {"WithAStar", "", "OK [COPYUID 9 5:* 1:*] x", nullptr},
    {"WithATrailingComma", "", "OK [COPYUID 9 5,6, 1,2,] x", nullptr},
    {"WithUidValidityZero", "", "OK [COPYUID 0 5:8 1:4] x", nullptr},
    {"WithWords", "", "OK [COPYUID nine 5:8 1:4] x", nullptr},
    {"WithOneSourceTwice", "", "OK [COPYUID 9 5,5 1,2] x", nullptr},
    {"WithOneDestinationTwice", "", "OK [COPYUID 9 5,6 1,1] x", nullptr},
    {"ThatContradictsItself", "* OK [COPYUID 9 5 1] x\r\n", "OK [COPYUID 9 5 2] x", nullptr},
    {"WithTwoUidValidities", "* OK [COPYUID 9 5 1] x\r\n", "OK [COPYUID 8 6 2] x", nullptr},
};
INSTANTIATE_TEST_SUITE_P(Copy, CopyUid, ::testing::ValuesIn(copy_uid_cases),
                         [](const auto& parameter) { return std::string(parameter.param.name); });

TEST(CopyUidFlood, OfRepetitionsIsBounded) {
  ScriptedServer server;
  open_inbox(server);
  server.expect("UID COPY").flood("* OK [COPYUID 9 5:8 1:4] x\r\n", 50'000).send("{tag} OK x\r\n");
  const auto session = in_inbox(server);
  ASSERT_NE(session, nullptr);
  const auto copied = session->copy(UidSet::range(Uid{5}, Uid{8}), "Archive", patient());
  ASSERT_TRUE(copied) << server.complaint();
  EXPECT_FALSE(copied->uid_validity);
}

// -- long sets --

UidSet sparse(std::uint32_t count) {
  std::vector<Uid> uids;
  for (std::uint32_t i = 0; i < count; ++i) uids.push_back(Uid{10'001 + 2 * i});
  return UidSet::of(std::move(uids));
}

/// Answers that many UID COPY and notes their sets.
void answer_copies(ScriptedServer& server, std::size_t commands, std::vector<std::string>& sets) {
  for (std::size_t i = 0; i < commands; ++i) {
    server.expect("UID COPY")
        .call([&server, &sets] {
          const auto line = server.received().back();
          const auto from = line.find("COPY ") + 5;
          sets.push_back(line.substr(from, line.find(" \"") - from));
        })
        .send("{tag} OK x\r\n");
  }
}

TEST(LongSets, BecomeSeveralCommandsOfASaneLengthThatCoverEverythingOnce) {
  const auto uids = sparse(10'000);  // 60,000 octets
  ScriptedServer server;
  open_inbox(server);
  std::vector<std::string> sets;
  answer_copies(server, 9, sets);
  const auto session = in_inbox(server);
  ASSERT_NE(session, nullptr);
  const auto copied = session->copy(uids, "Archive", patient());
  ASSERT_TRUE(copied) << copied.error().what << server.complaint();
  EXPECT_EQ(sets.size(), 9u);
  std::string joined;
  for (const auto& set : sets) joined += (joined.empty() ? "" : ",") + set;
  EXPECT_EQ(joined, uids.to_string());
  for (const auto& line : server.received()) EXPECT_LT(line.size(), 8000u);
}

TEST(LongSets, ResultsAreMerged) {
  const auto uids = sparse(2'000);  // two commands
  ScriptedServer server;
  open_inbox(server);
  server.answer("UID COPY 10001,", "", "OK [COPYUID 9 10001,10003 1:2] x")
      .answer("UID COPY", "", "OK [COPYUID 9 13999 3] x");
  const auto session = in_inbox(server);
  ASSERT_NE(session, nullptr);
  const auto copied = session->copy(uids, "Archive", patient());
  ASSERT_TRUE(copied) << copied.error().what << server.complaint();
  EXPECT_EQ(copied->uid_validity, UidValidity{9});
  EXPECT_EQ(pairs(*copied), "10001>1 10003>2 13999>3");
}

TEST(LongSets, WhatIsNotToldOfOnePartIsNotToldAtAll) {
  for (const auto* second : {"OK x", "OK [COPYUID 8 13999 3] another UIDVALIDITY"}) {
    ScriptedServer server;
    open_inbox(server);
    server.answer("UID COPY", "", "OK [COPYUID 9 10001,10003 1:2] x").answer("UID COPY", "", second);
    const auto session = in_inbox(server);
    ASSERT_NE(session, nullptr);
    const auto copied = session->copy(sparse(2'000), "Archive", patient());
    ASSERT_TRUE(copied) << copied.error().what << server.complaint();
    EXPECT_FALSE(copied->uid_validity);
    EXPECT_TRUE(copied->uids.empty());
  }
}

TEST(LongSets, ARefusalOfALaterPartSaysThatOthersWereCarriedOut) {
  ScriptedServer server;
  open_inbox(server);
  server.answer("UID MOVE", "", "OK x").answer("UID MOVE", "", "NO [OVERQUOTA] full").answer("NOOP", "");
  const auto session = in_inbox(server);
  ASSERT_NE(session, nullptr);
  const auto error = error_of(session->move(sparse(2'000), "Archive", patient()));
  expect_error(error, EDQUOT, Scope::request, Retry::never);
  EXPECT_NE(error.what.find("command 2 of 2, those before were carried out"), std::string::npos) << error.what;
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

TEST(LongSets, GivenUpBetweenTwoCommandsTheOutcomeIsUnknown) {
  ScriptedServer server;
  open_inbox(server);
  std::stop_source stop;
  server.expect("UID MOVE").call([&] { stop.request_stop(); }).send("{tag} OK x\r\n");
  const auto session = in_inbox(server);
  ASSERT_NE(session, nullptr);
  const auto error = error_of(session->move(sparse(2'000), "Archive", {stop.get_token(), patient().deadline}));
  EXPECT_EQ(error.errnum, EINTR) << error.what;
  EXPECT_EQ(error.scope, Scope::session);
  EXPECT_EQ(error.retry, Retry::later);
}

TEST(LongSets, SpanAtMostTwoThousandMessagesWhereTheServerFailsOnMore) {
  ScriptedServer server;
  open_inbox(server);
  server.answer("UID COPY 1:2000 ", "").answer("UID COPY 2001:4000 ", "").answer("UID COPY 4001:4500,5000 ", "");
  auto settings = account();
  settings.quirks.add.insert(Quirk::small_fetch_sets);
  const auto session = logged_in(server, settings);
  ASSERT_NE(session, nullptr);
  ASSERT_TRUE(session->select(inbox_for_writing(), patient()));
  auto uids = UidSet::range(Uid{1}, Uid{4500});
  uids.add(Uid{5000}, Uid{5000});
  EXPECT_TRUE(session->copy(uids, "A", patient())) << server.complaint();
}

// -- the view --

TEST(View, AMessageNewerThanTheSessionsViewIsLookedForFirst) {
  ScriptedServer server;
  open_inbox(server);
  server.answer("NOOP", "* 51 EXISTS\r\n")
      .answer("UID COPY 100000 ", "", "OK [COPYUID 9 100000 1] x")
      .answer("UID COPY 100000 ", "", "OK [COPYUID 9 100000 2] x");
  const auto session = in_inbox(server);
  ASSERT_NE(session, nullptr);
  NotingListener listener;
  session->set_listener(&listener);
  EXPECT_TRUE(session->copy(UidSet::single(Uid{100'000}), "A", patient())) << server.complaint();
  EXPECT_TRUE(session->copy(UidSet::single(Uid{100'000}), "A", patient())) << "once is enough" << server.complaint();
  EXPECT_EQ(listener.notes, std::vector<std::string>{"exists 51"});
}

TEST(View, AConnectionLostWhileLookingIsNotTriedAgainByItself) {
  ScriptedServer server;
  open_inbox(server);
  server.expect("NOOP").hang_up();
  const auto session = in_inbox(server);
  ASSERT_NE(session, nullptr);
  const auto error = error_of(session->copy(UidSet::single(Uid{100'000}), "A", patient()));
  EXPECT_EQ(error.scope, Scope::session);
  EXPECT_EQ(error.retry, Retry::later);
}

// -- MOVE --

TEST(Move, TellsWhereTheMessagesAreAndTheListenerThatTheyAreGone) {
  ScriptedServer server;
  open_inbox(server);
  server.answer("UID MOVE 42:43 \"Archive\"",
                "* OK [COPYUID 432432 42:43 1202:1203] x\r\n* 22 EXPUNGE\r\n* VANISHED 43\r\n* 48 EXISTS\r\n");
  const auto session = in_inbox(server);
  ASSERT_NE(session, nullptr);
  NotingListener listener;
  session->set_listener(&listener);
  const auto moved = session->move(UidSet::range(Uid{42}, Uid{43}), "Archive", patient());
  ASSERT_TRUE(moved) << moved.error().what << server.complaint();
  EXPECT_EQ(pairs(*moved), "42>1202 43>1203");
  EXPECT_EQ(listener.notes, (std::vector<std::string>{"expunge", "vanished 43", "exists 48"}));
}

TEST(Move, WithoutTheCapabilityIsEOPNOTSUPPAndNothingIsSent) {
  ScriptedServer server;
  open_inbox(server, "IMAP4rev1 UIDPLUS");
  server.answer("NOOP", "");
  const auto session = in_inbox(server);
  ASSERT_NE(session, nullptr);
  expect_error(error_of(session->move(UidSet::single(Uid{1}), "A", patient())), EOPNOTSUPP, Scope::request,
               Retry::never);
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

TEST(Move, WhereItIsBrokenIsEOPNOTSUPPAndNothingIsSent) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 MOVE UIDPLUS", "yahoo.co.jp ready").answer("SELECT", "").answer("NOOP", "");
  const auto session = in_inbox(server);
  ASSERT_NE(session, nullptr);
  expect_error(error_of(session->move(UidSet::single(Uid{1}), "A", patient())), EOPNOTSUPP, Scope::request,
               Retry::never);
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

TEST(Move, LostInBetweenHasAnUnknownOutcomeThoughPartOfItWasSeen) {
  ScriptedServer server;
  open_inbox(server);
  server.expect("UID MOVE").send("* OK [COPYUID 9 42:43 1:2] x\r\n* VANISHED 42\r\n").hang_up();
  const auto session = in_inbox(server);
  ASSERT_NE(session, nullptr);
  NotingListener listener;
  session->set_listener(&listener);
  expect_unknown_outcome(error_of(session->move(UidSet::range(Uid{42}, Uid{43}), "Archive", patient())));
  EXPECT_EQ(listener.notes, std::vector<std::string>{"vanished 42"});
}

}  // namespace
}  // namespace imapfs::imap::test

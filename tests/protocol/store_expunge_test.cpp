// UID STORE and UID EXPUNGE, and which mailbox and flags may be changed at all.
#include "change_dialogue.hpp"

namespace imapfs::imap::test {
namespace {

const auto one = UidSet::single(Uid{7});

FlagChange change(FlagChange::Kind kind, std::string_view flags) { return {kind, FlagSet::parse(flags)}; }
FlagChange adding(std::string_view flags) { return change(FlagChange::Kind::add, flags); }

/// A session in a mailbox whose PERMANENTFLAGS are `permanent`, or that has not told them.
std::unique_ptr<Session> in_mailbox_with(ScriptedServer& server, const std::string& permanent) {
  auto session = logged_in(server);
  if (!session) return nullptr;
  EXPECT_TRUE(session->select(inbox_for_writing(), patient())) << server.complaint() << permanent;
  return session;
}

void open_with_flags(ScriptedServer& server, const std::string& permanent) {
  server.log_in("IMAP4rev1 UIDPLUS")
      .answer("SELECT",
              "* OK [UIDNEXT 100] x\r\n" + (permanent.empty() ? "" : "* OK [PERMANENTFLAGS (" + permanent + ")] x\r\n"),
              "OK [READ-WRITE] x");
}

// -- what is sent --

struct StoreCase {
  const char* name;
  FlagChange::Kind kind;
  const char* flags;
  const char* sent;
};

class Store : public ::testing::TestWithParam<StoreCase> {};

TEST_P(Store, IsSentSilently) {
  ScriptedServer server;
  open_inbox(server);
  server.answer(GetParam().sent, "");
  const auto session = in_inbox(server);
  ASSERT_NE(session, nullptr);
  const auto stored = session->store_flags(UidSet::of({Uid{7}, Uid{9}}), change(GetParam().kind, GetParam().flags),
                                           patient());
  EXPECT_TRUE(stored) << (stored ? "" : stored.error().what) << server.complaint();
  EXPECT_EQ(commands_after_select(server), std::vector<std::string>{GetParam().sent});
}

const StoreCase store_cases[] = {
    {"Add", FlagChange::Kind::add, "\\Seen $Label1", "UID STORE 7,9 +FLAGS.SILENT (\\Seen $Label1)"},
    {"Remove", FlagChange::Kind::remove, "\\Deleted", "UID STORE 7,9 -FLAGS.SILENT (\\Deleted)"},
    {"Replace", FlagChange::Kind::replace, "\\Draft \\Recent", "UID STORE 7,9 FLAGS.SILENT (\\Draft)"},
    {"ReplaceByNothing", FlagChange::Kind::replace, "", "UID STORE 7,9 FLAGS.SILENT ()"},
};
INSTANTIATE_TEST_SUITE_P(Flags, Store, ::testing::ValuesIn(store_cases),
                         [](const auto& parameter) { return std::string(parameter.param.name); });

TEST(StoreFlags, AddingOrRemovingNothingSendsNothing) {
  ScriptedServer server;
  open_inbox(server);
  server.answer("NOOP", "");
  const auto session = in_inbox(server);
  ASSERT_NE(session, nullptr);
  EXPECT_TRUE(session->store_flags(one, adding(""), patient()));
  EXPECT_TRUE(session->store_flags(one, change(FlagChange::Kind::remove, "\\Recent"), patient()));
  EXPECT_TRUE(session->store_flags({}, adding("\\Seen"), patient()));
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

TEST(StoreFlags, RowsAndRemovalsThatComeGoToTheListener) {
  ScriptedServer server;
  open_inbox(server);
  server.answer("UID STORE", "* 3 FETCH (UID 7 FLAGS (\\Seen) MODSEQ (9))\r\n* VANISHED 8\r\n", "OK [MODIFIED 9] done");
  const auto session = in_inbox(server);
  ASSERT_NE(session, nullptr);
  NotingListener listener;
  session->set_listener(&listener);
  EXPECT_TRUE(session->store_flags(one, adding("\\Seen"), patient())) << server.complaint();
  EXPECT_EQ(listener.notes, (std::vector<std::string>{"fetch 7 \\Seen", "vanished 8"}));
}

TEST(StoreFlags, BehindWhichNewsHasNoEndIsAProtocolError) {
  std::string rows;
  for (int i = 0; i < 1000; ++i) rows += "* 3 FETCH (UID 7 FLAGS (\\Seen))\r\n";
  ScriptedServer server;
  open_inbox(server);
  server.expect("UID STORE").flood(rows, 1'000'000'000);
  const auto session = in_inbox(server);
  ASSERT_NE(session, nullptr);
  const auto error = error_of(session->store_flags(one, adding("\\Seen"), patient()));
  expect_error(error, EIO, Scope::session, Retry::later);
  EXPECT_NE(error.what.find("more news than there can be"), std::string::npos) << error.what;
}

TEST(StoreFlags, LostInBetweenHasAnUnknownOutcome) {
  ScriptedServer server;
  open_inbox(server);
  server.expect("UID STORE").hang_up();
  const auto session = in_inbox(server);
  ASSERT_NE(session, nullptr);
  expect_unknown_outcome(error_of(session->store_flags(one, adding("\\Seen"), patient())));
}

// -- which flags --

struct FlagCase {
  const char* name;
  const char* permanent;  ///< PERMANENTFLAGS; empty: not told
  const char* flag;
  int errnum;  ///< 0: it is sent
};

class WhichFlags : public ::testing::TestWithParam<FlagCase> {};

TEST_P(WhichFlags, AreSentAsFarAsTheServerKeepsThem) {
  ScriptedServer server;
  open_with_flags(server, GetParam().permanent);
  if (GetParam().errnum == 0) server.answer(fmt::format("UID STORE 7 +FLAGS.SILENT ({})", GetParam().flag), "");
  server.answer("NOOP", "");
  const auto session = in_mailbox_with(server, GetParam().permanent);
  ASSERT_NE(session, nullptr);
  FlagChange wanted;
  wanted.flags.add(GetParam().flag);
  const auto stored = session->store_flags(one, wanted, patient());
  EXPECT_EQ(stored ? 0 : stored.error().errnum, GetParam().errnum) << (stored ? "" : stored.error().what);
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

const FlagCase flag_cases[] = {
    {"ASystemFlagThatIsKept", "\\Seen \\Deleted", "\\Seen", 0},
    {"ASystemFlagThatIsNotKept", "\\Seen \\*", "\\Deleted", EPERM},
    {"AKeywordThatIsKept", "\\Seen $Label1", "$label1", 0},
    {"ANewKeywordWhereTheyCanBeMade", "\\Seen \\*", "Invoice", 0},
    {"ANewKeywordWhereTheyCannotBeMade", "\\Seen $Label1", "Invoice", EPERM},
    {"ANewKeywordThatIsNoAtom", "\\Seen \\*", "a]b", EINVAL},
    {"AKeywordWithABracketThatTheServerNamed", "\\Seen a]b", "a]b", 0},
    {"AKeywordWithASpace", "\\Seen \\*", "two words", EINVAL},
    {"AKeywordWithALineBreak", "\\Seen \\*", "a\r\nF9 LOGOUT", EINVAL},
    {"AKeywordWithEightBits", "\\Seen \\*", "\xC3\xA4", EINVAL},
    {"AKeywordWithAQuote", "\\Seen a\"b \\*", "a\"b", EINVAL},
    {"ANameWithABackslashOfOurs", "\\Seen \\*", "\\Strange", EPERM},
    {"ANameWithABackslashOfTheServers", "\\Seen \\Strange", "\\Strange", 0},
    {"AnythingWhereTheServerDidNotSay", "", "Invoice", 0},
    {"ASystemFlagWhereTheServerDidNotSay", "", "\\Deleted", 0},
    {"NothingIsKept", "()", "\\Seen", EPERM},
};
INSTANTIATE_TEST_SUITE_P(Flags, WhichFlags, ::testing::ValuesIn(flag_cases),
                         [](const auto& parameter) { return std::string(parameter.param.name); });

// -- which mailbox --

/// What each change of the selected mailbox gives.
/// Of the commands that change the selected mailbox; COPY does not.
std::vector<Error> errors_of_all_changes(Session& session) {
  return {error_of(session.move(one, "A", patient())), error_of(session.store_flags(one, adding("\\Seen"), patient())),
          error_of(session.expunge(one, patient()))};
}

TEST(Selection, WithoutAMailboxNothingIsSent) {
  ScriptedServer server;
  server.log_in(usual_capabilities).answer("NOOP", "");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  for (const auto& error : errors_of_all_changes(*session)) expect_error(error, EINVAL, Scope::request, Retry::never);
  expect_error(error_of(session->copy(one, "A", patient())), EINVAL, Scope::request, Retry::never);
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

TEST(Selection, AfterExamineEveryChangeIsEROFSAndNothingIsSent) {
  ScriptedServer server;
  server.log_in(usual_capabilities).answer("EXAMINE", "", "OK done").answer("NOOP", "");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  ASSERT_TRUE(session->select(inbox(), patient()));
  EXPECT_TRUE(session->selection().read_only) << "EXAMINE is, though the server did not say so";
  for (const auto& error : errors_of_all_changes(*session)) expect_error(error, EROFS, Scope::mailbox, Retry::never);
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

TEST(Selection, CopyingOutOfAReadOnlyMailboxIsNoChangeOfIt) {
  ScriptedServer server;
  server.log_in(usual_capabilities)
      .answer("EXAMINE", "", "OK done")
      .answer("NOOP", "")
      .answer("UID COPY", "", "OK [COPYUID 3 7 9] done");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  ASSERT_TRUE(session->select(inbox(), patient()));
  const auto copied = session->copy(one, "A", patient());
  ASSERT_TRUE(copied) << server.complaint();
  EXPECT_EQ(copied->uids, (std::vector<std::pair<Uid, Uid>>{{Uid{7}, Uid{9}}}));
}

TEST(Selection, WhereTheServerSelectsReadOnlyEveryChangeIsEROFS) {
  ScriptedServer server;
  server.log_in(usual_capabilities).answer("SELECT", "", "OK [READ-ONLY] done").answer("NOOP", "");
  const auto session = in_inbox(server);
  ASSERT_NE(session, nullptr);
  for (const auto& error : errors_of_all_changes(*session)) expect_error(error, EROFS, Scope::mailbox, Retry::never);
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

TEST(Selection, AMailboxThatBecomesReadOnlyIsNotChangedAnyMore) {
  ScriptedServer server;
  open_inbox(server);
  server.answer("NOOP", "* OK [READ-ONLY] your rights have changed\r\n").answer("NOOP", "");
  const auto session = in_inbox(server);
  ASSERT_NE(session, nullptr);
  EXPECT_FALSE(session->selection().read_only);
  ASSERT_TRUE(session->noop(patient()));
  for (const auto& error : errors_of_all_changes(*session)) expect_error(error, EROFS, Scope::mailbox, Retry::never);
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

TEST(Selection, OfAMailboxThatWasClosedIsGone) {
  ScriptedServer server;
  open_inbox(server);
  server.answer("NOOP", "* OK [CLOSED] the mailbox was removed\r\n").answer("NOOP", "");
  const auto session = in_inbox(server);
  ASSERT_NE(session, nullptr);
  ASSERT_TRUE(session->noop(patient()));
  EXPECT_EQ(session->selected(), "");
  for (const auto& error : errors_of_all_changes(*session)) expect_error(error, EINVAL, Scope::request, Retry::never);
  expect_error(error_of(session->copy(one, "A", patient())), EINVAL, Scope::request, Retry::never);
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

TEST(Selection, AfterASelectThatFailedIsGone) {
  ScriptedServer server;
  open_inbox(server);
  server.answer("SELECT \"INBOX\"", "", "NO [NOPERM] no");
  const auto session = in_inbox(server);
  ASSERT_NE(session, nullptr);
  EXPECT_FALSE(session->select(inbox_for_writing(), patient()));
  EXPECT_EQ(session->selected(), "");
  EXPECT_EQ(session->selection().uid_validity, std::nullopt);
  EXPECT_TRUE(session->selection().permanent_flags.to_string().empty());
}

TEST(Selection, IsWhatTheLastSelectSaid) {
  ScriptedServer server;
  server.log_in(usual_capabilities)
      .answer("EXAMINE", "* 9 EXISTS\r\n", "OK [READ-ONLY] x")
      .answer("SELECT", "* OK [CLOSED] x\r\n* 3 EXISTS\r\n* OK [UIDVALIDITY 5] x\r\n", "OK [READ-WRITE] x");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  ASSERT_TRUE(session->select(inbox(), patient()));
  ASSERT_TRUE(session->select(inbox_for_writing(), patient())) << server.complaint();
  EXPECT_EQ(session->selected(), "INBOX");
  EXPECT_FALSE(session->selection().read_only);
  EXPECT_EQ(session->selection().messages, 3u);
  EXPECT_EQ(session->selection().uid_validity, UidValidity{5});
}

TEST(Selection, ReadWriteWithQresyncDeliversWhatChanged) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 ENABLE CONDSTORE QRESYNC UIDPLUS")
      .answer("SELECT \"INBOX\" (QRESYNC (67 20))",
              "* 10 EXISTS\r\n* OK [UIDVALIDITY 67] x\r\n* OK [HIGHESTMODSEQ 30] x\r\n* VANISHED (EARLIER) 2,4:6\r\n"
              "* 9 FETCH (UID 8 FLAGS (\\Seen) MODSEQ (29))\r\n",
              "OK [READ-WRITE] x");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  auto request = inbox_for_writing();
  request.qresync = QresyncState{UidValidity{67}, ModSeq{20}};
  std::string gone;
  std::vector<std::uint32_t> rows;
  request.vanished = [&](const UidSet& uids) { gone += uids.to_string(); };
  request.rows = [&](const FetchRow& row) { rows.push_back(row.uid.value); };
  const auto selected = session->select(request, patient());
  ASSERT_TRUE(selected) << server.complaint();
  EXPECT_TRUE(selected->qresync_applied);
  EXPECT_FALSE(selected->read_only);
  EXPECT_EQ(gone, "2,4:6");
  EXPECT_EQ(rows, std::vector<std::uint32_t>{8});
}

// -- UID EXPUNGE --

TEST(Expunge, NamesTheMessagesAndTellsTheListener) {
  ScriptedServer server;
  open_inbox(server);
  server.answer("UID EXPUNGE 7", "* VANISHED 7\r\n");
  const auto session = in_inbox(server);
  ASSERT_NE(session, nullptr);
  NotingListener listener;
  session->set_listener(&listener);
  EXPECT_TRUE(session->expunge(one, patient())) << server.complaint();
  EXPECT_EQ(listener.notes, std::vector<std::string>{"vanished 7"});
}

TEST(Expunge, WithoutUidplusIsEOPNOTSUPPAndNothingIsSent) {
  ScriptedServer server;
  open_inbox(server, "IMAP4rev1 MOVE");
  server.answer("NOOP", "");
  const auto session = in_inbox(server);
  ASSERT_NE(session, nullptr);
  expect_error(error_of(session->expunge(one, patient())), EOPNOTSUPP, Scope::request, Retry::never);
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

TEST(Expunge, OfNothingSendsNothing) {
  ScriptedServer server;
  open_inbox(server);
  server.answer("NOOP", "");
  const auto session = in_inbox(server);
  ASSERT_NE(session, nullptr);
  EXPECT_TRUE(session->expunge({}, patient()));
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

TEST(Expunge, LostInBetweenHasAnUnknownOutcome) {
  ScriptedServer server;
  open_inbox(server);
  server.expect("UID EXPUNGE").send("* 3 EXPUNGE\r\n").hang_up();
  const auto session = in_inbox(server);
  ASSERT_NE(session, nullptr);
  expect_unknown_outcome(error_of(session->expunge(one, patient())));
}

TEST(Expunge, ABrokenAnswerHasAnUnknownOutcome) {
  ScriptedServer server;
  open_inbox(server);
  server.expect("UID EXPUNGE").send("* 3 FETCH (UID 7 BODY[] {99999999999999999999}\r\n");
  const auto session = in_inbox(server);
  ASSERT_NE(session, nullptr);
  const auto error = error_of(session->expunge(one, patient()));
  EXPECT_EQ(error.errnum, EIO);
  expect_unknown_outcome(error);
}

}  // namespace
}  // namespace imapfs::imap::test

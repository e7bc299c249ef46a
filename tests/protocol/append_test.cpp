// APPEND: what is sent, where the literal waits, and every way in which it can end.
#include <future>
#include <limits>

#include "change_dialogue.hpp"

namespace imapfs::imap::test {
namespace {

const std::string message = "Subject: hello\r\n\r\nHello.\r\n";  // 26 octets
constexpr auto plain = "IMAP4rev1";
constexpr auto plus = "IMAP4rev1 LITERAL+ UIDPLUS";

TEST(Append, WithLiteralPlusIsOneRoundTrip) {
  ScriptedServer server;
  server.log_in(plus)
      .expect("APPEND \"Archive\" {26+}")
      .receive(message.size())
      .expect_bare("")
      .send("{tag} OK [APPENDUID 38505 3955] done\r\n")
      .answer("NOOP", "");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  TextSource source(message);
  const auto appended = session->append(into("Archive"), source, patient());
  ASSERT_TRUE(appended) << appended.error().what << server.complaint();
  EXPECT_EQ(appended->uid_validity, UidValidity{38505});
  EXPECT_EQ(appended->uid, Uid{3955});
  const auto received = server.received();
  EXPECT_EQ(received[received.size() - 2], message);
  EXPECT_EQ(received.back(), "") << "nothing but the line's end follows the literal (Yahoo)";
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

TEST(Append, WithoutLiteralPlusWaitsUntilTheServerAsksForTheLiteral) {
  ScriptedServer server;
  server.log_in(plain)
      .expect("APPEND \"Archive\" {26}")
      .send("+ go ahead\r\n")
      .receive(message.size())
      .expect_bare("")
      .send("{tag} OK done\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  TextSource source(message);
  const auto appended = session->append(into("Archive"), source, patient());
  ASSERT_TRUE(appended) << appended.error().what << server.complaint();
  EXPECT_FALSE(appended->uid);
  EXPECT_FALSE(appended->uid_validity);
}

TEST(Append, WithLiteralMinusWaitsOnlyForWhatIsLarge) {
  const std::string limit(4096, 'x');
  const std::string larger(4097, 'x');
  ScriptedServer server;
  server.log_in("IMAP4rev1 LITERAL-")
      .expect("{4096+}")
      .receive(limit.size())
      .expect_bare("")
      .send("{tag} OK done\r\n")
      .expect("{4097}")
      .send("+ ok\r\n")
      .receive(larger.size())
      .expect_bare("")
      .send("{tag} OK done\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  TextSource small(limit);
  EXPECT_TRUE(session->append(into("A"), small, patient())) << server.complaint();
  TextSource large(larger);
  EXPECT_TRUE(session->append(into("A"), large, patient())) << server.complaint();
}

TEST(Append, NewsBeforeTheContinuationReachesTheListener) {
  ScriptedServer server;
  server.log_in(plain)
      .expect("APPEND")
      .send("* 5 EXISTS\r\n* VANISHED 3\r\n+ ok\r\n")
      .receive(message.size())
      .expect_bare("")
      .send("* 6 EXISTS\r\n{tag} OK done\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  NotingListener listener;
  session->set_listener(&listener);
  TextSource source(message);
  ASSERT_TRUE(session->append(into("INBOX"), source, patient())) << server.complaint();
  EXPECT_EQ(listener.notes, (std::vector<std::string>{"exists 5", "vanished 3", "exists 6"}));
}

TEST(Append, AContinuationWithoutTextIsOne) {
  ScriptedServer server;
  server.log_in(plain).expect("APPEND").send("+\r\n").receive(message.size()).expect_bare("").send("{tag} OK done\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  TextSource source(message);
  EXPECT_TRUE(session->append(into("INBOX"), source, patient())) << server.complaint();
}

TEST(Append, SendsFlagsWithoutRecentAndTheDateInUtc) {
  ScriptedServer server;
  server.log_in(plus)
      .expect("APPEND \"Sent\" (\\Flagged \\Seen $Forwarded) \" 5-Jan-2026 09:08:07 +0000\" {26+}")
      .receive(message.size())
      .expect_bare("")
      .send("{tag} OK done\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  auto request = into("Sent");
  request.flags = FlagSet::parse("\\Seen \\Flagged \\Recent $Forwarded \\Strange");
  request.internal_date = 1767604087;
  TextSource source(message);
  EXPECT_TRUE(session->append(request, source, patient())) << server.complaint();
}

TEST(Append, ADateThatImapCannotSayIsLeftOut) {
  ScriptedServer server;
  server.log_in(plus).expect("APPEND \"A\" {26+}").receive(message.size()).expect_bare("").send("{tag} OK done\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  auto request = into("A");
  request.internal_date = std::numeric_limits<UnixTime>::max();
  TextSource source(message);
  EXPECT_TRUE(session->append(request, source, patient())) << server.complaint();
}

TEST(Append, AnEightBitNameIsALiteralOfItsOwnAndIsAskedForFirst) {
  ScriptedServer server;
  server.log_in(plain)
      .expect("APPEND {3}")
      .send("+ name\r\n")
      .expect_bare("\xC3\xA4x {26}")
      .send("+ message\r\n")
      .receive(message.size())
      .expect_bare("")
      .send("{tag} OK done\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  TextSource source(message);
  EXPECT_TRUE(session->append(into("\xC3\xA4x"), source, patient())) << server.complaint();
}

TEST(Append, WithUtf8AcceptSendsAMessageOfAsciiAsAnOrdinaryLiteralAndTheNameInQuotes) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 ENABLE UTF8=ACCEPT LITERAL+")
      .answer("ENABLE UTF8=ACCEPT", "* ENABLED UTF8=ACCEPT\r\n")
      .expect("APPEND \"\xC3\xA4\" {26+}")
      .receive(message.size())
      .expect_bare("")
      .send("{tag} OK done\r\n");
  auto settings = account();
  settings.quirks.add.insert(Quirk::needs_utf8_accept);
  const auto session = logged_in(server, settings);
  ASSERT_NE(session, nullptr);
  TextSource source(message);
  EXPECT_TRUE(session->append(into("&AOQ-"), source, patient())) << server.complaint();
}

TEST(Append, ALargeMessageIsStreamedInSmallPieces) {
  const std::string large(20'000'000, 'm');
  ScriptedServer server;
  server.log_in(plus).expect("{20000000+}").receive(large.size()).expect_bare("").send("{tag} OK done\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  TextSource source(large);
  ASSERT_TRUE(session->append(into("A"), source, patient())) << server.complaint();
  EXPECT_EQ(source.given(), large.size());
  EXPECT_LE(source.largest_read, 65536u);
}

// -- nothing is sent --

TEST(Append, LargerThanAppendlimitIsEFBIGAndNothingIsSent) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 LITERAL+ APPENDLIMIT=25").answer("NOOP", "");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  TextSource source(message);
  expect_error(error_of(session->append(into("A"), source, patient())), EFBIG, Scope::request, Retry::never);
  EXPECT_EQ(source.given(), 0u);
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

TEST(Append, AsLargeAsAppendlimitIsSent) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 LITERAL+ APPENDLIMIT=26")
      .expect("APPEND")
      .receive(message.size())
      .expect_bare("")
      .send("{tag} OK done\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  TextSource source(message);
  EXPECT_TRUE(session->append(into("A"), source, patient())) << server.complaint();
}

TEST(Append, FourGibibytesAreEFBIGAndNothingIsSent) {
  ScriptedServer server;
  server.log_in(plus).answer("NOOP", "");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  TextSource source(message);
  source.announced = std::uint64_t{1} << 32;
  expect_error(error_of(session->append(into("A"), source, patient())), EFBIG, Scope::request, Retry::never);
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

TEST(Append, AnEmptyMessageIsEINVALAndNothingIsSent) {
  ScriptedServer server;
  server.log_in(plus).answer("NOOP", "");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  TextSource source("");
  expect_error(error_of(session->append(into("A"), source, patient())), EINVAL, Scope::request, Retry::never);
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

TEST(Append, ALineBreakInANameOrAKeywordIsEINVALAndNothingIsSent) {
  ScriptedServer server;
  server.log_in(plus).answer("NOOP", "");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  TextSource source(message);
  expect_error(error_of(session->append(into("A\r\nF9 LOGOUT"), source, patient())), EINVAL, Scope::request,
               Retry::never);
  for (const auto* keyword : {"a\r\nF9 LOGOUT", "two words", "(", "a\"b", "a]b", "\xC3\xA4"}) {
    auto request = into("A");
    request.flags.add(keyword);
    expect_error(error_of(session->append(request, source, patient())), EINVAL, Scope::request, Retry::never);
  }
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

TEST(Append, StoppedBeforehandNothingIsSent) {
  ScriptedServer server;
  server.log_in(plus).answer("NOOP", "");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  std::stop_source stop;
  stop.request_stop();
  TextSource source(message);
  const auto error = error_of(session->append(into("A"), source, CallContext{stop.get_token(), Deadline::max()}));
  EXPECT_EQ(error.errnum, EINTR);
  EXPECT_EQ(error.scope, Scope::request);
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

// -- refusals --

TEST(Append, ARefusalInsteadOfTheContinuationLeavesTheConnectionUsable) {
  ScriptedServer server;
  server.log_in(plain).answer("APPEND", "", "NO [TRYCREATE] no such mailbox").answer("NOOP", "");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  TextSource source(message);
  expect_error(error_of(session->append(into("A"), source, patient())), ENOENT, Scope::mailbox, Retry::never);
  EXPECT_EQ(source.given(), 0u);
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

TEST(Append, ARefusalAfterTheLiteralLeavesTheConnectionUsable) {
  ScriptedServer server;
  server.log_in(plus)
      .expect("APPEND")
      .receive(message.size())
      .expect_bare("")
      .send("{tag} NO [OVERQUOTA] full\r\n")
      .answer("NOOP", "");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  TextSource source(message);
  expect_error(error_of(session->append(into("A"), source, patient())), EDQUOT, Scope::request, Retry::never);
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

/// RFC 7888 §4: the server may answer at once and must then read over the literal.
TEST(Append, ARefusalWhileTheLiteralIsBeingSentIsTakenAndTheLiteralCompleted) {
  const std::string large(30'000'000, 'm');
  ScriptedServer server;
  server.log_in(plus)
      .expect("APPEND")
      .send("{tag} NO [TOOBIG] too large\r\n")
      .receive(large.size())
      .expect_bare("")
      .answer("NOOP", "");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  TextSource source(large);
  expect_error(error_of(session->append(into("A"), source, patient())), EFBIG, Scope::request, Retry::never);
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

/// A source of several pieces that waits before the first one until the server has said something.
class WaitingSource {
 public:
  explicit WaitingSource(std::size_t size) : source(std::string(size, 'm')) {
    source.before_read = [this](std::size_t given) {
      if (given == 0) spoken_.get_future().wait();
      if (given > 0 && after_first_piece) after_first_piece();
    };
  }
  void server_has_spoken() { spoken_.set_value(); }
  TextSource source;
  std::function<void()> after_first_piece;

 private:
  std::promise<void> spoken_;
};

TEST(Append, NewsWhileTheLiteralIsBeingSentReachesTheListenerAtOnce) {
  WaitingSource waiting(1'000'000);
  ScriptedServer server;
  server.log_in(plus)
      .expect("APPEND")
      .send("* 9 EXISTS\r\n")
      .call([&] { waiting.server_has_spoken(); })
      .receive(1'000'000)
      .expect_bare("")
      .send("{tag} OK done\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  NotingListener listener;
  session->set_listener(&listener);
  waiting.after_first_piece = [&] { EXPECT_EQ(listener.notes, std::vector<std::string>{"exists 9"}); };
  EXPECT_TRUE(session->append(into("A"), waiting.source, patient())) << server.complaint();
}

TEST(Append, ARefusalBeforeTheServerClosesIsTheReason) {
  WaitingSource waiting(1'000'000);
  ScriptedServer server;
  server.log_in(plus).expect("APPEND").send("{tag} NO [TOOBIG] too large\r\n* BYE go away\r\n").call([&] {
    waiting.server_has_spoken();
  });
  std::promise<void> refused;
  server.call([&] { refused.get_future().wait(); }).hang_up();
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  waiting.after_first_piece = [&, first = true]() mutable {
    if (std::exchange(first, false)) refused.set_value();
  };
  expect_error(error_of(session->append(into("A"), waiting.source, patient())), EFBIG, Scope::request, Retry::never);
  EXPECT_FALSE(session->noop(patient()));
}

TEST(Append, AnOkBeforeTheLiteralWasSentIsAProtocolError) {
  WaitingSource waiting(1'000'000);
  ScriptedServer server;
  server.log_in(plus).expect("APPEND").send("{tag} OK [APPENDUID 1 2] stored, believe me\r\n").call([&] {
    waiting.server_has_spoken();
  });
  server.receive(1'000'000);
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  const auto error = error_of(session->append(into("A"), waiting.source, patient()));
  EXPECT_EQ(error.errnum, EIO);
  expect_unknown_outcome(error);
}

TEST(Append, AnOkInsteadOfTheContinuationIsAProtocolError) {
  ScriptedServer server;
  server.log_in(plain).answer("APPEND", "", "OK [APPENDUID 1 2] stored, believe me");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  TextSource source(message);
  const auto error = error_of(session->append(into("A"), source, patient()));
  EXPECT_EQ(error.errnum, EIO);
  expect_unknown_outcome(error);
}

// -- lost in between --

TEST(Append, BehindWhichNewsHasNoEndIsAProtocolError) {
  std::string rows;
  for (int i = 0; i < 1000; ++i) rows += "* 3 FETCH (UID 7 FLAGS (\\Seen))\r\n";
  ScriptedServer server;
  open_inbox(server);
  server.expect("APPEND").flood(rows, 1'000'000'000);
  const auto session = in_inbox(server);
  ASSERT_NE(session, nullptr);
  TextSource source("Subject: a\r\n\r\n");
  expect_error(error_of(session->append(into("Archive"), source, patient())), EIO, Scope::session, Retry::later);
}

TEST(Append, AConnectionLostBeforeTheAnswerHasAnUnknownOutcome) {
  ScriptedServer server;
  server.log_in(plus).expect("APPEND").receive(message.size()).expect_bare("").hang_up();
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  TextSource source(message);
  const auto error = error_of(session->append(into("A"), source, patient()));
  EXPECT_EQ(error.errnum, EHOSTUNREACH) << error.what;
  expect_unknown_outcome(error);
  EXPECT_FALSE(session->noop(patient()));
}

TEST(Append, ByeInBetweenHasAnUnknownOutcomeWhateverItSays) {
  for (const auto* bye :
       {"* BYE Autologout\r\n", "* BYE [CONTACTADMIN] go away\r\n", "* BYE [UNAVAILABLE] later\r\n"}) {
    ScriptedServer server;
    server.log_in(plus).expect("APPEND").receive(message.size()).expect_bare("").send(bye).hang_up();
    const auto session = logged_in(server);
    ASSERT_NE(session, nullptr);
    TextSource source(message);
    expect_unknown_outcome(error_of(session->append(into("A"), source, patient())));
  }
}

TEST(Append, OnALostConnectionIsNotTriedAgainByItself) {
  ScriptedServer server;
  server.log_in(plus).expect("NOOP").hang_up();
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  ASSERT_FALSE(session->noop(patient()));
  TextSource source(message);
  const auto error = error_of(session->append(into("A"), source, patient()));
  EXPECT_EQ(error.scope, Scope::session);
  EXPECT_EQ(error.retry, Retry::later);
}

TEST(Append, AServerThatNeverAsksForTheLiteralIsETIMEDOUT) {
  ScriptedServer server;
  server.log_in(plain).expect("APPEND");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  TextSource source(message);
  const auto error = error_of(session->append(into("A"), source, CallContext::within(std::chrono::milliseconds(50))));
  EXPECT_EQ(error.errnum, ETIMEDOUT);
  expect_unknown_outcome(error);
}

TEST(Append, AServerThatStopsReadingIsETIMEDOUT) {
  ScriptedServer server;
  server.log_in(plus).expect("APPEND");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  TextSource source(std::string(20'000'000, 'm'));
  const auto error = error_of(session->append(into("A"), source, CallContext::within(std::chrono::milliseconds(100))));
  EXPECT_EQ(error.errnum, ETIMEDOUT);
  expect_unknown_outcome(error);
}

TEST(Append, AStopEndsTheUpload) {
  ScriptedServer server;
  std::stop_source stop;
  server.log_in(plus).expect("APPEND").receive(1000).call([&] { stop.request_stop(); });
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  TextSource source(std::string(20'000'000, 'm'));
  const auto error = error_of(session->append(into("A"), source, CallContext{stop.get_token(), patient().deadline}));
  EXPECT_EQ(error.errnum, EINTR);
  EXPECT_EQ(error.scope, Scope::session);
  EXPECT_EQ(error.retry, Retry::later);
}

// -- the source --

TEST(Append, ASourceThatFailsCostsTheConnectionAndGivesItsErrno) {
  ScriptedServer server;
  server.log_in(plus).expect("APPEND");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  TextSource source(std::string(200'000, 'm'));
  source.fail_at = 100'000;
  const auto error = error_of(session->append(into("A"), source, patient()));
  EXPECT_EQ(error.errnum, ENXIO);
  EXPECT_EQ(error.scope, Scope::session);
  EXPECT_EQ(error.retry, Retry::later);
  EXPECT_NE(error.what.find("the staged file is gone"), std::string::npos) << error.what;
  EXPECT_FALSE(session->noop(patient()));
}

TEST(Append, ASourceThatEndsEarlyCostsTheConnection) {
  ScriptedServer server;
  server.log_in(plus).expect("APPEND");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  TextSource source(message);
  source.announced = message.size() + 1;
  expect_error(error_of(session->append(into("A"), source, patient())), EIO, Scope::session, Retry::later);
}

TEST(Append, ASourceThatIsLongerThanAnnouncedNeverBecomesAMessage) {
  ScriptedServer server;
  server.log_in(plus).expect("APPEND");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  TextSource source(message);
  source.announced = message.size() - 1;
  expect_error(error_of(session->append(into("A"), source, patient())), EIO, Scope::session, Retry::later);
  EXPECT_EQ(server.received().back().find("Subject"), std::string::npos) << "the last octets were not sent";
}

// -- APPENDUID --

struct AppendUidCase {
  const char* name;
  const char* answer;
  std::optional<std::uint32_t> uid;
};

class AppendUid : public ::testing::TestWithParam<AppendUidCase> {};

TEST_P(AppendUid, IsBelievedOnlyWhereItMakesSense) {
  ScriptedServer server;
  server.log_in(plus).expect("APPEND").receive(message.size()).expect_bare("").send(GetParam().answer);
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  TextSource source(message);
  const auto appended = session->append(into("A"), source, patient());
  ASSERT_TRUE(appended) << server.complaint();
  EXPECT_EQ(appended->uid_validity.has_value(), GetParam().uid.has_value());
  EXPECT_EQ(appended->uid, GetParam().uid ? std::optional(Uid{*GetParam().uid}) : std::nullopt);
}

const AppendUidCase append_uid_cases[] = {
    {"Tagged", "{tag} OK [APPENDUID 7 4294967295] x\r\n", 4294967295},
    {"Untagged", "* OK [APPENDUID 7 8] x\r\n{tag} OK x\r\n", 8},
    {"InLowerCase", "{tag} OK [appenduid 7 8] x\r\n", 8},
    {"Missing", "{tag} OK x\r\n", {}},
    {"Zero", "{tag} OK [APPENDUID 7 0] x\r\n", {}},
    {"TooLarge", "{tag} OK [APPENDUID 7 4294967296] x\r\n", {}},
    {"WithoutUid", "{tag} OK [APPENDUID 7] x\r\n", {}},
    {"ASet", "{tag} OK [APPENDUID 7 8:9] x\r\n", {}},
    {"Words", "{tag} OK [APPENDUID seven eight] x\r\n", {}},
};
INSTANTIATE_TEST_SUITE_P(Append, AppendUid, ::testing::ValuesIn(append_uid_cases),
                         [](const auto& parameter) { return std::string(parameter.param.name); });

TEST(AppendLimit, IsTheSmallestNumberAnnounced) {
  const auto limit = [](std::set<std::string> words) { return append_limit(Capabilities(std::move(words))); };
  EXPECT_EQ(limit({"IMAP4REV1", "APPENDLIMIT=35651584"}), 35651584u);
  EXPECT_EQ(limit({"APPENDLIMIT=10", "APPENDLIMIT=9"}), 9u);
  EXPECT_EQ(limit({"APPENDLIMIT=0"}), 0u);
  EXPECT_FALSE(limit({"APPENDLIMIT"})) << "differs by mailbox";
  EXPECT_FALSE(limit({"APPENDLIMIT="}));
  EXPECT_FALSE(limit({"APPENDLIMIT=-1"}));
  EXPECT_FALSE(limit({"APPENDLIMIT=99999999999999999999"}));
  EXPECT_FALSE(limit({"IMAP4REV1"}));
}

}  // namespace
}  // namespace imapfs::imap::test

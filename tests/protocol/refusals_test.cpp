// The errno table of imapfs(7) as far as reading commands meet it: the server's answer, the Error, and whether the
// session goes on.
#include "dialogue.hpp"

namespace imapfs::imap::test {
namespace {

struct Refusal {
  const char* name;  ///< of the test
  const char* command;
  const char* answer;
  int errnum;
  Scope scope;
  Retry retry;
};

std::ostream& operator<<(std::ostream& stream, const Refusal& refusal) { return stream << refusal.answer; }

class RefusedWith : public ::testing::TestWithParam<Refusal> {};

/// Runs the named command and gives its Error.
Error error_of_reading(Session& session, std::string_view command) {
  const auto error_of = [](auto result) {
    return result ? Error{0, {}, {}, "it succeeded"} : std::move(result).error();
  };
  NotingSink sink;
  if (command == "EXAMINE") return error_of(session.select(inbox(), patient()));
  if (command == "STATUS") return error_of(session.status("INBOX", patient()));
  if (command == "LIST") return error_of(session.list("", patient()));
  if (command == "SEARCH") return error_of(session.search("ALL", patient()));
  if (command == "GETQUOTAROOT") return error_of(session.quota("INBOX", patient()));
  if (command == "NOOP") return error_of(session.noop(patient()));
  if (command == "UID FETCH 7 (UID BODY.PEEK[])") return error_of(session.fetch_body(Uid{7}, {}, sink, patient()));
  return error_of(session.fetch(
      listing(), [](const FetchRow&) {}, patient()));
}

TEST_P(RefusedWith, GivesItsErrorAndTheSessionGoesOn) {
  const auto& expected = GetParam();
  ScriptedServer server;
  server.log_in("IMAP4rev1 QUOTA").answer(expected.command, "", expected.answer).answer("NOOP", "");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  const auto error = error_of_reading(*session, expected.command);
  EXPECT_EQ(error.errnum, expected.errnum) << error.what << server.complaint();
  EXPECT_EQ(error.scope, expected.scope) << error.what;
  EXPECT_EQ(error.retry, expected.retry) << error.what;
  EXPECT_NE(error.what.find("server answered"), std::string::npos) << error.what;
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

constexpr auto fetch_body = "UID FETCH 7 (UID BODY.PEEK[])";
const Refusal refusals[] = {
    {"Nonexistent", "EXAMINE", "NO [NONEXISTENT] no such mailbox", ENOENT, Scope::mailbox, Retry::never},
    {"NonexistentInWords", "STATUS", "NO Mailbox doesn't exist: INBOX", ENOENT, Scope::mailbox, Retry::never},
    {"Trycreate", "EXAMINE", "NO [TRYCREATE] create it first", ENOENT, Scope::mailbox, Retry::never},
    {"Noperm", "EXAMINE", "NO [NOPERM] access denied", EACCES, Scope::request, Retry::never},
    {"NopermInWords", "STATUS", "NO Permission denied", EACCES, Scope::request, Retry::never},
    {"ReadOnly", "UID FETCH", "NO [READ-ONLY] the mailbox became read-only", EROFS, Scope::mailbox, Retry::never},
    {"Inuse", "EXAMINE", "NO [INUSE] locked by another session", EBUSY, Scope::request, Retry::later},
    {"Limit", "SEARCH", "NO [LIMIT] too many messages", EAGAIN, Scope::request, Retry::later},
    {"Unavailable", "STATUS", "NO [UNAVAILABLE] user's backend down for maintenance", EAGAIN, Scope::request,
     Retry::later},
    {"UnavailableInWords", "NOOP", "BAD Server Unavailable. 15", EAGAIN, Scope::request, Retry::later},
    {"Throttled", "UID FETCH", "BAD Request is throttled. Suggested Backoff Time: 299961 milliseconds", EAGAIN,
     Scope::request, Retry::later},
    {"Overquota", "GETQUOTAROOT", "NO [OVERQUOTA] full", EDQUOT, Scope::request, Retry::never},
    {"Cannot", "EXAMINE", "NO [CANNOT] bad name", EPERM, Scope::request, Retry::never},
    {"Alreadyexists", "LIST", "NO [ALREADYEXISTS] odd but possible", EEXIST, Scope::request, Retry::never},
    {"Expungeissued", fetch_body, "NO [EXPUNGEISSUED] some messages are gone", ESTALE, Scope::message, Retry::never},
    {"ExpungedInWords", fetch_body, "NO Some messages no longer exist.", ESTALE, Scope::message, Retry::never},
    {"Corruption", "EXAMINE", "NO [CORRUPTION] index broken", EIO, Scope::mailbox, Retry::never},
    {"Serverbug", "SEARCH", "NO [SERVERBUG] this should not happen", EIO, Scope::request, Retry::never},
    {"Badcharset", "SEARCH", "NO [BADCHARSET (US-ASCII)] no", EINVAL, Scope::request, Retry::never},
    {"Appendlimit", "STATUS", "NO [APPENDLIMIT 100] x", EFBIG, Scope::request, Retry::never},
    {"UnknownRefusal", "LIST", "NO sorry", EIO, Scope::request, Retry::never},
    {"UnknownCode", "LIST", "NO [X-FUTURE 5] sorry", EIO, Scope::request, Retry::never},
    {"SyntaxError", "UID FETCH", "BAD syntax error", EIO, Scope::request, Retry::never},
};
INSTANTIATE_TEST_SUITE_P(ReadingCommand, RefusedWith, ::testing::ValuesIn(refusals),
                         [](const auto& parameter) { return std::string(parameter.param.name); });

TEST(Throttling, TheHintReachesTheCallerInTheText) {
  ScriptedServer server;
  server.log_in("IMAP4rev1")
      .answer("NOOP", "", "BAD Request is throttled. Suggested Backoff Time: 299961 milliseconds");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  const auto error = session->noop(patient()).error();
  EXPECT_EQ(suggested_backoff_ms(error.what), 299961u) << error.what;
}

TEST(Throttling, ThenByeEndsTheSessionUntilLater) {
  ScriptedServer server;
  server.log_in("IMAP4rev1")
      .expect("NOOP")
      .send("* BYE Request is throttled. Suggested Backoff Time: 1000 milliseconds\r\n")
      .hang_up();
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  const auto error = session->noop(patient()).error();
  EXPECT_EQ(error.errnum, EAGAIN);
  EXPECT_EQ(error.scope, Scope::session);
  EXPECT_EQ(error.retry, Retry::later);
  EXPECT_EQ(suggested_backoff_ms(error.what), 1000u) << error.what;
}

TEST(Bye, WithAnotherReasonIsTriedAgainOnANewConnection) {
  ScriptedServer server;
  server.log_in("IMAP4rev1").expect("NOOP").send("* BYE Autologout; idle for too long\r\n").hang_up();
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  const auto error = session->noop(patient()).error();
  EXPECT_EQ(error.errnum, EHOSTUNREACH);
  EXPECT_EQ(error.scope, Scope::session);
  EXPECT_EQ(error.retry, Retry::now);
  EXPECT_NE(error.what.find("Autologout"), std::string::npos) << error.what;
  EXPECT_EQ(session->noop(patient()).error().what, error.what) << "a lost session stays lost, for the same reason";
}

TEST(NoConnection, ClosedWithoutAWordIsEHOSTUNREACH) {
  ScriptedServer server;
  server.log_in("IMAP4rev1").expect("NOOP").hang_up();
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  const auto error = session->noop(patient()).error();
  EXPECT_EQ(error.errnum, EHOSTUNREACH);
  EXPECT_EQ(error.retry, Retry::now);
}

TEST(Deadline, OfAnUnansweredCommandIsETIMEDOUT) {
  ScriptedServer server;
  server.log_in("IMAP4rev1").expect("NOOP");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  const auto error = session->noop(CallContext::within(std::chrono::milliseconds(50))).error();
  EXPECT_EQ(error.errnum, ETIMEDOUT);
  EXPECT_EQ(error.scope, Scope::session);
}

TEST(Stop, BeforeAnythingWasSentCostsNothing) {
  ScriptedServer server;
  server.log_in("IMAP4rev1").answer("EXAMINE", "* 1 EXISTS\r\n").answer("NOOP", "");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  ASSERT_TRUE(session->select(inbox(), patient()));
  std::stop_source stop;
  stop.request_stop();
  const CallContext stopped{stop.get_token(), Deadline::max()};
  for (const auto& error : {session->noop(stopped).error(), session->search("ALL", stopped).error(),
                            session->select(inbox(), stopped).error()}) {
    EXPECT_EQ(error.errnum, EINTR);
    EXPECT_EQ(error.scope, Scope::request);
  }
  EXPECT_EQ(session->selected(), "INBOX");
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

TEST(BrokenAnswer, IsEIO) {
  ScriptedServer server;
  server.log_in("IMAP4rev1").expect("FETCH").send("* 1 FETCH (UID 1 BODY[HEADER] {99999999999999999999}\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  const auto error = session
                         ->fetch(
                             listing(), [](const FetchRow&) {}, patient())
                         .error();
  EXPECT_EQ(error.errnum, EIO);
  EXPECT_EQ(error.scope, Scope::session);
}

}  // namespace
}  // namespace imapfs::imap::test

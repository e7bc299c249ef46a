#include <algorithm>
#include <deque>

#include "dialogue.hpp"
#include "support/parameter_names.hpp"

namespace imapfs::imap::test {
namespace {

AccountSettings starttls_account() {
  auto settings = account();
  settings.implicit_tls = false;
  return settings;
}

TEST(Login, KnowsTheCapabilitiesAnnouncedWithTheAnswer) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 IDLE MOVE");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  EXPECT_TRUE(session->traits().has("MOVE"));
  EXPECT_FALSE(session->traits().has("QRESYNC"));
}

TEST(Login, AsksForCapabilitiesWhenTheServerDoesNotVolunteerThem) {
  ScriptedServer server;
  server.send("* OK hello\r\n")
      .answer("CAPABILITY", "* CAPABILITY IMAP4rev1\r\n")
      .answer("LOGIN", "")
      .answer("CAPABILITY", "* CAPABILITY IMAP4rev1 IDLE\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  EXPECT_TRUE(session->traits().has("IDLE"));
}

TEST(Login, ForgetsWhatWasAnnouncedBeforeIt) {
  ScriptedServer server;
  server.send("* OK [CAPABILITY IMAP4rev1 MOVE] hello\r\n")
      .answer("LOGIN", "")
      .answer("CAPABILITY", "* CAPABILITY IMAP4rev1 IDLE\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  EXPECT_FALSE(session->traits().has("MOVE"));
}

TEST(Login, AnswersWithoutTheDataTheyOweAreHarmless) {
  ScriptedServer server;
  server.send("* OK hello\r\n")
      .answer("CAPABILITY", "* CAPABILITY \xce\r\n")
      .answer("LOGIN", "")
      .answer("CAPABILITY", "* CAPABILITY ID NAMESPACE ENABLE QRESYNC\r\n")
      .answer("ID", "")
      .answer("ENABLE", "")
      .answer("NAMESPACE", "* NAMESPACE ((\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr) << server.complaint();
  const auto spaces = session->namespaces(patient());
  ASSERT_TRUE(spaces);
  EXPECT_EQ(spaces->size(), 1u);
}

TEST(Login, RefusalIsAnAccountErrorThatQuotesTheServer) {
  ScriptedServer server;
  server.send("* OK [CAPABILITY IMAP4rev1] hello\r\n")
      .answer("LOGIN", "", "NO [AUTHENTICATIONFAILED] Wrong \x1b[31mpassword");
  const auto error = refused_login(server);
  EXPECT_EQ(error.errnum, EACCES);
  EXPECT_EQ(error.scope, Scope::account);
  EXPECT_EQ(error.retry, Retry::never);
  EXPECT_NE(error.what.find("password"), std::string::npos);
  EXPECT_EQ(error.what.find('\x1b'), std::string::npos);
}

TEST(Login, AServerThatIsBusyMayBeTriedAgainLater) {
  ScriptedServer server;
  server.send("* OK [CAPABILITY IMAP4rev1] hello\r\n").answer("LOGIN", "", "NO [UNAVAILABLE] try again");
  const auto error = refused_login(server);
  EXPECT_EQ(error.scope, Scope::session);
  EXPECT_EQ(error.retry, Retry::later);
}

TEST(Login, AuthenticatedButNotConnectedIsALoginFailure) {
  ScriptedServer server;
  server.send("* OK [CAPABILITY IMAP4rev1] hello\r\n")
      .answer("LOGIN", "", "NO User is authenticated but not connected.");
  const auto error = refused_login(server);
  EXPECT_EQ(error.errnum, EACCES);
  EXPECT_EQ(error.scope, Scope::account);
}

TEST(Login, SendsTheAlertBeforeTheAnswerToNobody) {
  ScriptedServer server;
  server.send("* OK [CAPABILITY IMAP4rev1] hello\r\n")
      .answer("LOGIN", "* NO [ALERT] filesystem is 99% full\r\n* 3 EXISTS\r\n", "OK [CAPABILITY IMAP4rev1] in");
  EXPECT_NE(logged_in(server), nullptr);
}

TEST(Login, PlainAuthenticationSurvivesUntaggedDataBeforeTheContinuation) {
  ScriptedServer server;
  server.send("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN LOGINDISABLED] hello\r\n")
      .expect("AUTHENTICATE PLAIN")
      .send("* OK still with you\r\n+ \r\n")
      .expect_bare("AGFubmEAc2VjcmV0")
      .send("{tag} OK [CAPABILITY IMAP4rev1 IDLE] in\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr) << server.complaint();
  EXPECT_TRUE(session->traits().has("IDLE"));
}

TEST(Login, AContinuationWithoutASpaceIsAccepted) {
  ScriptedServer server;
  server.send("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hello\r\n")
      .expect("AUTHENTICATE PLAIN")
      .send("+\r\n")
      .expect_bare("AGFubmEAc2VjcmV0")
      .send("{tag} OK [CAPABILITY IMAP4rev1] in\r\n");
  EXPECT_NE(logged_in(server), nullptr) << server.complaint();
}

TEST(Login, ARefusedMechanismIsNotTriedAgainWithTheSamePassword) {
  ScriptedServer server;
  server.send("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=LOGIN] hello\r\n")
      .expect("AUTHENTICATE PLAIN")
      .send("+ \r\n")
      .expect_bare("")
      .send("{tag} NO [AUTHENTICATIONFAILED] no\r\n");
  EXPECT_EQ(refused_login(server).scope, Scope::account);
  EXPECT_EQ(server.received().size(), 2u);
}

TEST(Login, AMechanismTheServerDoesNotUnderstandGivesWayToTheNext) {
  ScriptedServer server;
  server.send("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hello\r\n")
      .answer("AUTHENTICATE PLAIN", "", "BAD unknown command")
      .answer("LOGIN", "", "OK [CAPABILITY IMAP4rev1] in");
  EXPECT_NE(logged_in(server), nullptr) << server.complaint();
}

/// A way to log in that is refused by `answer`, after which the script goes on.
ScriptedServer& refuse_plain(ScriptedServer& server, const std::string& answer) {
  return server.expect("AUTHENTICATE PLAIN")
      .send("+ \r\n")
      .expect_bare("AGFubmEAc2VjcmV0")
      .send("{tag} " + answer + "\r\n");
}

TEST(WaysToLogIn, TheNextIsTriedAfterARefusalThatSaysNothingOfThePassword) {
  ScriptedServer server;
  server.send("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=LOGIN] hello\r\n");
  refuse_plain(server, "NO failure")
      .expect("AUTHENTICATE LOGIN")
      .send("{tag} NO failure\r\n")
      .answer("LOGIN", "", "OK [CAPABILITY IMAP4rev1] in");
  auto settings = account();
  const auto session = logged_in(server, settings);
  ASSERT_NE(session, nullptr) << server.complaint();
  EXPECT_TRUE(session->traits().has(Quirk::no_auth_plain));
}

TEST(WaysToLogIn, TheOneThatWorkedIsRememberedForTheAccount) {
  const auto settings = account();
  ScriptedServer first;
  first.send("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hello\r\n");
  refuse_plain(first, "NO failure").answer("LOGIN", "", "OK [CAPABILITY IMAP4rev1] in");
  ASSERT_NE(logged_in(first, settings), nullptr) << first.complaint();
  ScriptedServer second;
  second.send("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hello\r\n").answer("LOGIN", "", "OK [CAPABILITY IMAP4rev1] in");
  EXPECT_NE(logged_in(second, settings), nullptr) << second.complaint();
}

TEST(WaysToLogIn, AWrongPasswordIsNoReasonToForgetAny) {
  const auto settings = account();
  ScriptedServer first;
  first.send("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hello\r\n");
  refuse_plain(first, "NO failure").answer("LOGIN", "", "NO failure");
  EXPECT_EQ(refused_login(first, settings).scope, Scope::account);
  ScriptedServer second;
  second.send("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hello\r\n")
      .expect("AUTHENTICATE PLAIN")
      .send("+ \r\n")
      .expect_bare("AGFubmEAc2VjcmV0")
      .send("{tag} OK [CAPABILITY IMAP4rev1] in\r\n");
  EXPECT_NE(logged_in(second, settings), nullptr) << second.complaint();
}

TEST(WaysToLogIn, AreNotTriedOnWhileTheServerIsBusy) {
  ScriptedServer server;
  server.send("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hello\r\n");
  refuse_plain(server, "NO [UNAVAILABLE] later");
  EXPECT_EQ(refused_login(server).retry, Retry::later);
  EXPECT_EQ(server.received().size(), 2u);
}

TEST(WaysToLogIn, OneThatCostsTheConnectionIsLeftOutOnTheNext) {
  ScriptedServer first;
  first.send("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hello\r\n")
      .expect("AUTHENTICATE PLAIN")
      .send("{tag} BAD what\r\n")
      .hang_up();
  ScriptedServer second;
  second.send("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hello\r\n").answer("LOGIN", "", "OK [CAPABILITY IMAP4rev1] in");
  std::deque<ScriptedServer*> servers{&first, &second};
  const Connector connect = [&](const CallContext&) -> Result<std::unique_ptr<net::ByteStream>> {
    auto* server = servers.front();
    servers.pop_front();
    return server->client();
  };
  const auto session = login_session(connect, account(), patient());
  EXPECT_TRUE(session) << session.error().what << second.complaint();
  EXPECT_TRUE(servers.empty());
}

TEST(WaysToLogIn, AConnectionThatIsLostByItselfIsNotMadeAnewHere) {
  ScriptedServer server;
  server.send("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hello\r\n").expect("AUTHENTICATE PLAIN").hang_up();
  int connections = 0;
  const Connector connect = [&](const CallContext&) -> Result<std::unique_ptr<net::ByteStream>> {
    if (++connections > 1) return fail(EHOSTUNREACH, Scope::session, Retry::now, "once is enough");
    return server.client();
  };
  EXPECT_FALSE(login_session(connect, account(), patient()));
  EXPECT_EQ(connections, 1);
}

class WantsOAuth : public ::testing::TestWithParam<const char*> {};

TEST_P(WantsOAuth, SaysSoAndTriesNoOtherWay) {
  ScriptedServer server;
  server.send("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hello\r\n");
  refuse_plain(server, GetParam());
  const auto error = refused_login(server);
  EXPECT_EQ(error.errnum, EACCES);
  EXPECT_EQ(error.scope, Scope::account);
  EXPECT_NE(error.what.find("the server wants OAuth 2"), std::string::npos) << error.what;
  EXPECT_EQ(server.received().size(), 2u);
}

INSTANTIATE_TEST_SUITE_P(
    Answers, WantsOAuth,
    ::testing::Values("NO please use OAUTH to log in", "NO [AUTHENTICATIONFAILED] XOAUTH2 only",
                      "NO Basic authentication is disabled", "NO AUTHENTICATE failed. BasicAuthBlocked"),
    imapfs::testing::names_in_order({"UseOauth", "Xoauth2Only", "BasicIsDisabled", "BasicIsBlocked"}));

TEST(WaysToLogIn, WhereNothingButOAuthIsOfferedThatIsSaid) {
  ScriptedServer server;
  server.send("* OK [CAPABILITY IMAP4rev1 LOGINDISABLED AUTH=XOAUTH2] hello\r\n");
  EXPECT_NE(refused_login(server).what.find("the server wants OAuth 2"), std::string::npos);
  EXPECT_TRUE(server.received().empty());
}

TEST(Login, ASharedMailboxUserLogsInByTheLoginCommand) {
  ScriptedServer server;
  server.send("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hello\r\n").answer("LOGIN", "", "OK [CAPABILITY IMAP4rev1] in");
  auto settings = account();
  settings.user = "anna\\shared";
  EXPECT_NE(logged_in(server, settings), nullptr) << server.complaint();
}

TEST(Login, LoginDisabledWithoutAMechanismIsRefusedBeforeThePasswordIsSent) {
  ScriptedServer server;
  server.send("* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] hello\r\n");
  const auto error = refused_login(server);
  EXPECT_EQ(error.errnum, EACCES);
  EXPECT_TRUE(server.received().empty());
}

TEST(Login, APasswordWithALineBreakIsNeverSent) {
  ScriptedServer server;
  server.send("* OK [CAPABILITY IMAP4rev1] hello\r\n");
  auto settings = account();
  settings.password = [](const CallContext&) { return Result<std::string>("x\r\nA1 DELETE INBOX"); };
  EXPECT_EQ(refused_login(server, settings).scope, Scope::account);
  EXPECT_TRUE(server.received().empty());
}

TEST(Login, AGreetingOfByeSaysWhy) {
  ScriptedServer server;
  server.send("* BYE [UNAVAILABLE] too many connections\r\n");
  const auto error = refused_login(server);
  EXPECT_EQ(error.scope, Scope::session);
  EXPECT_EQ(error.retry, Retry::later);
  EXPECT_NE(error.what.find("too many connections"), std::string::npos);
}

TEST(Login, AServerThatIsNotImapIsRefused) {
  ScriptedServer server;
  server.send("* 220 mail.example.org ESMTP\r\n");
  EXPECT_EQ(refused_login(server).errnum, EIO);
}

TEST(Login, APreauthenticatedConnectionNeedsNoLogin) {
  ScriptedServer server;
  server.send("* PREAUTH [CAPABILITY IMAP4rev1 IDLE] hello anna\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  EXPECT_TRUE(server.received().empty());
}

TEST(Login, IdIsSentWhereItIsKnownAndItsAnswerRemembered) {
  ScriptedServer server;
  server.send("* OK [CAPABILITY IMAP4rev1] hello\r\n")
      .answer("LOGIN", "", "OK [CAPABILITY IMAP4rev1 ID] in")
      .answer("ID (\"name\" \"imapfs\")",
              "* ID (\"Name\" {7}\r\nDovecot \"support-url\" NIL \"vendor\" \"a \\\"b\\\"\")\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr) << server.complaint();
  EXPECT_EQ(session->traits().id.at("name"), "Dovecot");
}

TEST(Login, ARefusedIdIsNoError) {
  ScriptedServer server;
  server.send("* OK [CAPABILITY IMAP4rev1] hello\r\n")
      .answer("LOGIN", "", "OK [CAPABILITY IMAP4rev1 ID] in")
      .answer("ID", "", "BAD what");
  EXPECT_NE(logged_in(server), nullptr);
}

TEST(Login, QresyncThatWasNotEnabledIsNotUsed) {
  ScriptedServer server;
  server.send("* OK [CAPABILITY IMAP4rev1] hello\r\n")
      .answer("LOGIN", "", "OK [CAPABILITY IMAP4rev1 ENABLE CONDSTORE QRESYNC] in")
      .answer("ENABLE QRESYNC", "* ENABLED\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr) << server.complaint();
  EXPECT_FALSE(session->traits().has("QRESYNC"));
  EXPECT_TRUE(session->traits().has("CONDSTORE"));
}

TEST(StartTls, IsRequiredUnlessPlainIsAllowed) {
  ScriptedServer server;
  server.send("* OK [CAPABILITY IMAP4rev1] hello\r\n");
  const auto error = refused_login(server, starttls_account());
  EXPECT_EQ(error.errnum, EACCES);
  EXPECT_EQ(error.scope, Scope::account);
  EXPECT_NE(error.what.find("STARTTLS"), std::string::npos);
  EXPECT_TRUE(server.received().empty());
}

TEST(StartTls, IsNotMissedWherePlainIsAllowed) {
  ScriptedServer server;
  server.log_in("IMAP4rev1");
  auto settings = starttls_account();
  settings.allow_plain = true;
  EXPECT_NE(logged_in(server, settings), nullptr);
}

TEST(StartTls, RefusesAPreauthenticatedGreeting) {
  ScriptedServer server;
  server.send("* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] hello anna\r\n");
  EXPECT_EQ(refused_login(server, starttls_account()).errnum, EACCES);
  EXPECT_TRUE(server.received().empty());
}

TEST(StartTls, RefusesDataInjectedBehindTheAnswer) {
  ScriptedServer server;
  server.send("* OK [CAPABILITY IMAP4rev1 STARTTLS] hello\r\n")
      .answer("STARTTLS", "", "OK go\r\n* CAPABILITY IMAP4rev1 AUTH=EVIL");
  const auto error = refused_login(server, starttls_account());
  EXPECT_EQ(error.errnum, EACCES);
  EXPECT_NE(error.what.find("before TLS"), std::string::npos);
}

/// A server with a certificate, and an account that trusts it.
class StartTlsSession : public ::testing::Test {
 protected:
  imapfs::testing::Credential authority_ = imapfs::testing::make_authority();
  imapfs::testing::TemporaryFile ca_file_{authority_.certificate_pem()};
  imapfs::testing::Credential server_ = imapfs::testing::make_credential({}, &authority_);

  AccountSettings settings() const {
    auto settings = starttls_account();
    settings.tls.ca_file = ca_file_.path();
    return settings;
  }
  /// What is sent in the clear before and within the answer to STARTTLS, and the handshake.
  void begin(ScriptedServer& server, const std::string& greeting, const std::string& injected) const {
    server.send(greeting).answer("STARTTLS", injected, "OK go").secure(server_);
  }
};

TEST_F(StartTlsSession, AsksForEverythingAnew) {
  ScriptedServer server;
  begin(server, "* OK [CAPABILITY IMAP4rev1 STARTTLS MOVE] hello\r\n", "");
  server.answer("CAPABILITY", "* CAPABILITY IMAP4rev1\r\n").answer("LOGIN", "", "OK [CAPABILITY IMAP4rev1 IDLE] in");
  const auto session = logged_in(server, settings());
  ASSERT_NE(session, nullptr) << server.complaint();
  EXPECT_FALSE(session->traits().has("MOVE"));
  EXPECT_TRUE(session->traits().has("IDLE"));
}

TEST_F(StartTlsSession, IsNotRuledByWhatWasInjectedBeforeIt) {
  ScriptedServer server;
  begin(server, "* OK [CAPABILITY IMAP4rev1 STARTTLS] Microsoft Exchange Server 2003\r\n",
        "* ENABLED UTF8=ACCEPT QRESYNC\r\n* BYE Request is throttled. Suggested Backoff Time: 300000 milliseconds\r\n"
        "* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n");
  server.answer("CAPABILITY", "* CAPABILITY IMAP4rev1\r\n")
      .answer("LOGIN", "", "OK [CAPABILITY IMAP4rev1] in")
      .answer("LIST", "* LIST () \"/\" \"&ANw-ber\"\r\n")
      .expect("NOOP")
      .hang_up();
  const auto session = logged_in(server, settings());
  ASSERT_NE(session, nullptr) << server.complaint();
  EXPECT_EQ(session->traits().greeting, "");
  EXPECT_TRUE(session->traits().quirks.empty());
  const auto list = session->list("", patient());
  ASSERT_TRUE(list && list->size() == 1u);
  EXPECT_EQ(list->front().name,
            "\u00dc"
            "ber");
  const auto lost = session->noop(patient());
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().what.find("throttled"), std::string::npos) << "nobody who could be believed has said BYE";
}

TEST_F(StartTlsSession, TakesNoWordOfEnabledThatItHasNotAskedFor) {
  ScriptedServer server;
  begin(server, "* OK [CAPABILITY IMAP4rev1 STARTTLS] hello\r\n", "");
  server.answer("CAPABILITY", "* CAPABILITY IMAP4rev1\r\n")
      .answer("LOGIN", "* ENABLED UTF8=ACCEPT\r\n", "OK [CAPABILITY IMAP4rev1 ENABLE CONDSTORE] in")
      .answer("ENABLE CONDSTORE", "* ENABLED CONDSTORE UTF8=ACCEPT\r\n")
      .answer("LIST", "* LIST () \"/\" \"&ANw-ber\"\r\n");
  const auto session = logged_in(server, settings());
  ASSERT_NE(session, nullptr) << server.complaint();
  const auto list = session->list("", patient());
  ASSERT_TRUE(list && list->size() == 1u);
  EXPECT_EQ(list->front().name,
            "\u00dc"
            "ber");
}

TEST(StartTls, RefusedByTheServerEndsTheLogin) {
  ScriptedServer server;
  server.send("* OK [CAPABILITY IMAP4rev1 STARTTLS] hello\r\n").answer("STARTTLS", "", "NO not today");
  (void)refused_login(server, starttls_account());
  EXPECT_EQ(server.received().size(), 1u);
}

}  // namespace
}  // namespace imapfs::imap::test

// Each quirk of imap::Quirk: what of the server gives it away, and what it changes on the wire.
#include <algorithm>

#include "dialogue.hpp"
#include "support/parameter_names.hpp"

namespace imapfs::imap::test {
namespace {

AccountSettings with_quirk(Quirk quirk) {
  auto settings = account();
  settings.quirks.add.insert(quirk);
  return settings;
}

bool was_sent(ScriptedServer& server, const std::string& text) {
  const auto lines = server.received();
  return std::any_of(lines.begin(), lines.end(),
                     [&](const auto& line) { return line.find(text) != std::string::npos; });
}

Session::SelectRequest known_inbox() {
  auto request = inbox();
  request.qresync = QresyncState{UidValidity{67}, ModSeq{5}};
  return request;
}

TEST(NoQresync, OnICloudSelectCarriesCondstoreAndNoQresync) {
  ScriptedServer server;
  server.send("* OK [CAPABILITY IMAP4rev1] iCloud server\r\n")
      .answer("LOGIN", "", "OK [CAPABILITY IMAP4rev1 ENABLE CONDSTORE QRESYNC XAPPLEPUSHSERVICE] in")
      .answer("ENABLE CONDSTORE", "")
      .answer("EXAMINE \"INBOX\" (CONDSTORE)", "* 1 EXISTS\r\n* OK [UIDVALIDITY 67] x\r\n* OK [HIGHESTMODSEQ 9] x\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  EXPECT_TRUE(session->traits().has(Quirk::no_qresync));
  const auto selected = session->select(known_inbox(), patient());
  ASSERT_TRUE(selected) << server.complaint();
  EXPECT_FALSE(selected->qresync_applied);
  EXPECT_FALSE(was_sent(server, "QRESYNC"));
}

TEST(NoQresync, TheUserMayTakeItBack) {
  auto settings = account();
  settings.quirks.remove.insert(Quirk::no_qresync);
  ScriptedServer server;
  server.log_in("IMAP4rev1 ENABLE CONDSTORE QRESYNC", "iCloud server").answer("(QRESYNC (67 5))", "* 1 EXISTS\r\n");
  const auto session = logged_in(server, settings);
  ASSERT_NE(session, nullptr);
  EXPECT_TRUE(session->select(known_inbox(), patient())) << server.complaint();
}

TEST(NoQresync, WithoutEnableQresyncIsNeverSent) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 CONDSTORE QRESYNC").answer("EXAMINE \"INBOX\" (CONDSTORE)", "* 1 EXISTS\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  EXPECT_TRUE(session->select(known_inbox(), patient())) << server.complaint();
}

TEST(NoCondstore, NeitherSelectNorFetchMentionsIt) {
  ScriptedServer server;
  server.send("* OK [CAPABILITY IMAP4rev1] ready\r\n")
      .answer("LOGIN", "", "OK [CAPABILITY IMAP4rev1 ENABLE CONDSTORE QRESYNC] in")
      .answer("EXAMINE \"INBOX\"", "* 1 EXISTS\r\n")
      .answer("STATUS", "* STATUS INBOX (MESSAGES 1)\r\n");
  const auto session = logged_in(server, with_quirk(Quirk::no_condstore));
  ASSERT_NE(session, nullptr);
  ASSERT_TRUE(session->select(known_inbox(), patient())) << server.complaint();
  ASSERT_TRUE(session->status("INBOX", patient())) << server.complaint();
  EXPECT_FALSE(was_sent(server, "CONDSTORE"));
  EXPECT_FALSE(was_sent(server, "QRESYNC"));
  EXPECT_FALSE(was_sent(server, "HIGHESTMODSEQ"));
}

TEST(NoListReturn, OnExchangeListIsPlain) {
  ScriptedServer server;
  server
      .log_in("IMAP4rev1 IMAP4rev2 LIST-EXTENDED LIST-STATUS SPECIAL-USE",
              "The Microsoft Exchange IMAP4 service is ready.")
      .answer("LIST \"\" \"*\"", "* LIST () \"/\" INBOX\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  EXPECT_TRUE(session->traits().has(Quirk::no_list_return));
  EXPECT_TRUE(session->list("", patient())) << server.complaint();
  EXPECT_FALSE(was_sent(server, "RETURN"));
}

TEST(NoMove, OnYahooJapanMoveIsNotOffered) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 MOVE UIDPLUS", "IMAP4 server imap.mail.yahoo.co.jp");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  EXPECT_TRUE(session->traits().has(Quirk::no_move));
  EXPECT_FALSE(session->traits().has("MOVE"));
  EXPECT_TRUE(session->traits().has("UIDPLUS"));
}

TEST(NoIdle, IdleIsRefusedWithoutBeingSent) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 IDLE").answer("EXAMINE", "").answer("NOOP", "");
  const auto session = logged_in(server, with_quirk(Quirk::no_idle));
  ASSERT_NE(session, nullptr);
  ASSERT_TRUE(session->select(inbox(), patient()));
  EXPECT_EQ(session->idle(std::chrono::seconds(60), patient()).error().errnum, EOPNOTSUPP);
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

TEST(NoNotify, NotifyIsRefusedWithoutBeingSent) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 NOTIFY").answer("NOOP", "");
  const auto session = logged_in(server, with_quirk(Quirk::no_notify));
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(session->notify_personal(patient()).error().errnum, EOPNOTSUPP);
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

TEST(IdBeforeSelect, OnCoremailIdIsSentThoughItIsNotAnnounced) {
  ScriptedServer server;
  server.send("* OK [CAPABILITY IMAP4rev1] Coremail System IMap Server Ready(163com)\r\n")
      .answer("LOGIN", "", "OK [CAPABILITY IMAP4rev1] in")
      .answer("ID (\"name\" \"imapfs\"", "* ID (\"name\" \"Coremail Imap\")\r\n")
      .answer("EXAMINE", "* 1 EXISTS\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  EXPECT_TRUE(session->traits().has(Quirk::id_before_select));
  EXPECT_TRUE(session->select(inbox(), patient())) << server.complaint();
}

TEST(IdBeforeSelect, WithoutItAnUnannouncedIdIsNotSent) {
  ScriptedServer server;
  server.log_in("IMAP4rev1").answer("EXAMINE", "* 1 EXISTS\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  EXPECT_TRUE(session->select(inbox(), patient())) << server.complaint();
}

struct Switch {
  Quirk quirk;
  const char* capability;
};
void PrintTo(const Switch& tested, std::ostream* stream) { *stream << to_string(tested.quirk); }

class SwitchedOff : public ::testing::TestWithParam<Switch> {};

TEST_P(SwitchedOff, AnExtensionIsAsIfItWereNotOffered) {
  const std::string capability = GetParam().capability;
  ScriptedServer server;
  server.send("* OK [CAPABILITY IMAP4rev1] ready\r\n")
      .answer("LOGIN", "", "OK [CAPABILITY IMAP4rev1 " + capability + "] in")
      .answer("NOOP", "");
  const auto overrides = QuirkOverrides::parse("+" + std::string(to_string(GetParam().quirk)));
  ASSERT_TRUE(overrides);
  auto settings = account();
  settings.quirks = *overrides;
  const auto session = logged_in(server, settings);
  ASSERT_NE(session, nullptr) << server.complaint();
  EXPECT_FALSE(session->traits().has(capability));
  EXPECT_FALSE(append_limit(session->traits().capabilities));
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

INSTANTIATE_TEST_SUITE_P(
    Extensions, SwitchedOff,
    ::testing::Values(Switch{Quirk::no_acl, "ACL"}, Switch{Quirk::no_appendlimit, "APPENDLIMIT=7"},
                      Switch{Quirk::no_compress, "COMPRESS=DEFLATE"}, Switch{Quirk::no_enable, "ENABLE"},
                      Switch{Quirk::no_esearch, "ESEARCH"}, Switch{Quirk::no_id, "ID"},
                      Switch{Quirk::no_literal_plus, "LITERAL+"}, Switch{Quirk::no_literal_plus, "LITERAL-"},
                      Switch{Quirk::no_namespace, "NAMESPACE"}, Switch{Quirk::no_quota, "QUOTA"},
                      Switch{Quirk::no_special_use, "SPECIAL-USE"}, Switch{Quirk::no_status_size, "STATUS=SIZE"},
                      Switch{Quirk::no_uidplus, "UIDPLUS"}, Switch{Quirk::no_unselect, "UNSELECT"},
                      Switch{Quirk::no_utf8_accept, "UTF8=ACCEPT"}, Switch{Quirk::no_utf8_accept, "UTF8=ONLY"}),
    imapfs::testing::names_in_order({"Acl", "AppendLimit", "Compress", "Enable", "Esearch", "Id", "LiteralPlus",
                                     "LiteralMinus", "Namespace", "Quota", "SpecialUse", "StatusSize", "Uidplus",
                                     "Unselect", "Utf8Accept", "Utf8Only"}));

TEST(SwitchedOffLogin, AWayToLogInIsNotTaken) {
  ScriptedServer server;
  server.send("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=LOGIN] ready\r\n")
      .answer("LOGIN", "", "OK [CAPABILITY IMAP4rev1] in");
  auto settings = account();
  settings.quirks.add = {Quirk::no_auth_plain, Quirk::no_auth_login};
  EXPECT_NE(logged_in(server, settings), nullptr) << server.complaint();
  EXPECT_FALSE(was_sent(server, "AUTHENTICATE"));
}

// What these three change is decided above the session (body_fetcher_test, mailbox_sync_test): here, that they are
// seen.
TEST(QuirksForTheCaller, AreDetectedOnTheServersThatHaveThem) {
  const struct {
    const char* greeting;
    Quirk quirk;
  } rows[] = {
      {"Microsoft Exchange Server 2003 IMAP4rev1 server version 6.5 ready.", Quirk::no_partial},
      {"Microsoft Exchange Server 2007 IMAP4 service ready", Quirk::no_partial},
      {"Gimap ready for requests from 192.0.2.1", Quirk::wrong_sizes},
      {"hMailServer IMAP ready", Quirk::wrong_sizes},
      {"IMAP4rev1 Yahoo server ready", Quirk::small_fetch_sets},
      {"IMAP4rev1 imapgate-1.9.9_28.418303 imap1.mail.ne1.yahoo.com", Quirk::small_fetch_sets},
  };
  for (const auto& [greeting, quirk] : rows) {
    ScriptedServer server;
    server.log_in("IMAP4rev1", greeting);
    const auto session = logged_in(server);
    ASSERT_NE(session, nullptr);
    EXPECT_TRUE(session->traits().has(quirk)) << greeting;
  }
}

}  // namespace
}  // namespace imapfs::imap::test

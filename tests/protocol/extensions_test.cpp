// Extensions that change the wire itself: COMPRESS=DEFLATE (RFC 4978) and UTF8=ACCEPT (RFC 6855).
#include "dialogue.hpp"

namespace imapfs::imap::test {
namespace {

const std::string uber =
    "\xc3\x9c"
    "ber";  // Über

TEST(Compress, IsNegotiatedAndCarriesWhatFollows) {
  const std::string body(100'000, 'z');
  ScriptedServer server;
  server.log_in("IMAP4rev1 COMPRESS=DEFLATE")
      .answer("COMPRESS DEFLATE", "")
      .compress()
      .answer("EXAMINE", "* 1 EXISTS\r\n")
      .answer("BODY.PEEK[]", "* 1 FETCH (UID 7 BODY[] {100000}\r\n" + body + ")\r\n")
      .answer("NOOP", "* 2 EXISTS\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  EXPECT_NE(session->description().find("DEFLATE"), std::string::npos) << session->description();
  ASSERT_TRUE(session->select(inbox(), patient())) << server.complaint();
  NotingSink sink;
  const auto fetched = session->fetch_body(Uid{7}, {}, sink, patient());
  ASSERT_TRUE(fetched) << fetched.error().what;
  EXPECT_EQ(sink.total, body.size());
  NotingListener listener;
  session->set_listener(&listener);
  ASSERT_TRUE(session->noop(patient()));
  EXPECT_EQ(listener.notes, std::vector<std::string>{"exists 2"});
}

TEST(Compress, IdleAndItsNewsPassThroughIt) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 IDLE COMPRESS=DEFLATE")
      .answer("COMPRESS DEFLATE", "")
      .compress()
      .answer("EXAMINE", "")
      .expect("IDLE")
      .send("+ \r\n")
      .send("* 4 EXISTS\r\n")
      .expect_bare("DONE")
      .send("{tag} OK\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  NotingListener listener;
  session->set_listener(&listener);
  ASSERT_TRUE(session->select(inbox(), patient()));
  const auto end = session->idle(std::chrono::seconds(60), patient());
  ASSERT_TRUE(end) << end.error().what;
  EXPECT_EQ(listener.notes, std::vector<std::string>{"exists 4"});
}

TEST(Compress, RefusedGoesOnUncompressed) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 COMPRESS=DEFLATE")
      .answer("COMPRESS", "", "NO [COMPRESSIONACTIVE] by TLS")
      .answer("NOOP", "");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(session->description().find("DEFLATE"), std::string::npos);
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

TEST(Compress, IsNotAskedForWhenSwitchedOff) {
  auto settings = account();
  settings.compress = false;
  ScriptedServer server;
  server.log_in("IMAP4rev1 COMPRESS=DEFLATE").answer("NOOP", "");
  const auto session = logged_in(server, settings);
  ASSERT_NE(session, nullptr);
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

TEST(Utf8Accept, NamesAreUtf8InQuotesBothWays) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 ENABLE UTF8=ACCEPT")
      .answer("ENABLE UTF8=ACCEPT", "* ENABLED UTF8=ACCEPT\r\n")
      .answer("LIST \"\" \"*\"", "* LIST () \"/\" \"" + uber + "\"\r\n* LIST () \"/\" \"a&b\"\r\n")
      .answer("EXAMINE \"" + uber + "\"", "* 1 EXISTS\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  const auto listed = session->list("", patient());
  ASSERT_TRUE(listed) << server.complaint();
  ASSERT_EQ(listed->size(), 2u);
  EXPECT_EQ((*listed)[0].name, uber);
  EXPECT_EQ((*listed)[0].wire_name, uber);
  EXPECT_EQ((*listed)[1].name, "a&b") << "an ampersand is an ampersand here";
  auto request = inbox();
  request.mailbox = uber;
  EXPECT_TRUE(session->select(request, patient())) << server.complaint();
}

TEST(Utf8Accept, ThatWasNotEnabledLeavesNamesInModifiedUtf7) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 ENABLE UTF8=ACCEPT")
      .answer("ENABLE UTF8=ACCEPT", "* ENABLED\r\n")
      .answer("LIST \"\" \"*\"", "* LIST () \"/\" \"&ANw-ber\"\r\n")
      .answer("EXAMINE \"&ANw-ber\"", "* 1 EXISTS\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  const auto listed = session->list("", patient());
  ASSERT_TRUE(listed) << server.complaint();
  ASSERT_EQ(listed->size(), 1u);
  EXPECT_EQ((*listed)[0].name, uber);
  auto request = inbox();
  request.mailbox = (*listed)[0].wire_name;
  EXPECT_TRUE(session->select(request, patient())) << server.complaint();
}

}  // namespace
}  // namespace imapfs::imap::test

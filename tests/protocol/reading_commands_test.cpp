#include "dialogue.hpp"

namespace imapfs::imap::test {
namespace {

TEST(Select, ReportsWhatTheServerSaid) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 ENABLE CONDSTORE")
      .answer("EXAMINE \"INBOX\" (CONDSTORE)",
              "* FLAGS (\\Seen)\r\n* OK [PERMANENTFLAGS (\\Seen a]b \\*)] ok\r\n* 17 EXISTS\r\n* 1 RECENT\r\n"
              "* OK [UNSEEN 3] x\r\n* OK [UIDVALIDITY 3857529045] x\r\n* OK [UIDNEXT 4392] x\r\n"
              "* OK [HIGHESTMODSEQ 715194045007] x\r\n",
              "OK [READ-ONLY] done");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  const auto selected = session->select(inbox(), patient());
  ASSERT_TRUE(selected) << server.complaint();
  EXPECT_EQ(selected->messages, 17u);
  EXPECT_EQ(selected->uid_validity, UidValidity{3857529045});
  EXPECT_EQ(selected->uid_next, Uid{4392});
  EXPECT_EQ(selected->highest_modseq, ModSeq{715194045007});
  EXPECT_TRUE(selected->read_only);
  EXPECT_TRUE(selected->permanent_flags.has(SystemFlag::seen));
  EXPECT_TRUE(selected->permanent_flags.has("a]b"));
  EXPECT_TRUE(selected->may_create_keywords);
  EXPECT_FALSE(selected->qresync_applied);
  EXPECT_EQ(session->selected(), "INBOX");
}

TEST(Select, MissingUidValidityUidNextAndAModseqOfZeroAreAbsent) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 CONDSTORE").answer("EXAMINE", "* 0 EXISTS\r\n* OK [HIGHESTMODSEQ 0] x\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  const auto selected = session->select(inbox(), patient());
  ASSERT_TRUE(selected);
  EXPECT_FALSE(selected->uid_validity);
  EXPECT_FALSE(selected->uid_next);
  EXPECT_FALSE(selected->highest_modseq);
}

TEST(Select, QresyncDeliversVanishedAndRowsBeforeTheAnswer) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 ENABLE CONDSTORE QRESYNC")
      .answer(
          "EXAMINE \"INBOX\" (QRESYNC (67 20050715))",
          "* OK [CLOSED] x\r\n* 10 EXISTS\r\n* OK [UIDVALIDITY 67] x\r\n* OK [HIGHESTMODSEQ 20060115194045007] x\r\n"
          "* VANISHED (EARLIER) 2,4:6\r\n* 9 FETCH (UID 8 FLAGS (\\Seen) MODSEQ (20060115194045001))\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  auto request = inbox();
  request.qresync = QresyncState{UidValidity{67}, ModSeq{20050715}};
  std::string gone;
  std::vector<std::uint32_t> rows;
  request.vanished = [&](const UidSet& uids) { gone += uids.to_string(); };
  request.rows = [&](const FetchRow& row) { rows.push_back(row.uid.value); };
  const auto selected = session->select(request, patient());
  ASSERT_TRUE(selected) << server.complaint();
  EXPECT_TRUE(selected->qresync_applied);
  EXPECT_EQ(gone, "2,4:6");
  EXPECT_EQ(rows, std::vector<std::uint32_t>{8});
}

TEST(Select, QresyncIsNotAppliedWhenUidValidityChanged) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 ENABLE CONDSTORE QRESYNC")
      .answer("EXAMINE", "* 10 EXISTS\r\n* OK [UIDVALIDITY 68] x\r\n* OK [HIGHESTMODSEQ 5] x\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  auto request = inbox();
  request.qresync = QresyncState{UidValidity{67}, ModSeq{3}};
  const auto selected = session->select(request, patient());
  ASSERT_TRUE(selected);
  EXPECT_FALSE(selected->qresync_applied);
}

TEST(Select, FailureLeavesNothingSelected) {
  ScriptedServer server;
  server.log_in("IMAP4rev1")
      .answer("EXAMINE", "")
      .answer("EXAMINE", "", "NO [NONEXISTENT] no such mailbox")
      .answer("NOOP", "");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  ASSERT_TRUE(session->select(inbox(), patient()));
  const auto outcome = session->select(inbox(), patient());
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().errnum, ENOENT);
  EXPECT_EQ(outcome.error().scope, Scope::mailbox);
  EXPECT_TRUE(session->selected().empty());
  EXPECT_TRUE(session->noop(patient()));
}

TEST(Untagged, NewsOnAnyCommandReachesTheListenerInOrder) {
  const std::string news =
      "* 23 EXISTS\r\n* 5 EXPUNGE\r\n* VANISHED 7,9:11\r\n* 2 FETCH (FLAGS (\\Seen \\Recent) UID 77)\r\n"
      "* STATUS Archive (MESSAGES 4)\r\n* LIST () \"/\" New\r\n* 3 RECENT\r\n* FLAGS (\\Seen)\r\n* ENABLED\r\n* ENABLED XYZ\r\n";
  const std::vector<std::string> noted = {"exists 23",       "expunge",          "vanished 7,9:11",
                                          "fetch 77 \\Seen", "status Archive 4", "list"};
  ScriptedServer server;
  server.log_in("IMAP4rev1 NAMESPACE QUOTA IDLE")
      .answer("EXAMINE", "")
      .answer("NOOP", news)
      .answer("NAMESPACE", news + "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n")
      .answer("GETQUOTAROOT", news)
      .answer("SEARCH", news)
      .answer("UID FETCH", news);
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  ASSERT_TRUE(session->select(inbox(), patient()));
  const auto heard = [&](const std::function<bool()>& command) {
    NotingListener listener;
    session->set_listener(&listener);
    EXPECT_TRUE(command()) << server.complaint();
    return listener.notes;
  };
  EXPECT_EQ(heard([&] { return session->noop(patient()).has_value(); }), noted);
  EXPECT_EQ(heard([&] { return session->namespaces(patient()).has_value(); }), noted);
  EXPECT_EQ(heard([&] { return session->quota("INBOX", patient()).has_value(); }), noted);
  EXPECT_EQ(heard([&] { return session->search("ALL", patient()).has_value(); }), noted);
  const auto no_rows = [](const FetchRow&) { ADD_FAILURE() << "a flag change is no answer to a listing"; };
  EXPECT_EQ(heard([&] { return session->fetch(listing(), no_rows, patient()).has_value(); }), noted);
}

TEST(Namespaces, AreDecodedAndKeepTheirWireForm) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 NAMESPACE")
      .answer("NAMESPACE",
              "* NAMESPACE ((\"INBOX.\" \".\")) ((\"&ANw-ser.\" \".\")) ((\"shared.\" \".\")(\"x\" NIL))\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  const auto spaces = session->namespaces(patient());
  ASSERT_TRUE(spaces) << spaces.error().what;
  ASSERT_EQ(spaces->size(), 4u);
  EXPECT_EQ((*spaces)[0].prefix, "INBOX.");
  EXPECT_EQ((*spaces)[0].delimiter, '.');
  EXPECT_EQ((*spaces)[1].kind, Namespace::Kind::other_users);
  EXPECT_EQ((*spaces)[1].prefix, "\u00dcser.");
  EXPECT_EQ((*spaces)[1].wire_prefix, "&ANw-ser.");
  EXPECT_EQ((*spaces)[3].delimiter, 0);
}

TEST(Namespaces, WithoutTheCapabilityThereIsOneEmptyPersonalOne) {
  ScriptedServer server;
  server.log_in("IMAP4rev1");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  const auto spaces = session->namespaces(patient());
  ASSERT_TRUE(spaces);
  ASSERT_EQ(spaces->size(), 1u);
  EXPECT_TRUE((*spaces)[0].prefix.empty());
}

TEST(Quota, IsTheTightestRootAndSixtyFourBitsWide) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 QUOTA")
      .answer(
          "GETQUOTAROOT",
          "* QUOTAROOT INBOX a b\r\n* QUOTA a (MESSAGE 1 2 STORAGE 10 99999999999)\r\n* QUOTA {1}\r\nb (STORAGE 7 5000000000)\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  const auto quota = session->quota("INBOX", patient());
  ASSERT_TRUE(quota);
  ASSERT_TRUE(*quota);
  EXPECT_EQ((*quota)->used_kib, 7u);
  EXPECT_EQ((*quota)->limit_kib, 5000000000u);
}

TEST(List, CarriesStatusSpecialUseAndSubscriptionInOneCommand) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 LIST-EXTENDED LIST-STATUS SPECIAL-USE CONDSTORE STATUS=SIZE")
      .answer(
          "RETURN (SUBSCRIBED CHILDREN SPECIAL-USE STATUS (MESSAGES UIDNEXT UIDVALIDITY UNSEEN HIGHESTMODSEQ SIZE))",
          "* LIST (\\Subscribed) \"/\" Inbox\r\n* STATUS INBOX (MESSAGES 3 UIDNEXT 9 UIDVALIDITY 1 UNSEEN 2 HIGHESTMODSEQ 7 SIZE 5000000000)\r\n"
          "* LIST (\\noselect \\trash) \"/\" {5}\r\nTrash\r\n"
          "* LIST (\\NonExistent \\NoInferiors) \"/\" \"a \\\"b\\\"\" (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n"
          "* LIST () NIL \"/&ANw-ber\"\r\n* LIST nonsense\r\n* LIST () \"/\" \"\"\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  const auto list = session->list("", patient());
  ASSERT_TRUE(list) << server.complaint();
  ASSERT_EQ(list->size(), 4u);
  EXPECT_EQ((*list)[0].name, "INBOX");
  EXPECT_EQ((*list)[0].wire_name, "Inbox");
  EXPECT_TRUE((*list)[0].subscribed);
  EXPECT_EQ((*list)[0].status.size, 5000000000u);
  EXPECT_EQ((*list)[0].status.uid_next, Uid{9});
  EXPECT_EQ((*list)[1].name, "Trash");
  EXPECT_EQ((*list)[1].special_use, SpecialUse::trash);
  EXPECT_FALSE((*list)[1].selectable);
  EXPECT_EQ((*list)[2].name, "a \"b\"");
  EXPECT_FALSE((*list)[2].selectable);
  EXPECT_FALSE((*list)[2].may_have_children);
  EXPECT_EQ((*list)[3].name, "/\u00dcber");
  EXPECT_EQ((*list)[3].delimiter, 0);
}

TEST(List, ReturnThatIsRefusedIsLeftOutOnceAndForAll) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 LIST-EXTENDED LIST-STATUS")
      .answer("RETURN", "", "BAD syntax error")
      .answer("LIST \"\" \"*\"", "* LIST () \".\" INBOX\r\n")
      .answer("LIST \"\" \"INBOX.*\"", "* LIST () \".\" INBOX.a\r\n* LIST () \".\" other\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  ASSERT_TRUE(session->list("", patient())) << server.complaint();
  const auto below = session->list("INBOX.", patient());
  ASSERT_TRUE(below) << server.complaint();
  ASSERT_EQ(below->size(), 1u);
  for (const auto& line : server.received()) {
    EXPECT_FALSE(line.find("INBOX.") != std::string::npos && line.find("RETURN") != std::string::npos) << line;
  }
}

TEST(List, AnEightBitNameIsSentAsALiteral) {
  ScriptedServer server;
  server.log_in("IMAP4rev1")
      .expect("STATUS {5}")
      .send("* 9 EXISTS\r\n+ go\r\n")
      .expect_bare(
          "\xc3\x9c"
          "ber (MESSAGES UIDNEXT")
      .send(
          "* STATUS \"\xc3\x9c"
          "ber\" (MESSAGES 3 UIDNEXT NIL X (1 2) UNSEEN 1)\r\n{tag} OK\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  const auto status = session->status(
      "\xc3\x9c"
      "ber",
      patient());
  ASSERT_TRUE(status) << server.complaint() << status.error().what;
  EXPECT_EQ(status->messages, 3u);
  EXPECT_EQ(status->unseen, 1u);
  EXPECT_FALSE(status->uid_next);
}

TEST(Search, UnderstandsPlainAndExtendedAnswers) {
  ScriptedServer plain;
  plain.log_in("IMAP4rev1")
      .answer("UID SEARCH ALL", "* SEARCH 5 1 2 (MODSEQ 9) 3 x 4294967295\r\n* SEARCH 9\r\n* SEARCH\r\n");
  auto session = logged_in(plain);
  ASSERT_NE(session, nullptr);
  auto found = session->search("ALL", patient());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->to_string(), "1:3,5,9,4294967295");

  ScriptedServer extended;
  extended.log_in("IMAP4rev1 ESEARCH")
      .answer("UID SEARCH RETURN (ALL) ALL", "* ESEARCH (TAG \"F1\") UID MIN 2 ALL 2,10:11 MODSEQ 5\r\n");
  session = logged_in(extended);
  ASSERT_NE(session, nullptr);
  found = session->search("ALL", patient());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->to_string(), "2,10:11");
}

TEST(Search, AnswersLongerThanALineMayBeAreReadInPieces) {
  std::string numbers;
  std::string ranges;
  for (int i = 1; i <= 300'000; ++i) {
    numbers += ' ' + std::to_string(i * 2 + 1'000'000);
    ranges += (i == 1 ? "" : ",") + std::to_string(i * 2 + 1'000'000);
  }
  ScriptedServer server;
  server.log_in("IMAP4rev1")
      .answer("SEARCH", "* SEARCH" + numbers + "\r\n")
      .answer("NOOP", "* VANISHED " + ranges + "\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  const auto found = session->search("ALL", patient());
  ASSERT_TRUE(found) << found.error().what;
  EXPECT_EQ(found->count(), 300'000u);
  NotingListener listener;
  session->set_listener(&listener);
  ASSERT_TRUE(session->noop(patient()));
  ASSERT_EQ(listener.notes.size(), 1u);
  EXPECT_EQ(listener.notes[0].size(), std::string("vanished ").size() + ranges.size());
}

}  // namespace
}  // namespace imapfs::imap::test

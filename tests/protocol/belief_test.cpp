// What the layer above needs to know how far an answer can be believed.

#include "dialogue.hpp"

namespace imapfs::imap::test {
namespace {

TEST(SelectedMailbox, CountsItsMessagesAsTheServerTells) {
  ScriptedServer server;
  server.log_in("IMAP4rev1")
      .answer("EXAMINE", "* 10 EXISTS\r\n")
      .answer("NOOP", "* 3 EXPUNGE\r\n* 1 EXPUNGE\r\n")
      .answer("NOOP", "* VANISHED 5,7:8\r\n")
      .answer("NOOP", "* 6 EXISTS\r\n")
      .answer("NOOP", "* VANISHED 1:4294967295\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  ASSERT_TRUE(session->select(inbox(), patient()));
  EXPECT_EQ(session->selection().messages, 10U);
  for (const auto expected : {8U, 5U, 6U, 0U}) {
    ASSERT_TRUE(session->noop(patient()));
    EXPECT_EQ(session->selection().messages, expected);
  }
}

TEST(SelectedMailbox, FollowsAUidvalidityThatIsToldLater) {
  ScriptedServer server;
  server.log_in("IMAP4rev1")
      .answer("EXAMINE", "* OK [UIDVALIDITY 5] valid\r\n")
      .answer("NOOP", "* OK [UIDVALIDITY 6] made anew\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  ASSERT_TRUE(session->select(inbox(), patient()));
  ASSERT_TRUE(session->noop(patient()));
  EXPECT_EQ(session->selection().uid_validity, UidValidity{6});
}

TEST(ListWithoutInbox, IsAskedForPlainlyOnceWhereReturnIsToBlame) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 LIST-EXTENDED")
      .answer("RETURN", "* LIST () \"/\" Archive\r\n")
      .answer("LIST \"\" \"*\"", "* LIST () \"/\" Archive\r\n* LIST () \"/\" inbox\r\n")
      .answer("LIST \"\" \"*\"", "* LIST () \"/\" INBOX\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  const auto listed = session->list("", patient());
  ASSERT_TRUE(listed);
  EXPECT_EQ(listed->size(), 2U);
  ASSERT_TRUE(session->list("", patient()));
  const auto lines = server.received();
  EXPECT_EQ(lines.back().find("RETURN"), std::string::npos) << lines.back();
  EXPECT_EQ(server.complaint(), "");
}

TEST(ListWithoutInbox, IsNotBlamedOnReturnWhereThePlainOneHasNoneEither) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 LIST-EXTENDED")
      .answer("RETURN", "* LIST () \"/\" Archive\r\n")
      .answer("LIST \"\" \"*\"", "")
      .answer("RETURN", "* LIST () \"/\" INBOX\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  const auto listed = session->list("", patient());
  ASSERT_TRUE(listed);
  EXPECT_EQ(listed->size(), 1U);
  EXPECT_TRUE(session->list("", patient()));
  EXPECT_EQ(server.complaint(), "");
}

}  // namespace
}  // namespace imapfs::imap::test

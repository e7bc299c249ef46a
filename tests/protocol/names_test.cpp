// Names of mailboxes as servers write them: without quotes where they need them, with too many, in another spelling.
#include "dialogue.hpp"

namespace imapfs::imap::test {
namespace {

struct NameCase {
  const char* label;
  const char* row;   ///< what follows the delimiter
  const char* name;  ///< null: none
};
void PrintTo(const NameCase& tested, std::ostream* stream) { *stream << tested.row; }

class ListedName : public ::testing::TestWithParam<NameCase> {};

TEST_P(ListedName, IsAllThatIsNoExtension) {
  ScriptedServer server;
  server.log_in("IMAP4rev1")
      .answer("LIST", fmt::format("* LIST () \"/\" {}\r\n* LIST () \"/\" last\r\n", GetParam().row));
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  const auto list = session->list("", patient());
  ASSERT_TRUE(list) << list.error().what;
  ASSERT_EQ(list->size(), GetParam().name != nullptr ? 2u : 1u);
  EXPECT_EQ(list->front().wire_name, GetParam().name != nullptr ? GetParam().name : "last");
  EXPECT_EQ(list->back().wire_name, "last") << "the next row must not suffer";
}

INSTANTIATE_TEST_SUITE_P(
    Rows, ListedName,
    ::testing::Values(
        NameCase{"Atom", "INBOX", "INBOX"}, NameCase{"BlanksWithoutQuotes", "Sent Items", "Sent Items"},
        NameCase{"AQuoteTooMany", "\"ab\"cd\"", "ab\"cd"}, NameCase{"Quoted", "\"Sent Items\"", "Sent Items"},
        NameCase{"QuotedWithEscapes", "\"a\\\"b\"", "a\"b"},
        NameCase{"ParenthesesWithoutQuotes", "Mail (old)", "Mail (old)"},
        NameCase{"ParenthesesWithoutBlanks", "Mail(old)", "Mail(old)"}, NameCase{"BlankAtTheEnd", "INBOX ", "INBOX"},
        NameCase{"Extension", "INBOX (\"CHILDINFO\" (\"SUBSCRIBED\"))", "INBOX"},
        NameCase{"ExtensionAsAnAtom", "INBOX (CHILDINFO (SUBSCRIBED))", "INBOX"},
        NameCase{"ExtensionWithALiteral", "\"b\" (\"OLDNAME\" ({3}\r\na b))", "b"},
        NameCase{"BlanksAndAnExtension", "Sent Items (\"CHILDINFO\" (\"SUBSCRIBED\"))", "Sent Items"},
        NameCase{"EmptyExtension", "Sent Items ()", "Sent Items"},
        NameCase{"BlanksInALiteral", "{10}\r\nSent Items", "Sent Items"}, NameCase{"NilAndMore", "NIL box", "NIL box"},
        NameCase{"Nil", "NIL", nullptr}, NameCase{"QuoteThatNeverEnds", "\"Sent Items", "Sent Items"}),
    [](const auto& tested) { return std::string(tested.param.label); });

TEST(OddName, WithBlanksIsAskedForInQuotes) {
  ScriptedServer server;
  server.log_in("IMAP4rev1")
      .answer("LIST", "* LIST () \"\\\\\" Sent Items\r\n")
      .answer("EXAMINE \"Sent Items\"", "* 1 EXISTS\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  const auto list = session->list("", patient());
  ASSERT_TRUE(list && list->size() == 1u);
  EXPECT_EQ(list->front().delimiter, '\\');
  auto request = inbox();
  request.mailbox = list->front().wire_name;
  EXPECT_TRUE(session->select(request, patient())) << server.complaint();
}

TEST(OddName, HasItsStatusHoweverBothAreWritten) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 LIST-STATUS")
      .answer("RETURN (STATUS",
              "* LIST () \"/\" INBOX\r\n* LIST () \"/\" \"Sent Items\"\r\n* STATUS Sent Items (MESSAGES 3)\r\n"
              "* LIST () \"/\" Mail (old)\r\n* STATUS Mail (old) (MESSAGES 4)\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  const auto list = session->list("", patient());
  ASSERT_TRUE(list && list->size() == 3u) << server.complaint();
  EXPECT_EQ((*list)[1].status.messages, 3u);
  EXPECT_EQ((*list)[2].status.messages, 4u);
}

struct StatusCase {
  const char* label;
  const char* rows;
  int messages;  ///< -1: an error
  std::vector<std::string> news = {};
};
void PrintTo(const StatusCase& tested, std::ostream* stream) { *stream << tested.label; }

class StatusOfSentItems : public ::testing::TestWithParam<StatusCase> {};

TEST_P(StatusOfSentItems, IsTheRowOfThatNameOrTheOnlyOne) {
  ScriptedServer server;
  server.log_in("IMAP4rev1").answer("STATUS \"Sent Items\"", GetParam().rows);
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  NotingListener listener;
  session->set_listener(&listener);
  const auto status = session->status("Sent Items", patient());
  if (GetParam().messages < 0) {
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().errnum, EIO);
  } else {
    ASSERT_TRUE(status) << status.error().what;
    EXPECT_EQ(status->messages, static_cast<std::uint32_t>(GetParam().messages));
  }
  EXPECT_EQ(listener.notes, GetParam().news);
}

INSTANTIATE_TEST_SUITE_P(
    Rows, StatusOfSentItems,
    ::testing::Values(
        StatusCase{"Unquoted", "* STATUS Sent Items (MESSAGES 3)\r\n", 3},
        StatusCase{"OtherCase", "* STATUS \"sent items\" (MESSAGES 3)\r\n", 3},
        StatusCase{"OtherEncoding", "* STATUS \"&AFM-ent Items\" (MESSAGES 3)\r\n", 3},
        StatusCase{"WithoutAName", "* STATUS (MESSAGES 3)\r\n", 3},
        StatusCase{
            "NewsOfAnother", "* STATUS a (MESSAGES 9)\r\n* STATUS \"Sent Items\" (MESSAGES 3)\r\n", 3, {"status a 9"}},
        StatusCase{
            "NewsBehindIt", "* STATUS \"Sent Items\" (MESSAGES 3)\r\n* STATUS a (MESSAGES 9)\r\n", 3, {"status a 9"}},
        StatusCase{"SeveralOfOthers",
                   "* STATUS a (MESSAGES 9)\r\n* STATUS b (MESSAGES 8)\r\n",
                   -1,
                   {"status a 9", "status b 8"}},
        StatusCase{"None", "", -1}),
    [](const auto& tested) { return std::string(tested.param.label); });

TEST(QuotaRoot, MayHaveBlanksInItsName) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 QUOTA")
      .answer("GETQUOTAROOT", "* QUOTAROOT INBOX User quota\r\n* QUOTA User quota (STORAGE 7 100)\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  const auto quota = session->quota("INBOX", patient());
  ASSERT_TRUE(quota && *quota);
  EXPECT_EQ((*quota)->limit_kib, 100u);
}

TEST(Rights, AreThoseOfAMailboxWithBlanksInItsName) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 ACL").answer("MYRIGHTS", "* MYRIGHTS Sent Items lrs\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  const auto rights = session->my_rights("Sent Items", patient());
  ASSERT_TRUE(rights && *rights);
  EXPECT_EQ(**rights, "lrs");
}

}  // namespace
}  // namespace imapfs::imap::test

// CREATE, DELETE, RENAME, SUBSCRIBE and MYRIGHTS, and the errno table of imapfs(7) for every command that changes
// something.
#include "change_dialogue.hpp"

namespace imapfs::imap::test {
namespace {

TEST(MailboxCommands, SayWhatTheyAreAskedFor) {
  ScriptedServer server;
  server.log_in("IMAP4rev1")
      .answer("CREATE \"a b\"", "* LIST () \"/\" \"a b\"\r\n")
      .answer("SUBSCRIBE \"a b\"", "")
      .answer("RENAME \"a b\" \"c\\\"d\"", "")
      .answer("UNSUBSCRIBE \"a b\"", "")
      .answer("DELETE \"c\\\"d\"", "");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  NotingListener listener;
  session->set_listener(&listener);
  EXPECT_TRUE(session->create_mailbox("a b", patient())) << server.complaint();
  EXPECT_TRUE(session->subscribe("a b", true, patient())) << server.complaint();
  EXPECT_TRUE(session->rename_mailbox("a b", "c\"d", patient())) << server.complaint();
  EXPECT_TRUE(session->subscribe("a b", false, patient())) << server.complaint();
  EXPECT_TRUE(session->delete_mailbox("c\"d", patient())) << server.complaint();
  EXPECT_EQ(listener.notes, std::vector<std::string>{"list"});
}

TEST(MailboxCommands, ALineBreakInANameIsEINVALAndNothingIsSent) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 ACL").answer("NOOP", "");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  const std::string bad = "A\r\nF9 LOGOUT";
  for (const auto& error :
       {error_of(session->create_mailbox(bad, patient())), error_of(session->delete_mailbox(bad, patient())),
        error_of(session->rename_mailbox("a", bad, patient())), error_of(session->rename_mailbox(bad, "a", patient())),
        error_of(session->subscribe(bad, true, patient())), error_of(session->my_rights(bad, patient()))}) {
    expect_error(error, EINVAL, Scope::request, Retry::never);
  }
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

TEST(MailboxCommands, LostInBetweenHaveAnUnknownOutcome) {
  using Change = std::function<Result<void>(Session&)>;
  const std::vector<Change> changes = {
      [](Session& session) { return session.create_mailbox("a", patient()); },
      [](Session& session) { return session.delete_mailbox("a", patient()); },
      [](Session& session) { return session.rename_mailbox("a", "b", patient()); },
      [](Session& session) { return session.subscribe("a", true, patient()); },
  };
  for (const auto& change : changes) {
    ScriptedServer server;
    server.log_in("IMAP4rev1").expect("\"a\"").hang_up();
    const auto session = logged_in(server);
    ASSERT_NE(session, nullptr);
    expect_unknown_outcome(error_of(change(*session)));
  }
}

TEST(MailboxCommands, WhatIsSelectedIsLeftBeforeItIsDeletedOrRenamed) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 UNSELECT")
      .answer("SELECT \"a/b\"", "", "OK [READ-WRITE] x")
      .answer("UNSELECT", "")
      .answer("DELETE \"a/b\"", "")
      .answer("SELECT \"a/b\"", "", "OK [READ-WRITE] x")
      .answer("UNSELECT", "", "NO but anyway")
      .answer("RENAME \"a\" \"c\"", "");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  auto request = inbox_for_writing();
  request.mailbox = "a/b";
  ASSERT_TRUE(session->select(request, patient()));
  EXPECT_TRUE(session->delete_mailbox("a/b", patient())) << server.complaint();
  EXPECT_EQ(session->selected(), "");
  ASSERT_TRUE(session->select(request, patient()));
  EXPECT_TRUE(session->rename_mailbox("a", "c", patient())) << server.complaint();
  EXPECT_EQ(session->selected(), "");
}

TEST(MailboxCommands, WithoutUnselectTheSelectionIsForgottenAndNothingIsExpunged) {
  ScriptedServer server;
  open_inbox(server, "IMAP4rev1 UIDPLUS");
  server.answer("DELETE \"INBOX\"", "");
  const auto session = in_inbox(server);
  ASSERT_NE(session, nullptr);
  EXPECT_TRUE(session->delete_mailbox("INBOX", patient())) << server.complaint();
  EXPECT_EQ(session->selected(), "");
}

TEST(MailboxCommands, AnotherMailboxStaysSelected) {
  ScriptedServer server;
  open_inbox(server);
  server.answer("DELETE \"a\"", "");
  const auto session = in_inbox(server);
  ASSERT_NE(session, nullptr);
  EXPECT_TRUE(session->delete_mailbox("a", patient())) << server.complaint();
  EXPECT_EQ(session->selected(), "INBOX");
}

// -- MYRIGHTS --

struct RightsCase {
  const char* name;
  const char* row;
  std::optional<std::string> rights;
};

class MyRights : public ::testing::TestWithParam<RightsCase> {};

TEST_P(MyRights, AreTakenFromTheRowOfThatMailbox) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 ACL").answer("MYRIGHTS \"INBOX\"", GetParam().row).answer("NOOP", "");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  const auto rights = session->my_rights("INBOX", patient());
  ASSERT_TRUE(rights) << rights.error().what << server.complaint();
  EXPECT_EQ(*rights, GetParam().rights);
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

const RightsCase rights_cases[] = {
    {"AsAnAtom", "* MYRIGHTS INBOX lrswipkxte\r\n", "lrswipkxte"},
    {"InQuotes", "* MYRIGHTS \"inbox\" \"lr\"\r\n", "lr"},
    {"AsALiteral", "* MYRIGHTS {5}\r\nINBOX {2}\r\nlr\r\n", "lr"},
    {"None", "* MYRIGHTS INBOX \"\"\r\n", ""},
    {"OfAnotherMailbox", "* MYRIGHTS Archive lr\r\n", {}},
    {"Missing", "", {}},
    {"WithoutLetters", "* MYRIGHTS INBOX\r\n", ""},
    {"WithOtherCharacters", "* MYRIGHTS INBOX \"l r\x01S9\"\r\n", "lr9"},
    {"InTheLettersOfRfc2086", "* MYRIGHTS INBOX lrswipcda\r\n", "lrswipcdakxte"},
    {"WithBothKindsOfLetters", "* MYRIGHTS INBOX lrswipkcd\r\n", "lrswipkcd"},
};
INSTANTIATE_TEST_SUITE_P(Mailbox, MyRights, ::testing::ValuesIn(rights_cases),
                         [](const auto& parameter) { return std::string(parameter.param.name); });

TEST(MyRightsOfAServer, WithoutAclAreUnknownAndNothingIsSent) {
  ScriptedServer server;
  server.log_in("IMAP4rev1").answer("NOOP", "");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(session->my_rights("INBOX", patient()).value(), std::nullopt);
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

TEST(MyRightsOfAServer, ThatSendsALongLineAreBounded) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 ACL").answer("MYRIGHTS", "* MYRIGHTS INBOX " + std::string(100'000, 'l') + "\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  const auto rights = session->my_rights("INBOX", patient());
  ASSERT_TRUE(rights) << server.complaint();
  EXPECT_LE(rights->value().size(), 64u);
}

// -- the errno table --

struct ChangeRefusal {
  const char* name;  ///< of the test
  const char* command;
  const char* answer;
  int errnum;
  Scope scope = Scope::request;
  Retry retry = Retry::never;
};

std::ostream& operator<<(std::ostream& stream, const ChangeRefusal& refusal) {
  return stream << refusal.command << ": " << refusal.answer;
}

class ChangeRefusedWith : public ::testing::TestWithParam<ChangeRefusal> {};

Error error_of_changing(Session& session, std::string_view command) {
  const auto one = UidSet::single(Uid{7});
  TextSource source("Subject: x\r\n\r\n");
  if (command == "APPEND") return error_of(session.append(into("A"), source, patient()));
  if (command == "UID COPY") return error_of(session.copy(one, "A", patient()));
  if (command == "UID MOVE") return error_of(session.move(one, "A", patient()));
  if (command == "UID STORE") return error_of(session.store_flags(one, {{}, FlagSet::parse("\\Seen")}, patient()));
  if (command == "UID EXPUNGE") return error_of(session.expunge(one, patient()));
  if (command == "CREATE") return error_of(session.create_mailbox("A", patient()));
  if (command == "DELETE") return error_of(session.delete_mailbox("A", patient()));
  if (command == "RENAME") return error_of(session.rename_mailbox("A", "B", patient()));
  if (command == "SUBSCRIBE") return error_of(session.subscribe("A", true, patient()));
  return error_of(session.my_rights("A", patient()));
}

TEST_P(ChangeRefusedWith, GivesItsErrorAndTheSessionGoesOn) {
  const auto& expected = GetParam();
  ScriptedServer server;
  open_inbox(server, "IMAP4rev1 UIDPLUS MOVE ACL");
  server.answer(expected.command, "", expected.answer).answer("NOOP", "");
  const auto session = in_inbox(server);
  ASSERT_NE(session, nullptr);
  const auto error = error_of_changing(*session, expected.command);
  expect_error(error, expected.errnum, expected.scope, expected.retry);
  EXPECT_NE(error.what.find(fmt::format("{}: server answered", expected.command)), std::string::npos) << error.what;
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

const ChangeRefusal change_refusals[] = {
    {"AppendTrycreate", "APPEND", "NO [TRYCREATE] create it first", ENOENT, Scope::mailbox},
    {"CopyTrycreate", "UID COPY", "NO [TRYCREATE] create it first", ENOENT, Scope::mailbox},
    {"MoveNonexistent", "UID MOVE", "NO [NONEXISTENT] no such mailbox", ENOENT, Scope::mailbox},
    {"DeleteNonexistent", "DELETE", "NO [NONEXISTENT] no such mailbox", ENOENT, Scope::mailbox},
    {"DeleteNonexistentInWords", "DELETE", "NO Mailbox does not exist", ENOENT, Scope::mailbox},
    {"RenameNonexistent", "RENAME", "NO [NONEXISTENT] no such mailbox", ENOENT, Scope::mailbox},
    {"SubscribeNonexistent", "SUBSCRIBE", "NO [NONEXISTENT] no such mailbox", ENOENT, Scope::mailbox},
    {"CreateAlreadyexists", "CREATE", "NO [ALREADYEXISTS] it is there", EEXIST},
    {"CreateAlreadyexistsInWords", "CREATE", "NO Mailbox already exists", EEXIST},
    {"RenameAlreadyexists", "RENAME", "NO [ALREADYEXISTS] it is there", EEXIST},
    {"AppendNoperm", "APPEND", "NO [NOPERM] no", EACCES},
    {"CreateNoperm", "CREATE", "NO [NOPERM] no", EACCES},
    {"StoreNopermInWords", "UID STORE", "NO Permission denied", EACCES},
    {"MyrightsNoperm", "MYRIGHTS", "NO [NOPERM] no", EACCES},
    {"StoreReadOnly", "UID STORE", "NO [READ-ONLY] it became so", EROFS, Scope::mailbox},
    {"ExpungeReadOnlyInWords", "UID EXPUNGE", "NO Mailbox is read-only", EROFS, Scope::mailbox},
    {"AppendOverquota", "APPEND", "NO [OVERQUOTA] full", EDQUOT},
    {"CopyOverquota", "UID COPY", "NO [OVERQUOTA] full", EDQUOT},
    {"MoveOverquotaInWords", "UID MOVE", "NO Quota exceeded", EDQUOT},
    {"CreateLimit", "CREATE", "NO [LIMIT] too many mailboxes", EAGAIN, Scope::request, Retry::later},
    {"DeleteInuse", "DELETE", "NO [INUSE] locked", EBUSY, Scope::request, Retry::later},
    {"AppendUnavailable", "APPEND", "NO [UNAVAILABLE] later", EAGAIN, Scope::request, Retry::later},
    {"AppendThrottled", "APPEND", "BAD Request is throttled. Suggested Backoff Time: 99 milliseconds", EAGAIN,
     Scope::request, Retry::later},
    {"CreateCannot", "CREATE", "NO [CANNOT] no such name", EPERM},
    {"DeleteCannot", "DELETE", "NO [CANNOT] INBOX stays", EPERM},
    {"AppendToobig", "APPEND", "NO [TOOBIG] too big", EFBIG},
    {"AppendAppendlimit", "APPEND", "NO [APPENDLIMIT 99] too big", EFBIG},
    {"CopyExpungeissued", "UID COPY", "NO [EXPUNGEISSUED] gone", ENOENT, Scope::message},
    {"MoveExpungeissuedInWords", "UID MOVE", "NO Some messages no longer exist", ENOENT, Scope::message},
    {"StoreExpungeissued", "UID STORE", "NO [EXPUNGEISSUED] gone", ENOENT, Scope::message},
    {"DeleteHaschildren", "DELETE", "NO [HASCHILDREN] it has", ENOTEMPTY},
    {"DeleteHaschildrenInWords", "DELETE", "NO Name \"a\" has inferior hierarchical names", ENOTEMPTY},
    {"DeleteChildrenInWords", "DELETE", "NO Mailbox has children, delete them first.", ENOTEMPTY},
    {"StoreNotsaved", "UID STORE", "NO [NOTSAVED] no result", EIO},
    {"AppendServerbug", "APPEND", "NO [SERVERBUG] sorry", EIO},
    {"AppendCorruption", "APPEND", "NO [CORRUPTION] sorry", EIO, Scope::mailbox},
    {"CreateContactadmin", "CREATE", "NO [CONTACTADMIN] ask them", EACCES},
    {"AppendUnknown", "APPEND", "NO sorry", EPERM},
    {"CopyUnknown", "UID COPY", "NO sorry", EPERM},
    {"CreateUnknownCode", "CREATE", "NO [X-FUTURE 5] sorry", EPERM},
    {"MyrightsUnknown", "MYRIGHTS", "NO sorry", EIO},
    {"AppendSyntaxError", "APPEND", "BAD syntax error", EIO},
    {"RenameSyntaxError", "RENAME", "BAD syntax error", EIO},
};
INSTANTIATE_TEST_SUITE_P(ChangingCommand, ChangeRefusedWith, ::testing::ValuesIn(change_refusals),
                         [](const auto& parameter) { return std::string(parameter.param.name); });

}  // namespace
}  // namespace imapfs::imap::test

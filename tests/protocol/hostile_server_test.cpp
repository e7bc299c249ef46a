// Servers that crash, flood or trick clients: every case ends in an Error or a sane session, in bounded memory.
#include <sys/resource.h>

#include "dialogue.hpp"

namespace imapfs::imap::test {
namespace {

long peak_kilobytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

std::string repeated(std::string_view text, std::size_t count) {
  std::string result;
  result.reserve(text.size() * count);
  for (std::size_t i = 0; i < count; ++i) result += text;
  return result;
}

/// What the session says to NOOP after the server has sent `text` first.
Result<void> noop_after(const std::string& text) {
  ScriptedServer server;
  server.log_in("IMAP4rev1").answer("NOOP", text).answer("NOOP", "");
  auto session = logged_in(server);
  if (session == nullptr) return fail(EIO, "no session");
  NotingListener listener;
  session->set_listener(&listener);
  if (auto first = session->noop(patient()); !first) return first;
  return session->noop(patient());
}

TEST(HostileGreeting, BadCharsetAndPermanentFlagsAreHarmless) {
  for (const auto* greeting : {"* OK [BADCHARSET (\"x\")] hi\r\n", "* OK [PERMANENTFLAGS (] hi\r\n",
                               "* OK [PERMANENTFLAGS (\\Seen \\* ((((] hi\r\n", "* OK [\r\n"}) {
    ScriptedServer server;
    server.send(greeting)
        .answer("CAPABILITY", "* CAPABILITY IMAP4rev1\r\n")
        .answer("LOGIN", "", "OK [BADCHARSET (\"x\")] in")
        .answer("CAPABILITY", "* CAPABILITY IMAP4rev1\r\n");
    EXPECT_NE(logged_in(server), nullptr) << greeting << server.complaint();
  }
}

TEST(HostileServer, CrashingFormsNeverReachLibetpan) {
  EXPECT_TRUE(noop_after("* OK [BADCHARSET (\"x\")] x\r\n"));
  EXPECT_TRUE(noop_after("* OK [PERMANENTFLAGS (\r\n"));
  EXPECT_TRUE(noop_after("* NAMESPACE ((((((((((((\r\n* ID (\"a\"\r\n* CAPABILITY\r\n"));
  EXPECT_TRUE(noop_after("* 1 FETCH (BODYSTRUCTURE " + repeated("(", 20'000) + repeated(")", 20'000) + ")\r\n"));
  EXPECT_TRUE(noop_after("* 99999999999999999999 EXISTS\r\n* 1 EXPUNGE\r\n* XYZZY whatever\r\n"));
}

TEST(HostileServer, ALineOfAHundredMegabytesEndsTheSessionInBoundedMemory) {
  const auto before = peak_kilobytes();
  ScriptedServer server;
  server.log_in("IMAP4rev1").expect("NOOP").send("* OK ").flood(repeated("x", 1 << 20), 100);
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  const auto outcome = session->noop(patient());
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().scope, Scope::session);
  EXPECT_LT(peak_kilobytes() - before, 20 * 1024);
}

TEST(HostileServer, AFloodOfStatusLinesDoesNotGrowMemory) {
  const auto before = peak_kilobytes();
  ScriptedServer server;
  server.log_in("IMAP4rev1").expect("NOOP").flood(repeated("* OK still here\r\n", 4096), 300).send("{tag} OK\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  EXPECT_TRUE(session->noop(patient()));
  EXPECT_LT(peak_kilobytes() - before, 20 * 1024);
}

TEST(HostileServer, AnEndlessFloodEndsAtTheDeadline) {
  ScriptedServer server;
  server.log_in("IMAP4rev1").expect("NOOP").flood(repeated("* OK still here\r\n", 4096), 1'000'000'000);
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  const auto outcome = session->noop(CallContext::within(std::chrono::milliseconds(200)));
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().errnum, ETIMEDOUT);
  EXPECT_EQ(outcome.error().scope, Scope::session);
}

// AddressSanitizer keeps up to 256 MiB that were freed, ThreadSanitizer shadows what is used.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr long most_kilobytes = (150 + 512) * 1024;
#else
constexpr long most_kilobytes = 150 * 1024;
#endif

/// What a command ends with that the server answers without end, and by how much memory has grown.
void expect_an_end(const std::string& capabilities, const std::string& command, const std::string& piece,
                   const std::function<Result<void>(Session&)>& run) {
  SCOPED_TRACE(command + " answered by " + piece.substr(0, 40));
  const auto before = peak_kilobytes();
  ScriptedServer server;
  server.log_in(capabilities).answer("EXAMINE", "* 3 EXISTS\r\n").expect(command).flood(piece, 100'000);
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  ASSERT_TRUE(session->select(inbox(), patient()));
  const auto outcome = run(*session);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().errnum, EIO) << outcome.error().what;
  EXPECT_EQ(outcome.error().scope, Scope::session);
  EXPECT_EQ(outcome.error().retry, Retry::never) << "asked again, the server would answer the same";
  EXPECT_LT(peak_kilobytes() - before, most_kilobytes);
}

Result<void> list_all(Session& session) {
  auto listed = session.list("", patient());
  if (!listed) return fail(std::move(listed).error());
  return {};
}

TEST(EndlessAnswer, OfLongMailboxNamesIsBoundedInOctets) {
  const std::string name(4000, 'n');
  expect_an_end("IMAP4rev1", "LIST", repeated("* LIST () \"/\" \"" + name + "\"\r\n", 16), list_all);
  expect_an_end("IMAP4rev1", "LIST", repeated("* LIST () \"/\" x\r\n", 4096), list_all);
  int number = 0;
  std::string statuses;
  for (; number < 64; ++number) statuses += fmt::format("* STATUS \"{}{}\" (MESSAGES 1)\r\n", name, number);
  expect_an_end("IMAP4rev1 LIST-STATUS", "LIST", statuses, list_all);
}

TEST(EndlessAnswer, OfNamespacesIsBoundedInOctets) {
  const std::string row = "* NAMESPACE ((\"" + std::string(4000, 'n') + "\" \"/\")) NIL NIL\r\n";
  expect_an_end("IMAP4rev1 NAMESPACE", "NAMESPACE", repeated(row, 16), [](Session& session) -> Result<void> {
    auto spaces = session.namespaces(patient());
    if (!spaces) return fail(std::move(spaces).error());
    return {};
  });
}

TEST(EndlessAnswer, OfUidsIsBoundedInOctetsInAnyOrder) {
  std::string descending;
  for (std::uint32_t uid = UINT32_MAX; uid > UINT32_MAX - 2 * 5'000'000; uid -= 2)
    descending += ' ' + std::to_string(uid);
  const auto search = [](Session& session) -> Result<void> {
    auto found = session.search("ALL", patient());
    if (!found) return fail(std::move(found).error());
    return {};
  };
  expect_an_end("IMAP4rev1", "UID SEARCH", "* SEARCH" + descending + "\r\n", search);
}

TEST(EndlessAnswer, OfCapabilitiesAtTheLoginIsBoundedInOctets) {
  std::string row = "* CAPABILITY";
  for (int i = 0; i < 400; ++i) row += fmt::format(" X-{:0>120}", i);
  ScriptedServer server;
  server.send("* OK hello\r\n").expect("CAPABILITY").flood(row + "\r\n", 1'000'000);
  const auto error = refused_login(server);
  EXPECT_EQ(error.errnum, EIO) << error.what;
}

Result<void> fetch_all(Session& session) {
  return session.fetch(
      listing(), [](const FetchRow&) {}, patient());
}

TEST(EndlessAnswer, OfRowsEndsWithTheMessagesThereAre) {
  const auto rows = [](std::uint32_t first, int step) {
    std::string text;
    for (int i = 0; i < 4096; ++i)
      text += fmt::format("* 1 FETCH (UID {} RFC822.SIZE 5)\r\n", first + static_cast<std::uint32_t>(i * step));
    return text;
  };
  expect_an_end("IMAP4rev1", "UID FETCH", rows(1, 1), fetch_all);
  expect_an_end("IMAP4rev1", "UID FETCH", rows(4'000'000'000, -7), fetch_all);
}

TEST(EndlessAnswer, OfUidsBeyondTheNumbersThereAreEndsAtTheFirst) {
  for (const auto* uid : {"4294967296", "18446744073709551617"}) {
    const auto row = fmt::format("* 1 FETCH (UID {} RFC822.SIZE 5)\r\n", uid);
    expect_an_end("IMAP4rev1", "UID FETCH", row, fetch_all);
  }
}

TEST(EndlessAnswer, IsNotWhatALargeMailboxGives) {
  constexpr int messages = 30'000;
  std::string rows;
  for (int i = 1; i <= messages; ++i) rows += fmt::format("* {} FETCH (UID {} RFC822.SIZE 5)\r\n", i, i);
  ScriptedServer server;
  server.log_in("IMAP4rev1")
      .answer("EXAMINE", "* 3 EXISTS\r\n")
      .answer("UID FETCH", fmt::format("* {} EXISTS\r\n", messages) + rows + rows);
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  ASSERT_TRUE(session->select(inbox(), patient()));
  EXPECT_TRUE(fetch_all(*session)) << "messages that have come since count";
}

TEST(HostileServer, AFloodOfBlankLinesIsCutShort) {
  const auto outcome = noop_after(repeated("\r\n", 100'000));
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().scope, Scope::session);
}

TEST(HostileServer, FewBlankAndForeignLinesAreSkipped) {
  EXPECT_TRUE(noop_after("\r\n\r\nhello?\r\n*\r\nX9 OK not yours\r\n"));
}

TEST(HostileServer, LiteralLengthsDoNotWrap) {
  for (const auto* length : {"4294967301", "18446744073709551621", "9223372036854775808", "99999999999999999999999"}) {
    ScriptedServer server;
    server.log_in("IMAP4rev1")
        .answer("EXAMINE", "")
        .expect("UID FETCH")
        .send(fmt::format("* 1 FETCH (UID 5 BODY[] {{{}}}\r\nHello)\r\n{{tag}} OK\r\n", length))
        .hang_up();
    const auto session = logged_in(server);
    ASSERT_NE(session, nullptr);
    ASSERT_TRUE(session->select(inbox(), patient()));
    NotingSink sink;
    const auto outcome = session->fetch_body(Uid{5}, {}, sink, patient());
    ASSERT_FALSE(outcome) << length;
    EXPECT_EQ(outcome.error().scope, Scope::session);
    EXPECT_TRUE(sink.begun == 0 || sink.announced == 4294967301u);
  }
}

TEST(HostileServer, NulsAreOrdinaryOctetsAndDroppedAtTheStart) {
  using namespace std::string_literals;
  EXPECT_TRUE(noop_after("\0\0* 3 EXISTS\r\n* OK a\0b\r\n\0"s));
}

TEST(HostileServer, ALiteralWhereNoneBelongsCannotSmuggleResponses) {
  ScriptedServer server;
  server.log_in("IMAP4rev1")
      .answer(
          "NOOP",
          "* 1 FETCH (FLAGS (\\Seen {14}\r\n* 666 EXISTS\r\n) X {14}\r\n* 667 EXISTS\r\n UID 7)\r\n* XYZ {14}\r\n* 668 EXISTS\r\n\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  NotingListener listener;
  session->set_listener(&listener);
  ASSERT_TRUE(session->noop(patient()));
  ASSERT_EQ(listener.notes.size(), 1u);
  EXPECT_TRUE(listener.notes[0].starts_with("fetch"));
}

TEST(HostileServer, AnAnnouncedLiteralInStatusTextIsText) {
  EXPECT_TRUE(noop_after("* OK there are {500}\r\n* NO not {5}\r\n"));
}

TEST(HostileServer, MailboxNamesCannotInjectCommands) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 QUOTA");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  const auto sent = server.received().size();
  for (const auto& name : {std::string("a\r\nX DELETE INBOX"), std::string("a\nb"), std::string("a\0b", 3)}) {
    auto request = inbox();
    request.mailbox = name;
    EXPECT_EQ(session->select(request, patient()).error().errnum, EINVAL);
    EXPECT_EQ(session->status(name, patient()).error().errnum, EINVAL);
    EXPECT_EQ(session->list(name, patient()).error().errnum, EINVAL);
    EXPECT_EQ(session->quota(name, patient()).error().errnum, EINVAL);
    EXPECT_EQ(session->search(name, patient()).error().errnum, EINVAL);
    EXPECT_EQ(session->fetch_header_fields(Uid{1}, {name}, patient()).error().errnum, EINVAL);
  }
  EXPECT_EQ(server.received().size(), sent);
}

TEST(HostileServer, QuotesInMailboxNamesAreEscaped) {
  ScriptedServer server;
  server.log_in("IMAP4rev1").answer("EXAMINE \"a\\\"b\\\\c\"", "");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  auto request = inbox();
  request.mailbox = "a\"b\\c";
  EXPECT_TRUE(session->select(request, patient())) << server.complaint();
}

TEST(HostileServer, AMuteServerEndsAtTheDeadlineAndDestructionSaysNothing) {
  ScriptedServer server;
  server.log_in("IMAP4rev1").expect("NOOP").expect("LOGOUT");
  auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  const auto outcome = session->noop(CallContext::within(std::chrono::milliseconds(50)));
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().errnum, ETIMEDOUT);
  EXPECT_EQ(session->noop(patient()).error().scope, Scope::session);
  const auto started = SteadyClock::now();
  session.reset();
  EXPECT_LT(SteadyClock::now() - started, std::chrono::seconds(5));
  for (const auto& line : server.received()) EXPECT_EQ(line.find("LOGOUT"), std::string::npos);
}

TEST(HostileServer, ServerUnavailableWithoutATagMeansLater) {
  const auto outcome = noop_after("Server Unavailable. 15\r\n");
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().scope, Scope::session);
  EXPECT_EQ(outcome.error().retry, Retry::later);
}

TEST(LostConnection, AtEveryOctetOfAFetchIsAnErrorOfScopeSession) {
  const std::string dialogue =
      "* 1 FETCH (UID 5 FLAGS (\\Seen) INTERNALDATE \"21-Nov-2026 10:00:00 +0100\" RFC822.SIZE 12 "
      "BODY[HEADER.FIELDS (SUBJECT)] {16}\r\nSubject: hello\r\n)\r\n* 2 EXISTS\r\n";
  for (std::size_t cut = 0; cut <= dialogue.size(); ++cut) {
    ScriptedServer server;
    server.log_in("IMAP4rev1")
        .answer("EXAMINE", "* 1 EXISTS\r\n")
        .expect("UID FETCH")
        .send(dialogue.substr(0, cut))
        .hang_up();
    const auto session = logged_in(server);
    ASSERT_NE(session, nullptr);
    ASSERT_TRUE(session->select(inbox(), patient()));
    const auto outcome = session->fetch(
        listing({"Subject"}), [](const FetchRow&) {}, patient());
    ASSERT_FALSE(outcome) << "cut at " << cut;
    EXPECT_EQ(outcome.error().scope, Scope::session) << "cut at " << cut;
    EXPECT_EQ(outcome.error().retry, Retry::now);
    EXPECT_FALSE(session->noop(patient()));
  }
}

TEST(LostConnection, AtEveryOctetOfABodyIsAnErrorOfScopeSession) {
  const std::string dialogue = "* 1 FETCH (BODY[] {12}\r\nhello\r\nyou\r\n UID 5)\r\n";
  for (std::size_t cut = 0; cut <= dialogue.size(); ++cut) {
    ScriptedServer server;
    server.log_in("IMAP4rev1").answer("EXAMINE", "").expect("UID FETCH").send(dialogue.substr(0, cut)).hang_up();
    const auto session = logged_in(server);
    ASSERT_NE(session, nullptr);
    ASSERT_TRUE(session->select(inbox(), patient()));
    NotingSink sink;
    const auto outcome = session->fetch_body(Uid{5}, {}, sink, patient());
    ASSERT_FALSE(outcome) << "cut at " << cut;
    EXPECT_EQ(outcome.error().scope, Scope::session) << "cut at " << cut;
  }
}

TEST(LostConnection, AtEveryOctetOfALoginIsAnErrorOfScopeSession) {
  const std::string greeting = "* OK [CAPABILITY IMAP4rev1 ID] hello\r\n";
  for (std::size_t cut = 0; cut <= greeting.size(); ++cut) {
    ScriptedServer server;
    server.send(greeting.substr(0, cut)).hang_up();
    EXPECT_EQ(refused_login(server).scope, Scope::session) << "cut at " << cut;
  }
}

TEST(LostConnection, AfterByeHasTheReasonThatByeGave) {
  ScriptedServer server;
  server.log_in("IMAP4rev1")
      .expect("NOOP")
      .send("* BYE Request is throttled. Suggested Backoff Time: 4000 milliseconds\r\n")
      .hang_up();
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  const auto outcome = session->noop(patient());
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().scope, Scope::session);
  EXPECT_EQ(outcome.error().retry, Retry::later);
  EXPECT_NE(outcome.error().what.find("throttled"), std::string::npos);
}

}  // namespace
}  // namespace imapfs::imap::test

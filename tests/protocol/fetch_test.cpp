#include "dialogue.hpp"

namespace imapfs::imap::test {
namespace {

/// A session with INBOX selected whose next command is answered by `untagged`, and, where it
/// asks again after a NOOP, by `then`.
class Fetching {
 public:
  explicit Fetching(const std::string& untagged, const std::string& answer = "OK done",
                    const std::optional<std::string>& then = {}) {
    server.log_in("IMAP4rev1 CONDSTORE").answer("EXAMINE", "").answer("UID FETCH", untagged, answer).answer("NOOP", "");
    if (then) server.answer("UID FETCH", *then, answer).answer("NOOP", "");
    session = logged_in(server);
    if (session == nullptr) return;
    session->set_listener(&listener);
    EXPECT_TRUE(session->select(inbox(), patient()));
  }
  ~Fetching() {
    if (session == nullptr || !still_usable) return;
    EXPECT_TRUE(session->noop(patient())) << "the session must go on";
  }
  Fetching(const Fetching&) = delete;
  Fetching& operator=(const Fetching&) = delete;

  ScriptedServer server;
  NotingListener listener;
  NotingSink sink;
  std::unique_ptr<Session> session;
  bool still_usable = true;
};

struct Row {
  std::uint32_t uid;
  std::string flags;
  std::int64_t date;
  std::uint64_t size;
  std::string header;
};

std::vector<Row> rows_of(Fetching& fetching, const Session::FetchRequest& request = listing()) {
  std::vector<Row> rows;
  EXPECT_TRUE(fetching.session->fetch(
      request,
      [&](const FetchRow& row) {
        rows.push_back({row.uid.value, row.flags ? row.flags->to_string() : "?", row.internal_date.value_or(-1),
                        row.size.value_or(0), std::string(row.header_block)});
      },
      patient()));
  return rows;
}

TEST(Fetch, OfChangesTellsWhatHasGoneSinceToo) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 ENABLE CONDSTORE QRESYNC")
      .answer("EXAMINE", "")
      .answer("UID FETCH 1:9 (UID FLAGS MODSEQ) (CHANGEDSINCE 7 VANISHED)",
              "* VANISHED (EARLIER) 2,5:6\r\n* 1 FETCH (UID 4 FLAGS (\\Seen) MODSEQ (8))\r\n* VANISHED 9\r\n");
  NotingListener listener;
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  session->set_listener(&listener);
  ASSERT_TRUE(session->select(inbox(), patient()));
  Session::FetchRequest request;
  request.uids = UidSet::range(Uid{1}, Uid{9});
  request.items.flags = request.items.modseq = true;
  request.changed_since = ModSeq{7};
  std::string told;
  request.vanished = [&](const UidSet& uids) { told += "vanished " + uids.to_string() + " "; };
  ASSERT_TRUE(session->fetch(
      request, [&](const FetchRow& row) { told += fmt::format("row {} ", row.uid.value); }, patient()));
  EXPECT_EQ(told, "vanished 2,5:6 row 4 ");
  EXPECT_EQ(listener.notes, std::vector<std::string>{"vanished 9"}) << "that is news";
}

TEST(Fetch, TakesItemsInAnyOrderAndSkipsUnknownOnes) {
  Fetching fetching(
      "* 1 FETCH (X-GM-LABELS (\"\\\\Inbox\" {3}\r\na)b (nested (deep))) RFC822.SIZE 44827 UID 9 X-NEW \"v\" MODSEQ (7) "
      "INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" FLAGS (\\Seen a]b [x] $Forwarded) EMAILID (M1) BODY[TEXT]<0> {2}\r\nhi)\r\n");
  const auto rows = rows_of(fetching);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].uid, 9u);
  EXPECT_EQ(rows[0].size, 44827u);
  EXPECT_EQ(rows[0].date, 837596665);
  EXPECT_EQ(rows[0].flags, "\\Seen $Forwarded [x] a]b");
}

TEST(Fetch, TextThatIsNoUtf8ComesWithTheContentTypeThatSaysWhatItIs) {
  const auto row = [](int uid, const std::string& block) {
    return fmt::format("* {} FETCH (UID {} BODY[HEADER.FIELDS (SUBJECT)] {{{}}}\r\n{})\r\n", uid, uid, block.size(),
                       block);
  };
  const std::string koi8 = "Subject: \xc4\xc1\r\n";
  ScriptedServer server;
  server.log_in("IMAP4rev1")
      .answer("EXAMINE", "")
      .answer("(UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])",
              row(1, "Subject: a\r\n") + row(2, koi8) + row(3, "Subject: \xc3\xbc\r\n") + row(4, koi8))
      .answer("UID FETCH 2,4 (UID BODY.PEEK[HEADER.FIELDS (SUBJECT CONTENT-TYPE)])",
              row(2, koi8 + "Content-Type: text/plain; charset=koi8-r\r\n") + row(4, koi8));
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  ASSERT_TRUE(session->select(inbox(), patient()));
  Session::FetchRequest request;
  request.uids = UidSet::range(Uid{1}, Uid{9});
  request.items.header_fields = {"Subject"};
  std::vector<std::string> told;
  const auto note = [&](const FetchRow& fetched) {
    told.push_back(fmt::format("{}{}", fetched.uid.value,
                               fetched.header_block.find("koi8-r") != std::string_view::npos ? " koi8-r" : ""));
  };
  ASSERT_TRUE(session->fetch(request, note, patient())) << server.complaint();
  EXPECT_EQ(told, (std::vector<std::string>{"1", "3", "2 koi8-r", "4"})) << "each comes once";
}

TEST(Fetch, ABadDateOrSizeIsAbsentAndNoError) {
  Fetching fetching(
      "* 1 FETCH (UID 1 INTERNALDATE \"yesterday\" RFC822.SIZE 5)\r\n* 2 FETCH (UID 2 INTERNALDATE NIL RFC822.SIZE -1)\r\n"
      "* 3 FETCH (UID 3 RFC822.SIZE NIL INTERNALDATE \"01-Jan-2026 00:00:00\")\r\n");
  const auto rows = rows_of(fetching);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].date, -1);
  EXPECT_EQ(rows[0].size, 5u);
  EXPECT_EQ(rows[1].uid, 2u);
  EXPECT_EQ(rows[2].uid, 3u);
  EXPECT_EQ(rows[2].date, 1767225600);
}

TEST(Fetch, HeaderBlocksComeAsLiteralOrQuotedString) {
  Fetching fetching(
      "* 1 FETCH (UID 1 BODY[HEADER.FIELDS (\"SUBJECT\" FROM)] {14}\r\nSubject: a\r\n\r\n)\r\n"
      "* 2 FETCH (BODY[HEADER.FIELDS (SUBJECT FROM)] \"Subject: \\\"b\\\"\" UID 2)\r\n"
      "* 3 FETCH (UID 3 BODY[HEADER.FIELDS (SUBJECT FROM)] \"\")\r\n");
  const auto rows = rows_of(fetching, listing({"Subject", "From"}));
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].header, "Subject: a\r\n\r\n");
  EXPECT_EQ(rows[1].header, "Subject: \"b\"");
  EXPECT_EQ(rows[2].header, "");
}

TEST(Fetch, NoAfterRowsIsAnErrorAndTheRowsWereReal) {
  Fetching fetching("* 1 FETCH (UID 1 RFC822.SIZE 5)\r\n", "NO [EXPUNGEISSUED] Some messages were expunged");
  int rows = 0;
  const auto outcome = fetching.session->fetch(
      listing(), [&](const FetchRow&) { ++rows; }, patient());
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().errnum, ESTALE);
  EXPECT_EQ(outcome.error().scope, Scope::message);
  EXPECT_EQ(rows, 1);
}

TEST(Fetch, ARowNobodyAskedForGoesToTheListener) {
  Fetching fetching(
      "* 4 FETCH (UID 400 RFC822.SIZE 5)\r\n* 4 FETCH (FLAGS (\\Seen))\r\n* 1 FETCH (UID 2 RFC822.SIZE 6 FLAGS ())\r\n");
  auto request = listing();
  request.uids = UidSet::single(Uid{2});
  EXPECT_EQ(rows_of(fetching, request).size(), 1u);
  EXPECT_EQ(fetching.listener.notes, (std::vector<std::string>{"fetch 400 ?", "fetch 0 \\Seen"}));
}

TEST(FetchBody, StreamsALiteralWithItsLengthFirst) {
  Fetching fetching("* 1 FETCH (UID 5 BODY[] {12}\r\nhello\r\nyou\r\n)\r\n");
  ASSERT_TRUE(fetching.session->fetch_body(Uid{5}, {}, fetching.sink, patient()));
  EXPECT_EQ(fetching.sink.begun, 1);
  EXPECT_EQ(fetching.sink.announced, 12u);
  EXPECT_EQ(fetching.sink.text, "hello\r\nyou\r\n");
}

TEST(FetchBody, ALargeBodyIsNotKeptInMemory) {
  const std::size_t pieces = 64;
  ScriptedServer server;
  server.log_in("IMAP4rev1")
      .answer("EXAMINE", "")
      .expect("UID FETCH")
      .send(fmt::format("* 1 FETCH (UID 5 BODY[] {{{}}}\r\n", pieces << 20))
      .flood(std::string(1 << 20, 'm'), pieces)
      .send(")\r\n{tag} OK\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  ASSERT_TRUE(session->select(inbox(), patient()));
  NotingSink sink;
  ASSERT_TRUE(session->fetch_body(Uid{5}, {}, sink, patient()));
  EXPECT_EQ(sink.total, pieces << 20);
}

TEST(FetchBody, QuotedAndEmptyBodiesAreBodies) {
  Fetching fetching("* 1 FETCH (UID 5 BODY[] \"\")\r\n");
  ASSERT_TRUE(fetching.session->fetch_body(Uid{5}, {}, fetching.sink, patient()));
  EXPECT_EQ(fetching.sink.begun, 1);
  EXPECT_EQ(fetching.sink.announced, 0u);
}

TEST(FetchBody, NilOrNothingMeansTheMessageIsGone) {
  for (const auto* answer : {"* 1 FETCH (UID 5 BODY[] NIL)\r\n", "", "* 1 FETCH (UID 5 FLAGS (\\Seen))\r\n"}) {
    Fetching fetching(answer, "OK done", answer);
    const auto outcome = fetching.session->fetch_body(Uid{5}, {}, fetching.sink, patient());
    ASSERT_FALSE(outcome) << answer;
    EXPECT_EQ(outcome.error().errnum, ENOENT);
    EXPECT_EQ(outcome.error().scope, Scope::message);
    EXPECT_EQ(fetching.sink.begun, 0);
  }
}

TEST(FetchBody, IsThereOnceTheSessionsViewIsRenewed) {
  Fetching fetching("", "OK done", "* 1 FETCH (UID 5 BODY[] {2}\r\nok)\r\n");
  ASSERT_TRUE(fetching.session->fetch_body(Uid{5}, {}, fetching.sink, patient()));
  EXPECT_EQ(fetching.sink.announced, 2u);
}

TEST(FetchBody, OfAnotherMessageIsRefusedWhicheverWayItIsLabelled) {
  for (const auto* answer : {"* 1 FETCH (UID 6 BODY[] {5}\r\nwrong)\r\n", "* 1 FETCH (BODY[] {5}\r\nwrong UID 6)\r\n",
                             "* 1 FETCH (BODY[] {5}\r\nwrong)\r\n"}) {
    Fetching fetching(answer);
    const auto outcome = fetching.session->fetch_body(Uid{5}, {}, fetching.sink, patient());
    ASSERT_FALSE(outcome) << answer;
    EXPECT_EQ(outcome.error().errnum, EIO);
    EXPECT_EQ(outcome.error().scope, Scope::message);
  }
}

TEST(FetchBody, SentTwiceIsTakenOnce) {
  Fetching fetching("* 1 FETCH (UID 5 BODY[] {2}\r\nab BODY[] {2}\r\ncd)\r\n* 1 FETCH (UID 5 BODY[] {2}\r\nef)\r\n");
  ASSERT_TRUE(fetching.session->fetch_body(Uid{5}, {}, fetching.sink, patient()));
  EXPECT_EQ(fetching.sink.text, "ab");
}

TEST(FetchBody, ASinkThatRefusesEndsTheSession) {
  Fetching fetching("* 1 FETCH (UID 5 BODY[] {5}\r\nhello)\r\n");
  fetching.still_usable = false;
  fetching.sink.refuse_with = ENOSPC;
  const auto outcome = fetching.session->fetch_body(Uid{5}, {}, fetching.sink, patient());
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().errnum, ENOSPC);
  EXPECT_EQ(outcome.error().scope, Scope::session);
}

TEST(FetchBody, ARangeMayBeLabelledByItsStartOrInFull) {
  for (const auto* label : {"<512>", "<512.100>"}) {
    Fetching fetching(fmt::format("* 1 FETCH (UID 5 BODY[]{} {{3}}\r\nabc)\r\n", label));
    ASSERT_TRUE(fetching.session->fetch_body(Uid{5}, OctetRange{512, 100}, fetching.sink, patient())) << label;
    EXPECT_EQ(fetching.sink.text, "abc");
  }
}

TEST(FetchBody, ARangeOtherThanTheOneAskedForIsNotTaken) {
  const std::string beginning = "* 1 FETCH (UID 5 BODY[]<0> {3}\r\nabc)\r\n";
  Fetching other(beginning, "OK done", beginning);
  EXPECT_EQ(other.session->fetch_body(Uid{5}, OctetRange{512, 100}, other.sink, patient()).error().errnum, ENOENT);
  Fetching longer("* 1 FETCH (UID 5 BODY[]<512> {3}\r\nabc)\r\n");
  EXPECT_EQ(longer.session->fetch_body(Uid{5}, OctetRange{512, 2}, longer.sink, patient()).error().errnum, EIO);
  EXPECT_EQ(longer.sink.begun, 0);
}

TEST(FetchBody, HeadAndTailComeInOneCommandInEitherOrder) {
  Fetching fetching("* 1 FETCH (BODY[]<90> {3}\r\nend BODY[]<0> {4}\r\nhead UID 5)\r\n");
  NotingSink tail;
  ASSERT_TRUE(fetching.session->fetch_head_and_tail(Uid{5}, 10, {90, 10}, fetching.sink, tail, patient()));
  EXPECT_EQ(fetching.sink.text, "head");
  EXPECT_EQ(tail.text, "end");
}

TEST(FetchHeaderFields, GivesTheBlockOrSaysThatTheMessageIsGone) {
  Fetching fetching("* 1 FETCH (UID 5 BODY[HEADER.FIELDS (SUBJECT)] {12}\r\nSubject: a\r\n)\r\n");
  const auto block = fetching.session->fetch_header_fields(Uid{5}, {"Subject"}, patient());
  ASSERT_TRUE(block);
  EXPECT_EQ(*block, "Subject: a\r\n");
  Fetching gone("", "OK done", "");
  EXPECT_EQ(gone.session->fetch_header_fields(Uid{5}, {"Subject"}, patient()).error().errnum, ENOENT);
}

}  // namespace
}  // namespace imapfs::imap::test

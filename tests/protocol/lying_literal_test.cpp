// Literals whose announced length is a lie: an error of that message, and of nothing else that the server sends.
#include <algorithm>
#include <deque>

#include "dialogue.hpp"

namespace imapfs::imap::test {
namespace {

/// Counts the bodies that have come to their end.
class CountingSetSink final : public BodySetSink {
 public:
  UidSet next_set() override { return std::exchange(set_, {}); }
  Result<void> begin(Uid, std::uint64_t length) override {
    left_ = length;
    return {};
  }
  Result<void> data(std::span<const char> bytes) override {
    left_ -= bytes.size();
    return {};
  }
  Result<void> end() override {
    if (left_ == 0) ++whole;
    return {};
  }
  void answered(std::size_t) override {}
  int whole = 0;

 private:
  UidSet set_ = UidSet::range(Uid{1}, Uid{3});
  std::uint64_t left_ = 0;
};

/// A session with INBOX selected, whose next FETCH is answered by `rows`.
std::unique_ptr<Session> answered(ScriptedServer& server, const std::string& rows, NotingListener& listener) {
  server.log_in("IMAP4rev1").answer("EXAMINE", "* 3 EXISTS\r\n").answer("UID FETCH", rows).answer("NOOP", "");
  auto session = logged_in(server);
  if (session == nullptr) return nullptr;
  session->set_listener(&listener);
  EXPECT_TRUE(session->select(inbox(), patient()));
  return session;
}

void expect_a_lie(const Result<void>& outcome, Session& session, const NotingListener& listener) {
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().errnum, EIO) << outcome.error().what;
  EXPECT_EQ(outcome.error().scope, Scope::session);
  EXPECT_EQ(outcome.error().retry, Retry::never) << "the server would lie again";
  EXPECT_FALSE(session.noop(patient())) << "the connection must not go on";
  EXPECT_TRUE(listener.notes.empty()) << "mail was read as responses: " << listener.notes.front();
}

struct Lie {
  const char* name;
  const char* rows;
};
void PrintTo(const Lie& lie, std::ostream* stream) { *stream << lie.name; }

class LyingLiteral : public ::testing::TestWithParam<Lie> {};

TEST_P(LyingLiteral, IsAnErrorOfThatMessageAndItsSinkNeverGetsTheLastOctet) {
  ScriptedServer server;
  NotingListener listener;
  const auto session = answered(server, GetParam().rows, listener);
  ASSERT_NE(session, nullptr);
  NotingSink sink;
  expect_a_lie(session->fetch_body(Uid{1}, {}, sink, patient()), *session, listener);
  EXPECT_TRUE(sink.announced == 0 || sink.total < sink.announced);
}

TEST_P(LyingLiteral, EndsASetAtThatMessage) {
  ScriptedServer server;
  NotingListener listener;
  const auto session = answered(server, std::string("* 2 FETCH (UID 2 BODY[] {2}\r\nok)\r\n") + GetParam().rows,
                                listener);
  ASSERT_NE(session, nullptr);
  CountingSetSink sink;
  expect_a_lie(session->fetch_bodies(sink, std::chrono::seconds(20), patient()), *session, listener);
  EXPECT_EQ(sink.whole, 1) << "those before it are good";
}

INSTANTIATE_TEST_SUITE_P(
    Bodies, LyingLiteral,
    ::testing::Values(
        Lie{"TooShortWithinAWord", "* 1 FETCH (UID 1 BODY[] {7}\r\nSubject: a\r\n\r\nb\r\n* 9 EXISTS\r\n)\r\n"},
        Lie{"TooShortAtALineEnd", "* 1 FETCH (UID 1 BODY[] {12}\r\nSubject: a\r\n\r\n* 9 EXISTS\r\n)\r\n"},
        Lie{"TooShortBeforeASpace", "* 1 FETCH (UID 1 BODY[] {8}\r\nSubject: a\r\n\r\n* 9 EXISTS\r\n)\r\n"},
        Lie{"OfNothing", "* 1 FETCH (UID 1 BODY[] {0}\r\nSubject: a\r\n\r\n* 9 EXISTS\r\n)\r\n"},
        Lie{"ByTheLineEndThatServersAdd", "* 1 FETCH (UID 1 BODY[] {10}\r\nSubject: a\r\n)\r\n"},
        Lie{"TooLongByTheEndOfItsRow", "* 1 FETCH (UID 1 BODY[] {13}\r\nSubject: a)\r\n* 9 EXISTS\r\n"},
        Lie{"OfAnItemNobodyAskedFor", "* 1 FETCH (UID 1 X-THREAD {2}\r\nabc BODY[] {2}\r\nok)\r\n"},
        Lie{"NoLiteralButAQuoteThatNeverEnds", "* 1 FETCH (UID 1 BODY[] \"Subject: a\r\n\r\n* 9 EXISTS\r\n"}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST(LyingHeaderLiteral, EndsTheListingInsteadOfReadingMailAsResponses) {
  ScriptedServer server;
  NotingListener listener;
  const auto session = answered(
      server, "* 1 FETCH (UID 1 RFC822.SIZE 9 BODY[HEADER.FIELDS (SUBJECT)] {5}\r\nSubject: a\r\n* 9 EXISTS\r\n)\r\n",
      listener);
  ASSERT_NE(session, nullptr);
  int rows = 0;
  expect_a_lie(session->fetch(
                   listing({"Subject"}), [&](const FetchRow&) { ++rows; }, patient()),
               *session, listener);
  EXPECT_EQ(rows, 0);
}

TEST(TrueLiteral, MayBeFollowedByAnotherItemOrByRubbishBehindTheRow) {
  for (const auto* rows :
       {"* 1 FETCH (BODY[] {10}\r\nSubject: a UID 1)\r\n", "* 1 FETCH (UID 1 BODY[] {10}\r\nSubject: a) rubbish\r\n",
        "* 1 FETCH (UID 1 BODY[] {10}\r\nSubject: a  )\r\n"}) {
    ScriptedServer server;
    NotingListener listener;
    const auto session = answered(server, rows, listener);
    ASSERT_NE(session, nullptr);
    NotingSink sink;
    ASSERT_TRUE(session->fetch_body(Uid{1}, {}, sink, patient())) << rows;
    EXPECT_EQ(sink.text, "Subject: a");
    EXPECT_TRUE(session->noop(patient()));
  }
}

TEST(BodyOfAnotherMessage, NeverBecomesWhole) {
  for (const auto* rows : {"* 1 FETCH (BODY[] {5}\r\nwrong UID 6)\r\n", "* 1 FETCH (BODY[] {5}\r\nwrong)\r\n"}) {
    ScriptedServer server;
    NotingListener listener;
    const auto session = answered(server, rows, listener);
    ASSERT_NE(session, nullptr);
    NotingSink sink;
    EXPECT_FALSE(session->fetch_body(Uid{1}, {}, sink, patient()));
    EXPECT_LT(sink.total, 5u);
  }
}

}  // namespace
}  // namespace imapfs::imap::test

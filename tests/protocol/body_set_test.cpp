#include <gmock/gmock.h>

#include <deque>

#include "dialogue.hpp"

namespace imapfs::imap::test {
namespace {

/// Asks for the sets it is given and writes down what comes: "5: hello", and "5:" alone for a body that was begun and
/// not ended.
class NotingSetSink final : public BodySetSink {
 public:
  explicit NotingSetSink(std::deque<UidSet> sets) : sets_(std::move(sets)) {}
  UidSet next_set() override {
    if (sets_.empty()) return {};
    auto set = sets_.front();
    sets_.pop_front();
    return set;
  }
  Result<void> begin(Uid uid, std::uint64_t length) override {
    notes.push_back(fmt::format("{}:", uid.value));
    announced = length;
    text_.clear();
    return {};
  }
  Result<void> data(std::span<const char> bytes) override {
    if (refuse_with != 0) return fail(refuse_with, "sink is full");
    total += bytes.size();
    if (text_.size() < 100) text_.append(bytes.data(), std::min<std::size_t>(bytes.size(), 100));
    return {};
  }
  Result<void> end() override {
    notes.back() += ' ' + text_;
    return {};
  }
  void answered(std::size_t number) override { answers.push_back(number); }

  std::vector<std::string> notes;
  std::vector<std::size_t> answers;
  std::uint64_t announced = 0;
  std::uint64_t total = 0;
  int refuse_with = 0;

 private:
  std::deque<UidSet> sets_;
  std::string text_;
};

using Notes = std::vector<std::string>;

constexpr auto silence = std::chrono::seconds(20);

/// A session with INBOX selected, whose script goes on with what `continue_script` adds.
class FetchingSets {
 public:
  explicit FetchingSets(const std::function<void(ScriptedServer&)>& continue_script) {
    server.log_in("IMAP4rev1").answer("EXAMINE", "");
    continue_script(server);
    session = logged_in(server);
    if (session == nullptr) return;
    session->set_listener(&listener);
    EXPECT_TRUE(session->select(inbox(), patient()));
  }
  /// One set, answered by `untagged`, on a connection that goes on afterwards.
  static FetchingSets answered(const std::string& untagged, const std::string& answer = "OK done") {
    return FetchingSets(
        [&](ScriptedServer& server) { server.answer("UID FETCH", untagged, answer).answer("NOOP", ""); });
  }
  Result<void> fetch(NotingSetSink& sink) { return session->fetch_bodies(sink, silence, patient()); }
  void expect_usable() { EXPECT_TRUE(session->noop(patient())) << "the session must go on"; }

  ScriptedServer server;
  NotingListener listener;
  std::unique_ptr<Session> session;
};

UidSet uids(std::uint32_t first, std::uint32_t last) { return UidSet::range(Uid{first}, Uid{last}); }

TEST(FetchBodySet, StreamsEachBodyToItsMessageInTheOrderReceived) {
  auto f = FetchingSets::answered(
      "* 2 FETCH (UID 6 BODY[] {5}\r\nhello)\r\n* 1 FETCH (FLAGS (\\Seen) UID 5 BODY[] \"you\")\r\n"
      "* 3 FETCH (UID 7 BODY[] {0}\r\n)\r\n");
  NotingSetSink sink({uids(5, 7)});
  ASSERT_TRUE(f.fetch(sink));
  EXPECT_EQ(sink.notes, (Notes{"6: hello", "5: you", "7: "}));
  EXPECT_THAT(f.server.received().back(), ::testing::HasSubstr("UID FETCH 5:7 (UID BODY.PEEK[])"));
  f.expect_usable();
}

TEST(FetchBodySet, TheNextSetIsAskedForBeforeTheLastIsAnswered) {
  FetchingSets f([](ScriptedServer& server) {
    server.expect("UID FETCH 1:2 ")
        .expect("UID FETCH 3:4 ")
        .send("* 1 FETCH (UID 1 BODY[] {1}\r\na)\r\n* 2 FETCH (UID 2 BODY[] {1}\r\nb)\r\n{previous tag} OK\r\n")
        .send("* 3 FETCH (UID 3 BODY[] {1}\r\nc)\r\n")
        .expect("UID FETCH 5 ")
        .send(
            "* 4 FETCH (UID 4 BODY[] {1}\r\nd)\r\n{previous tag} OK\r\n* 5 FETCH (UID 5 BODY[] {1}\r\ne)\r\n{tag} OK\r\n")
        .answer("NOOP", "");
  });
  NotingSetSink sink({uids(1, 2), uids(3, 4), uids(5, 5)});
  ASSERT_TRUE(f.fetch(sink)) << f.server.complaint();
  EXPECT_EQ(sink.notes, (Notes{"1: a", "2: b", "3: c", "4: d", "5: e"}));
  f.expect_usable();
}

TEST(FetchBodySet, AnswersMayComeInAnyOrder) {
  FetchingSets f([](ScriptedServer& server) {
    server.expect("UID FETCH 1 ")
        .expect("UID FETCH 2 ")
        .send(
            "* 2 FETCH (UID 2 BODY[] {1}\r\nb)\r\n{tag} OK\r\n* 1 FETCH (UID 1 BODY[] {1}\r\na)\r\n{previous tag} OK\r\n")
        .answer("NOOP", "");
  });
  NotingSetSink sink({uids(1, 1), uids(2, 2)});
  ASSERT_TRUE(f.fetch(sink));
  EXPECT_EQ(sink.notes, (Notes{"2: b", "1: a"}));
  EXPECT_EQ(sink.answers, (std::vector<std::size_t>{1, 0}));
  f.expect_usable();
}

TEST(FetchBodySet, BodiesOfTwoSetsMayComeMixed) {
  FetchingSets f([](ScriptedServer& server) {
    server.expect("UID FETCH 1:2 ")
        .expect("UID FETCH 3 ")
        .send(
            "* 1 FETCH (UID 1 BODY[] {1}\r\na)\r\n* 3 FETCH (UID 3 BODY[] {1}\r\nc)\r\n* 2 FETCH (UID 2 BODY[] {1}\r\nb)\r\n"
            "{previous tag} OK\r\n")
        .expect("UID FETCH 4 ")
        .send("{previous tag} OK\r\n* 4 FETCH (UID 4 BODY[] {1}\r\nd)\r\n{tag} OK\r\n")
        .answer("NOOP", "");
  });
  NotingSetSink sink({uids(1, 2), uids(3, 3), uids(4, 4)});
  ASSERT_TRUE(f.fetch(sink)) << f.server.complaint();
  EXPECT_EQ(sink.notes, (Notes{"1: a", "3: c", "2: b", "4: d"}));
  EXPECT_EQ(sink.answers, (std::vector<std::size_t>{0, 1, 2}));
  f.expect_usable();
}

TEST(FetchBodySet, MissingMessagesSimplyDoNotCome) {
  auto f = FetchingSets::answered("* 1 FETCH (UID 5 BODY[] NIL)\r\n* 2 FETCH (UID 6 BODY[] {1}\r\nx)\r\n");
  NotingSetSink sink({uids(5, 9)});
  ASSERT_TRUE(f.fetch(sink));
  EXPECT_EQ(sink.notes, (Notes{"6: x"}));
  f.expect_usable();
}

TEST(FetchBodySet, WhatNobodyAskedForIsReadOver) {
  auto f = FetchingSets::answered(
      "* 9 FETCH (UID 90 BODY[] {5}\r\nwrong)\r\n* 1 FETCH (UID 5 BODY[TEXT] {4}\r\ntext BODY[]<0> {4}\r\npart)\r\n"
      "* 2 FETCH (UID 6 FLAGS (\\Seen))\r\n* 23 EXISTS\r\n* 2 FETCH (UID 6 BODY[] {2}\r\nok)\r\n");
  NotingSetSink sink({uids(5, 6)});
  ASSERT_TRUE(f.fetch(sink));
  EXPECT_EQ(sink.notes, (Notes{"6: ok"}));
  EXPECT_EQ(f.listener.notes, (Notes{"fetch 90 ?", "fetch 5 ?", "fetch 6 \\Seen", "exists 23"}));
  f.expect_usable();
}

TEST(FetchBodySet, AServerThatNamesMessagesOnlyBehindTheirBodiesIsNotAskedAgain) {
  FetchingSets f([](ScriptedServer& server) {
    server.expect("UID FETCH 5 ").expect("UID FETCH 6 ");
    server.send(
        "* 1 FETCH (BODY[] {5}\r\nhello UID 5)\r\n{previous tag} OK\r\n* 2 FETCH (BODY[] {5}\r\nagain UID 6)\r\n{tag} OK\r\n");
    server.answer("NOOP", "");
  });
  NotingSetSink sink({uids(5, 5), uids(6, 6), uids(7, 7)});
  const auto outcome = f.fetch(sink);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().errnum, EOPNOTSUPP);
  EXPECT_EQ(outcome.error().scope, Scope::request);
  EXPECT_TRUE(sink.notes.empty());
  f.expect_usable();
}

TEST(FetchBodySet, ABodyThatComesTwiceEndsTheSession) {
  for (const auto* answer : {"* 1 FETCH (UID 5 BODY[] {2}\r\nab)\r\n* 1 FETCH (UID 5 BODY[] {2}\r\ncd)\r\n",
                             "* 1 FETCH (UID 5 BODY[] {2}\r\nab BODY[] {2}\r\ncd)\r\n",
                             "* 1 FETCH (UID 5 BODY[] {2}\r\nab UID 6 BODY[] {2}\r\ncd)\r\n",
                             "* 1 FETCH (UID 5 BODY[] {2}\r\nab UID 6)\r\n"}) {
    auto f = FetchingSets::answered(answer);
    NotingSetSink sink({uids(5, 6)});
    const auto outcome = f.fetch(sink);
    ASSERT_FALSE(outcome) << answer;
    EXPECT_EQ(outcome.error().errnum, EIO);
    EXPECT_EQ(outcome.error().scope, Scope::session);
  }
}

TEST(FetchBodySet, ARefusalStopsFurtherSetsAndIsTheOutcome) {
  FetchingSets f([](ScriptedServer& server) {
    server.expect("UID FETCH 5 ").expect("UID FETCH 6 ");
    server.send(
        "{previous tag} NO [EXPUNGEISSUED] some are gone\r\n* 2 FETCH (UID 6 BODY[] {2}\r\nok)\r\n{tag} OK\r\n");
    server.answer("NOOP", "");
  });
  NotingSetSink sink({uids(5, 5), uids(6, 6), uids(7, 7)});
  const auto outcome = f.fetch(sink);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().errnum, ESTALE);
  EXPECT_EQ(sink.notes, (Notes{"6: ok"})) << "what was under way is taken";
  f.expect_usable();
}

TEST(FetchBodySet, AConnectionCutInMidBodyIsAnErrorOfTheSession) {
  FetchingSets f([](ScriptedServer& server) {
    server.expect("UID FETCH")
        .send("* 1 FETCH (UID 5 BODY[] {2}\r\nok)\r\n* 2 FETCH (UID 6 BODY[] {100}\r\nhalf")
        .hang_up();
  });
  NotingSetSink sink({uids(5, 9)});
  const auto outcome = f.fetch(sink);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().scope, Scope::session);
  EXPECT_EQ(sink.notes, (Notes{"5: ok", "6:"}));
}

TEST(FetchBodySet, ASinkThatRefusesEndsTheSession) {
  auto f = FetchingSets::answered("* 1 FETCH (UID 5 BODY[] {5}\r\nhello)\r\n");
  NotingSetSink sink({uids(5, 5)});
  sink.refuse_with = ENOSPC;
  const auto outcome = f.fetch(sink);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().errnum, ENOSPC);
  EXPECT_EQ(outcome.error().scope, Scope::session);
}

TEST(FetchBodySet, ASilentServerIsGivenUpAndASlowOneIsNot) {
  FetchingSets f([](ScriptedServer& server) {
    server.expect("UID FETCH").send("* 1 FETCH (UID 5 BODY[] {2}\r\nok)\r\n* 2 FETCH (UID 6 BODY[] {10}\r\nhalf");
  });
  NotingSetSink sink({uids(5, 9)});
  const auto outcome = f.session->fetch_bodies(sink, std::chrono::milliseconds(30), patient());
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().errnum, ETIMEDOUT);
  EXPECT_EQ(outcome.error().scope, Scope::session);
  EXPECT_EQ(sink.notes.front(), "5: ok");
}

TEST(FetchBodySet, LargeBodiesAreNotKeptInMemory) {
  const std::size_t pieces = 64;
  FetchingSets f([&](ScriptedServer& server) {
    server.expect("UID FETCH")
        .send(fmt::format("* 1 FETCH (UID 5 BODY[] {{{}}}\r\n", pieces << 20))
        .flood(std::string(1 << 20, 'm'), pieces)
        .send(")\r\n{tag} OK\r\n");
  });
  NotingSetSink sink({uids(5, 5)});
  ASSERT_TRUE(f.fetch(sink));
  EXPECT_EQ(sink.announced, pieces << 20);
  EXPECT_EQ(sink.total, pieces << 20);
}

TEST(FetchBodySet, NothingToAskForIsNoCommand) {
  FetchingSets f([](ScriptedServer& server) { server.answer("NOOP", ""); });
  NotingSetSink sink({});
  EXPECT_TRUE(f.fetch(sink));
  f.expect_usable();
}

}  // namespace
}  // namespace imapfs::imap::test

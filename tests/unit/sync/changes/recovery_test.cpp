// Connections that are lost and processes that end in the middle of a change.

#include <gtest/gtest.h>

#include "changes_test_support.hpp"

namespace imapfs::sync {
namespace {

/// What the server can do about moving.
enum class RecoverySkill { move, copy, bare };

struct Cut {
  RecoverySkill skill;
  std::string command;
  std::size_t messages;  ///< carried out before the connection is lost
};

std::string cut_name(const ::testing::TestParamInfo<Cut>& info) {
  const auto& cut = info.param;
  const std::string skill = cut.skill == RecoverySkill::move   ? "Move"
                            : cut.skill == RecoverySkill::copy ? "Copy"
                                                               : "Bare";
  const std::string when = cut.messages == 0 ? "Before" : cut.messages == 1 ? "Within" : "After";
  return skill + when + cut.command;
}

constexpr auto whole = testing::FakeServerState::whole_command;

class ConnectionLost : public ::testing::TestWithParam<Cut> {
 protected:
  void SetUp() override {
    if (GetParam().skill != RecoverySkill::move) f.server.set_capability("MOVE", false);
    if (GetParam().skill == RecoverySkill::bare) f.server.set_capability("UIDPLUS", false);
    for (const auto* subject : {"a", "b", "c"}) f.server.deliver("INBOX", mail(subject));
    // The same message is there already: it must not be taken for what comes.
    f.server.deliver("Archive", mail("a"));
    f.mount();
    f.list("INBOX");
    f.list("Archive");
  }
  void move_all() {
    f.server.hold("STATUS");
    for (std::uint32_t uid = 1; uid <= 3; ++uid)
      moves.push_back(f.move(f.source("INBOX", uid), f.target("Archive", std::to_string(uid) + ".eml")));
    for (const auto& move : moves) ASSERT_TRUE(move.accepted());
    f.server.release("STATUS");
  }
  void expect_each_once() {
    ASSERT_TRUE(f.drain()) << "what has come is shown";
    EXPECT_EQ(f.messages("Archive"), (Subjects{"a", "a", "b", "c"}));
    if (GetParam().skill == RecoverySkill::bare) EXPECT_EQ(f.messages("INBOX"), (Subjects{"a!", "b!", "c!"}));
    else EXPECT_TRUE(f.messages("INBOX").empty());
    EXPECT_TRUE(f.listed("INBOX").empty());
    const auto names = f.listed("Archive");
    for (const auto* name : {"1.eml", "2.eml", "3.eml"}) EXPECT_TRUE(names.contains(name)) << name;
    EXPECT_EQ(names.size(), 4u);
  }

  ChangesFixture f;
  std::vector<Progress> moves;
};

INSTANTIATE_TEST_SUITE_P(
    Cuts, ConnectionLost,
    ::testing::Values(Cut{RecoverySkill::move, "MOVE", 0}, Cut{RecoverySkill::move, "MOVE", 1},
                      Cut{RecoverySkill::move, "MOVE", whole}, Cut{RecoverySkill::copy, "COPY", 0},
                      Cut{RecoverySkill::copy, "COPY", 1}, Cut{RecoverySkill::copy, "COPY", whole},
                      Cut{RecoverySkill::copy, "STORE", 0}, Cut{RecoverySkill::copy, "STORE", 1},
                      Cut{RecoverySkill::copy, "STORE", whole}, Cut{RecoverySkill::copy, "EXPUNGE", 0},
                      Cut{RecoverySkill::copy, "EXPUNGE", 1}, Cut{RecoverySkill::copy, "EXPUNGE", whole},
                      Cut{RecoverySkill::bare, "COPY", 0}, Cut{RecoverySkill::bare, "COPY", whole},
                      Cut{RecoverySkill::bare, "STORE", 0}, Cut{RecoverySkill::bare, "STORE", whole}),
    cut_name);

TEST_P(ConnectionLost, LeavesEachMessageOnceAfterALook) {
  f.server.lose_after(GetParam().command, GetParam().messages);
  move_all();
  for (const auto& move : moves) EXPECT_TRUE(move.finished());
  expect_each_once();
  EXPECT_TRUE(f.journal->changes()->empty());
  EXPECT_TRUE(f.listener.refused().empty());
}

TEST_P(ConnectionLost, AndTheProcessEndsLeavesEachMessageOnceAfterARestart) {
  f.server.lose_after(GetParam().command, GetParam().messages);
  // The look that would follow is not reached any more.
  f.server.hold("FETCH headers");
  // What the messages are recognised by; and whether the copies are there, before their sources are touched.
  const bool removes = GetParam().command == "STORE" || GetParam().command == "EXPUNGE";
  f.server.step("FETCH headers", removes ? 2 : 1);
  move_all();
  ASSERT_TRUE(f.server.wait_for_count(GetParam().command, 1));
  f.unmount();
  f.server.release("FETCH headers");
  f.mount();
  ASSERT_TRUE(f.wait_until_done());
  f.list("INBOX");
  f.list("Archive");
  expect_each_once();
  EXPECT_TRUE(f.listener.refused().empty());
}

/// Nobody has listed either mailbox: nothing is known of the message but its UID.
TEST(ConnectionLostInMailboxesNeverListed, AMoveIsRecognised) {
  ChangesFixture f;
  f.server.deliver("INBOX", mail("a"));
  f.mount();
  ASSERT_TRUE(await<MessageMeta>([&](Completion<MessageMeta> done) {
    f.account->mailboxes().find_message(f.id("INBOX"), Uid{1}, std::move(done));
  }));
  f.server.lose_after("MOVE");
  const auto move = f.move(f.source("INBOX", 1), f.target("Archive", "1.eml"));
  ASSERT_TRUE(move.accepted());
  const auto arrival = move.finished();
  ASSERT_TRUE(arrival) << arrival.error().what;
  EXPECT_EQ(arrival->message, f.at("Archive", 1));
  EXPECT_TRUE(f.listener.refused().empty());
}

TEST(ConnectionLost, OfTwoMessagesThatAreAlikeButForTheirMessageIdTheRightOneIsFound) {
  ChangesFixture f;
  const auto alike = [](const std::string& id) {
    return "Subject: same\r\nMessage-ID: <" + id + "@example.org>\r\n\r\nbody\r\n";
  };
  f.server.deliver("INBOX", alike("1"));
  f.mount();
  f.list("INBOX");
  f.list("Archive");
  // Another client brings its twin at the same moment.
  f.server.hold("MOVE");
  const auto move = f.move(f.source("INBOX", 1), f.target("Archive", "1.eml"));
  ASSERT_TRUE(move.accepted());
  ASSERT_TRUE(f.server.wait_until_held("MOVE"));
  f.server.deliver("Archive", alike("2"));
  f.server.lose_after("MOVE");
  f.server.release("MOVE");
  const auto arrival = move.finished();
  ASSERT_TRUE(arrival) << arrival.error().what;
  EXPECT_EQ(arrival->message, f.at("Archive", 2));
}

TEST(ConnectionLost, WhatAnEarlierProcessHasCopiedThereIsNotTakenForWhatAMoveBrings) {
  ChangesFixture f;
  f.server.deliver("INBOX", mail("a"));
  f.mount();
  f.list("INBOX");
  f.server.hold("MOVE");
  ASSERT_TRUE(f.move(f.source("INBOX", 1), f.target("Archive", "moved.eml")).accepted());
  ASSERT_TRUE(f.server.wait_until_held("MOVE"));
  // The same message came meanwhile, by a copy of ours that has ended: it has its name.
  f.server.deliver("Archive", mail("a"));
  ASSERT_TRUE(f.journal->set_local_name({"Archive", f.server.mailbox("Archive").uid_validity, Uid{1}}, "copied.eml"));
  f.unmount();
  f.server.release("MOVE");
  f.mount();
  ASSERT_TRUE(f.wait_until_done());
  EXPECT_EQ(f.messages("Archive"), (Subjects{"a", "a"}));
  EXPECT_TRUE(f.messages("INBOX").empty());
}

class Restarted : public ::testing::Test {
 protected:
  void SetUp() override {
    f.server.deliver("INBOX", mail("a"));
    f.mount();
    f.list("INBOX");
  }
  ChangesFixture f;
};

TEST_F(Restarted, WhatWasAcceptedIsHiddenFromTheStartAndCarriedOut) {
  f.server.hold("STORE");
  ASSERT_TRUE(f.remove(f.source("INBOX", 1)).accepted());
  f.remount();
  f.list("INBOX");
  EXPECT_EQ(f.listed_count("INBOX"), 0u);
  f.server.release("STORE");
  ASSERT_TRUE(f.wait_until_done());
  EXPECT_EQ(f.messages("INBOX"), Subjects{"a!"});
}

TEST_F(Restarted, TheOrderOfAMessagesChangesIsKept) {
  f.server.hold("MOVE");
  const auto move = f.move(f.source("INBOX", 1), f.target("Archive", "a.eml"));
  const auto change = move.accepted();
  ASSERT_TRUE(change);
  ASSERT_TRUE(f.move({{}, *change}, f.target("Bin", "b.eml")).accepted());
  f.unmount();
  f.server.release("MOVE");
  f.mount();
  ASSERT_TRUE(f.wait_until_done());
  EXPECT_EQ(f.messages("Bin"), Subjects{"a"});
  EXPECT_TRUE(f.messages("Archive").empty());
  EXPECT_TRUE(f.messages("INBOX").empty());
}

TEST_F(Restarted, ArrivalsThatArePendingAreTold) {
  f.server.hold("MOVE");
  ASSERT_TRUE(f.move(f.source("INBOX", 1), f.target("Archive", "a.eml")).accepted());
  f.unmount();
  f.mount();
  const auto arrivals = f.account->changes().pending_arrivals();
  ASSERT_EQ(arrivals.size(), 1u);
  EXPECT_EQ(arrivals[0].target.mailbox, f.id("Archive"));
  EXPECT_EQ(arrivals[0].target.file_name, "a.eml");
  EXPECT_EQ(arrivals[0].source, f.at("INBOX", 1));
  EXPECT_EQ(arrivals[0].meta.internal_date, 1'700'000'000);
  Progress progress;
  f.account->changes().await_change(arrivals[0].change, progress.reply().finished);
  f.server.release("MOVE");
  const auto arrival = progress.finished();
  ASSERT_TRUE(arrival);
  EXPECT_EQ(arrival->message.mailbox, f.id("Archive"));
}

TEST_F(Restarted, AnotherUidValidityMeansTheMessageIsGone) {
  f.server.hold("STORE");
  ASSERT_TRUE(f.remove(f.source("INBOX", 1)).accepted());
  f.unmount();
  f.server.change_uid_validity("INBOX", UidValidity{77});
  f.server.release("STORE");
  f.mount();
  ASSERT_TRUE(f.wait_until_done());
  EXPECT_EQ(f.messages("INBOX"), Subjects{"a"});
  EXPECT_TRUE(f.listener.wait([&] { return f.listener.refused().size() == 1; }));
}

}  // namespace
}  // namespace imapfs::sync

// Changes of messages, from the call to the server and back.

#include <gtest/gtest.h>

#include "changes_test_support.hpp"

namespace imapfs::sync {
namespace {

class MessageChanges : public ::testing::Test {
 protected:
  ChangesFixture f;
};

TEST_F(MessageChanges, ARemovedMessageIsFlaggedAndListedNoMore) {
  f.server.deliver("INBOX", mail("a"));
  f.mount();
  f.list("INBOX");
  const auto removal = f.remove(f.source("INBOX", 1));
  ASSERT_TRUE(removal.accepted());
  EXPECT_EQ(f.listed_count("INBOX"), 0u);
  ASSERT_TRUE(removal.finished());
  EXPECT_EQ(f.messages("INBOX"), Subjects{"a!"});
  EXPECT_EQ(f.table("INBOX")->deleted(), std::vector{Uid{1}});
  EXPECT_TRUE(f.journal->changes()->empty());
}

TEST_F(MessageChanges, AMoveKeepsItsNameAndShowsInItsNewMailbox) {
  f.server.deliver("INBOX", mail("a"));
  f.mount();
  f.list("INBOX");
  f.list("Archive");
  const auto move = f.move(f.source("INBOX", 1), f.target("Archive", "kept.eml"));
  ASSERT_TRUE(move.accepted());
  EXPECT_EQ(f.listed_count("INBOX"), 0u);
  const auto arrival = move.finished();
  ASSERT_TRUE(arrival);
  EXPECT_EQ(arrival->message, f.at("Archive", 1));
  EXPECT_EQ(arrival->file_name, "kept.eml");
  EXPECT_EQ(f.listed("Archive"), std::set<std::string>{"kept.eml"});
  EXPECT_EQ(f.messages("Archive"), Subjects{"a"});
  EXPECT_TRUE(f.messages("INBOX").empty());
  EXPECT_EQ(f.server.count("COPY"), 0u);
}

TEST_F(MessageChanges, ACopyLeavesItsSource) {
  f.server.deliver("INBOX", mail("a"));
  f.mount();
  f.list("INBOX");
  const auto copy = f.copy(f.source("INBOX", 1), f.target("Archive", "copy.eml"));
  ASSERT_TRUE(copy.finished());
  EXPECT_EQ(f.messages("Archive"), Subjects{"a"});
  EXPECT_EQ(f.messages("INBOX"), Subjects{"a"});
  EXPECT_EQ(f.listed_count("INBOX"), 1u);
}

TEST_F(MessageChanges, WithoutMoveTheCopyComesFirst) {
  f.server.set_capability("MOVE", false);
  f.server.deliver("INBOX", mail("a"));
  f.mount();
  f.list("INBOX");
  const auto move = f.move(f.source("INBOX", 1), f.target("Archive", "a.eml"));
  ASSERT_TRUE(move.finished());
  EXPECT_EQ(f.messages("Archive"), Subjects{"a"});
  EXPECT_TRUE(f.messages("INBOX").empty());
  ASSERT_EQ(f.server.commands().size(), 3u);
  EXPECT_TRUE(f.server.commands()[0].starts_with("UID COPY"));
  EXPECT_TRUE(f.server.commands()[2].starts_with("UID EXPUNGE 1"));
}

TEST_F(MessageChanges, WithoutUidplusTheSourceOfAMoveStaysFlaggedAndTheCopyIsFound) {
  f.server.set_capability("MOVE", false);
  f.server.set_capability("UIDPLUS", false);
  f.server.deliver("INBOX", mail("a"));
  f.server.deliver("Archive", mail("other"));
  f.mount();
  f.list("INBOX");
  f.list("Archive");
  const auto arrival = f.move(f.source("INBOX", 1), f.target("Archive", "a.eml")).finished();
  ASSERT_TRUE(arrival);
  EXPECT_EQ(arrival->message.uid, Uid{2});
  EXPECT_EQ(f.messages("INBOX"), Subjects{"a!"});
  EXPECT_EQ(f.table("INBOX")->deleted(), std::vector{Uid{1}});
  EXPECT_EQ(f.server.count("EXPUNGE"), 0u);
  EXPECT_TRUE(f.listed("Archive").contains("a.eml"));
}

TEST_F(MessageChanges, AMessageIsExpungedForGood) {
  f.server.deliver("INBOX", mail("a"), 1'700'000'000, FlagSet::parse("\\Deleted"));
  f.server.deliver("INBOX", mail("b"), 1'700'000'000, FlagSet::parse("\\Deleted"));
  f.mount();
  f.list("INBOX");
  ASSERT_TRUE(f.expunge(f.source("INBOX", 1)).finished());
  EXPECT_EQ(f.messages("INBOX"), Subjects{"b!"});
  EXPECT_EQ(f.table("INBOX")->deleted(), std::vector{Uid{2}});
}

TEST_F(MessageChanges, WithoutUidplusExpungingIsRefusedAtOnce) {
  f.server.set_capability("UIDPLUS", false);
  f.server.deliver("INBOX", mail("a"));
  f.mount();
  f.list("INBOX");
  const auto accepted = f.expunge(f.source("INBOX", 1)).accepted();
  ASSERT_FALSE(accepted);
  EXPECT_EQ(accepted.error().errnum, EOPNOTSUPP);
  EXPECT_EQ(f.listed_count("INBOX"), 1u);
}

TEST_F(MessageChanges, ARestoredMessageIsListedAtOnceUnderItsNewName) {
  f.server.deliver("INBOX", mail("a"), 1'700'000'000, FlagSet::parse("\\Deleted"));
  f.mount();
  f.list("INBOX");
  f.server.hold("STORE");
  const auto restored = f.restore(f.source("INBOX", 1), "back.eml");
  ASSERT_TRUE(restored.accepted());
  EXPECT_EQ(f.listed("INBOX"), std::set<std::string>{"back.eml"});
  f.server.release("STORE");
  ASSERT_TRUE(restored.finished());
  EXPECT_EQ(f.messages("INBOX"), Subjects{"a"});
  EXPECT_EQ(f.listed("INBOX"), std::set<std::string>{"back.eml"});
}

TEST_F(MessageChanges, ANameGivenWhileAMessageIsBeingRestoredIsKept) {
  f.server.deliver("INBOX", mail("a"), 1'700'000'000, FlagSet::parse("\\Deleted"));
  f.mount();
  f.list("INBOX");
  f.server.hold("STORE");
  ASSERT_TRUE(f.restore(f.source("INBOX", 1), "back.eml").accepted());
  std::promise<Result<void>> named;
  f.account->changes().give_name(f.at("INBOX", 1), "mine.eml", {},
                                 [&](const Result<void>& result) { named.set_value(result); });
  f.server.release("STORE");
  ASSERT_TRUE(named.get_future().get());
  EXPECT_EQ(f.listed("INBOX"), std::set<std::string>{"mine.eml"});
  f.remount();
  f.list("INBOX");
  EXPECT_EQ(f.listed("INBOX"), std::set<std::string>{"mine.eml"});
}

TEST_F(MessageChanges, ACopyHasTheFlagsOfTheTimeWhenItWasAccepted) {
  f.server.deliver("INBOX", mail("a"));
  f.mount();
  f.list("INBOX");
  f.server.hold("COPY");
  const auto copy = f.copy(f.source("INBOX", 1), f.target("Archive", "a.eml"));
  ASSERT_TRUE(copy.accepted());
  std::promise<Result<void>> flagged;
  f.account->changes().set_flags(f.at("INBOX", 1), {FlagChange::Kind::add, FlagSet::parse("\\Flagged")},
                                 [&](const Result<void>& result) { flagged.set_value(result); });
  ASSERT_TRUE(f.server.wait_until_held("COPY"));
  EXPECT_EQ(f.server.count("STORE"), 0u);
  f.server.release("COPY");
  ASSERT_TRUE(flagged.get_future().get());
  ASSERT_TRUE(copy.finished());
  EXPECT_EQ(f.server.flags("INBOX", Uid{1}).to_string(), "\\Flagged");
  EXPECT_EQ(f.server.flags("Archive", Uid{1}).to_string(), "");
}

TEST_F(MessageChanges, FlagsThatWaitForAChangeAreRefusedWhenTheConnectionGoes) {
  f.server.deliver("INBOX", mail("a"));
  f.mount();
  f.list("INBOX");
  f.server.hold("COPY");
  ASSERT_TRUE(f.copy(f.source("INBOX", 1), f.target("Archive", "a.eml")).accepted());
  ASSERT_TRUE(f.server.wait_until_held("COPY"));
  std::promise<Result<void>> flagged;
  f.account->changes().set_flags(f.at("INBOX", 1), {FlagChange::Kind::add, FlagSet::parse("\\Flagged")},
                                 [&](const Result<void>& result) { flagged.set_value(result); });
  f.server.refuse_connections();
  f.server.drop_all_sessions();
  const auto result = flagged.get_future().get();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().errnum, EHOSTUNREACH);
  f.server.accept_connections();
  f.server.release("COPY");
  EXPECT_TRUE(f.wait_until_done());
}

TEST_F(MessageChanges, AThousandRemovalsAreAFewCommands) {
  for (int i = 0; i < 1000; ++i) f.server.deliver("INBOX", mail("m" + std::to_string(i)));
  f.mount();
  f.list("INBOX");
  f.server.hold("STORE");
  std::vector<Progress> removals;
  for (std::uint32_t uid = 1; uid <= 1000; ++uid) removals.push_back(f.remove(f.source("INBOX", uid)));
  for (const auto& removal : removals) ASSERT_TRUE(removal.accepted());
  EXPECT_EQ(f.listed_count("INBOX"), 0u);
  f.server.release("STORE");
  ASSERT_TRUE(f.drain());
  EXPECT_LE(f.server.count("STORE"), 3u);
  EXPECT_EQ(f.table("INBOX")->deleted().size(), 1000u);
}

TEST_F(MessageChanges, AThousandMovesAreAFewCommands) {
  for (int i = 0; i < 1000; ++i) f.server.deliver("INBOX", mail("m" + std::to_string(i)));
  f.mount();
  f.list("INBOX");
  f.list("Archive");
  f.server.hold("MOVE");
  std::vector<Progress> moves;
  for (std::uint32_t uid = 1; uid <= 1000; ++uid)
    moves.push_back(f.move(f.source("INBOX", uid), f.target("Archive", "m" + std::to_string(uid) + ".eml")));
  for (const auto& move : moves) ASSERT_TRUE(move.accepted());
  f.server.release("MOVE");
  ASSERT_TRUE(f.drain());
  EXPECT_LE(f.server.count("MOVE"), 3u);
  EXPECT_EQ(f.messages("Archive").size(), 1000u);
  const auto names = f.listed("Archive");
  EXPECT_EQ(names.size(), 1000u);
  EXPECT_TRUE(names.contains("m1.eml"));
  EXPECT_TRUE(names.contains("m1000.eml"));
}

TEST_F(MessageChanges, WhatFollowsAMoveWaitsForIt) {
  f.server.deliver("INBOX", mail("a"));
  f.mount();
  f.list("INBOX");
  f.server.hold("MOVE");
  const auto first = f.move(f.source("INBOX", 1), f.target("Archive", "a.eml"));
  const auto change = first.accepted();
  ASSERT_TRUE(change);
  const auto second = f.move({{}, *change}, f.target("Bin", "b.eml"));
  ASSERT_TRUE(second.accepted());
  f.server.release("MOVE");
  const auto arrival = second.finished();
  ASSERT_TRUE(arrival);
  EXPECT_EQ(arrival->message.mailbox, f.id("Bin"));
  EXPECT_EQ(f.messages("Bin"), Subjects{"a"});
  EXPECT_TRUE(f.messages("Archive").empty());
}

TEST_F(MessageChanges, ARemovalOfWhatIsBeingMovedIsAboutWhatArrives) {
  f.server.deliver("INBOX", mail("a"));
  f.mount();
  f.list("INBOX");
  f.list("Archive");
  f.server.hold("MOVE");
  const auto move = f.move(f.source("INBOX", 1), f.target("Archive", "a.eml"));
  ASSERT_TRUE(move.accepted());
  // By the place it had: sync knows better.
  const auto removal = f.remove(f.source("INBOX", 1));
  ASSERT_TRUE(removal.accepted());
  f.server.release("MOVE");
  ASSERT_TRUE(removal.finished());
  ASSERT_TRUE(f.drain());
  EXPECT_EQ(f.messages("Archive"), Subjects{"a!"});
  EXPECT_EQ(f.listed_count("Archive"), 0u);
}

TEST_F(MessageChanges, RemoveAndRestoreEndAsGiven) {
  f.server.deliver("INBOX", mail("a"));
  f.mount();
  f.list("INBOX");
  f.server.hold("STORE");
  ASSERT_TRUE(f.remove(f.source("INBOX", 1)).accepted());
  ASSERT_TRUE(f.server.wait_until_held("STORE"));
  // What is to be taken back has to be there: it waits for the flag.
  const auto restored = f.restore(f.source("INBOX", 1), "again.eml");
  f.server.release("STORE");
  ASSERT_TRUE(restored.accepted());
  ASSERT_TRUE(restored.finished());
  ASSERT_TRUE(f.drain());
  EXPECT_EQ(f.messages("INBOX"), Subjects{"a"});
  EXPECT_EQ(f.listed("INBOX"), std::set<std::string>{"again.eml"});
}

TEST_F(MessageChanges, WhatIsReplacedIsRemovedAfterTheMove) {
  f.server.deliver("INBOX", mail("new"));
  f.server.deliver("Archive", mail("old"));
  f.mount();
  f.list("INBOX");
  f.list("Archive");
  auto target = f.target("Archive", "same.eml");
  target.replaces = f.at("Archive", 1);
  const auto move = f.move(f.source("INBOX", 1), target);
  ASSERT_TRUE(move.accepted());
  EXPECT_EQ(f.listed_count("Archive"), 0u);
  ASSERT_TRUE(move.finished());
  ASSERT_TRUE(f.wait_until_done());
  EXPECT_EQ(f.messages("Archive"), (Subjects{"new", "old!"}));
  EXPECT_EQ(f.listed("Archive"), std::set<std::string>{"same.eml"});
}

TEST_F(MessageChanges, SettlingIncludesTheRemovalThatAChangeLeadsTo) {
  f.server.deliver("INBOX", mail("new"));
  f.server.deliver("Archive", mail("old"));
  f.mount();
  f.list("INBOX");
  f.list("Archive");
  f.server.hold("MOVE");
  auto target = f.target("Archive", "same.eml");
  target.replaces = f.at("Archive", 1);
  const auto move = f.move(f.source("INBOX", 1), target);
  ASSERT_TRUE(move.accepted());
  ASSERT_TRUE(f.server.wait_until_held("MOVE"));
  std::promise<Result<void>> settled;
  f.account->changes().drain(MailboxId{0}, [&](const Result<void>& result) { settled.set_value(result); });
  f.server.release("MOVE");
  ASSERT_TRUE(settled.get_future().get());
  EXPECT_EQ(f.messages("Archive"), (Subjects{"new", "old!"}));
  EXPECT_EQ(f.table("Archive")->deleted().size(), 1u);
}

TEST_F(MessageChanges, ARefusalBringsTheMessageBackAndIsReported) {
  f.server.deliver("INBOX", mail("a"));
  f.mount();
  f.list("INBOX");
  f.server.fail_next("MOVE", Error{EDQUOT, Scope::request, Retry::never, "MOVE: over quota"});
  const auto move = f.move(f.source("INBOX", 1), f.target("Archive", "a.eml"));
  ASSERT_TRUE(move.accepted());
  const auto finished = move.finished();
  ASSERT_FALSE(finished);
  EXPECT_EQ(finished.error().errnum, EDQUOT);
  EXPECT_EQ(f.listed_count("INBOX"), 1u);
  EXPECT_EQ(f.listener.added(), std::vector{Uid{1}});
  ASSERT_EQ(f.listener.refused().size(), 1u);
  EXPECT_TRUE(f.listener.refused()[0].starts_with("move INBOX/")) << f.listener.refused()[0];
  const auto settled = f.drain();
  ASSERT_FALSE(settled);
  EXPECT_EQ(settled.error().errnum, EDQUOT);
  EXPECT_TRUE(f.drain());
  EXPECT_TRUE(f.journal->changes()->empty());
}

TEST_F(MessageChanges, OneRefusedMessageDoesNotFailTheOthers) {
  for (int i = 0; i < 8; ++i) f.server.deliver("INBOX", mail("m" + std::to_string(i)));
  f.mount();
  f.list("INBOX");
  f.server.hold("STORE");
  const Error refusal{EIO, Scope::message, Retry::never, "STORE: a broken message"};
  // The whole, a half, a quarter and the one message.
  for (int i = 0; i < 4; ++i) f.server.fail_next("STORE", refusal);
  std::vector<Progress> removals;
  for (std::uint32_t uid = 1; uid <= 8; ++uid) removals.push_back(f.remove(f.source("INBOX", uid)));
  for (const auto& removal : removals) ASSERT_TRUE(removal.accepted());
  f.server.release("STORE");
  std::size_t refused = 0;
  for (const auto& removal : removals) refused += removal.finished() ? 0 : 1;
  EXPECT_LE(refused, 2u);
  EXPECT_GE(refused, 1u);
  EXPECT_EQ(f.listed_count("INBOX"), refused);
  EXPECT_EQ(f.table("INBOX")->deleted().size(), 8 - refused);
}

TEST_F(MessageChanges, WhatWaitsForARefusedChangeIsNotCarriedOut) {
  f.server.deliver("INBOX", mail("a"));
  f.mount();
  f.list("INBOX");
  f.server.hold("COPY");
  f.server.fail_next("COPY", Error{EDQUOT, Scope::request, Retry::never, "COPY: over quota"});
  const auto copy = f.copy(f.source("INBOX", 1), f.target("Archive"));
  ASSERT_TRUE(copy.accepted());
  const auto removal = f.remove(f.source("INBOX", 1));
  ASSERT_TRUE(removal.accepted());
  f.server.release("COPY");
  const auto finished = removal.finished();
  ASSERT_FALSE(finished);
  EXPECT_EQ(finished.error().errnum, ECANCELED);
  EXPECT_EQ(f.messages("INBOX"), Subjects{"a"});
  EXPECT_EQ(f.listed_count("INBOX"), 1u);
}

TEST_F(MessageChanges, InSyncModeAcceptedIsTheServersWord) {
  f.settings.write_behind = false;
  f.server.deliver("INBOX", mail("a"));
  f.server.deliver("INBOX", mail("b"));
  f.mount();
  f.list("INBOX");
  ASSERT_TRUE(f.remove(f.source("INBOX", 1)).accepted());
  EXPECT_EQ(f.messages("INBOX"), (Subjects{"a!", "b"}));
  f.server.fail_next("STORE", Error{EACCES, Scope::mailbox, Retry::never, "STORE: no permission"});
  const auto refused = f.remove(f.source("INBOX", 2)).accepted();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().errnum, EACCES);
  EXPECT_TRUE(f.listener.refused().empty());
  EXPECT_TRUE(f.drain());
}

TEST_F(MessageChanges, OfflineNothingIsAccepted) {
  f.server.deliver("INBOX", mail("a"));
  f.mount();
  f.list("INBOX");
  f.server.refuse_connections();
  f.server.drop_all_sessions();
  // Somebody has to meet the broken connection.
  ASSERT_TRUE(f.listener.wait([&] {
    (void)await<MessageDetails>([&](auto done) { f.account->mailboxes().details(f.id("INBOX"), Uid{1}, done); });
    return !f.account->status()["online"].get<bool>();
  }));
  const auto accepted = f.remove(f.source("INBOX", 1)).accepted();
  ASSERT_FALSE(accepted);
  EXPECT_EQ(accepted.error().errnum, EHOSTUNREACH);
  EXPECT_EQ(f.listed_count("INBOX"), 1u);
}

TEST_F(MessageChanges, WhoOnlyWritesEndsTheOfflineState) {
  f.server.deliver("INBOX", mail("a"));
  f.mount();
  f.list("INBOX");
  f.server.refuse_connections();
  f.server.drop_all_sessions();
  ASSERT_TRUE(f.listener.wait([&] {
    (void)await<MessageDetails>([&](auto done) { f.account->mailboxes().details(f.id("INBOX"), Uid{1}, done); });
    return !f.account->status()["online"].get<bool>();
  }));
  EXPECT_FALSE(f.remove(f.source("INBOX", 1)).accepted());
  f.server.accept_connections();
  // Nobody reads any more; attempts for who waits are a second apart.
  EXPECT_TRUE(f.listener.wait([&] { return f.remove(f.source("INBOX", 1)).accepted().has_value(); }));
  EXPECT_TRUE(f.drain());
  EXPECT_EQ(f.messages("INBOX"), Subjects{"a!"});
}

TEST_F(MessageChanges, AShortOutageRefusesNoChange) {
  f.settings.reconnect_grace = std::chrono::hours(1);
  f.server.deliver("INBOX", mail("a"));
  f.mount();
  f.list("INBOX");
  f.server.refuse_connections();
  f.server.drop_all_sessions();
  EXPECT_TRUE(f.remove(f.source("INBOX", 1)).accepted());
  auto settled = std::async(std::launch::async, [&] { return f.drain(); });
  ASSERT_TRUE(f.server.wait_for_count("LOGIN", 3));
  f.server.accept_connections();
  EXPECT_TRUE(settled.get());
  EXPECT_EQ(f.messages("INBOX"), Subjects{"a!"});
}

TEST_F(MessageChanges, SettleFailsAsSoonAsThereIsNoConnection) {
  f.server.deliver("INBOX", mail("a"));
  f.mount();
  f.list("INBOX");
  f.server.hold("STORE");
  ASSERT_TRUE(f.remove(f.source("INBOX", 1)).accepted());
  ASSERT_TRUE(f.server.wait_until_held("STORE"));
  auto settled = std::async(std::launch::async, [&] { return f.drain(); });
  f.server.refuse_connections();
  f.server.drop_all_sessions();
  const auto result = settled.get();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().errnum, EHOSTUNREACH);
  f.server.release("STORE");
  f.server.accept_connections();
  f.account->retry_now();
  // Without a job of somebody else there is no new connection: the change itself makes one.
  EXPECT_TRUE(f.wait_until_done());
  EXPECT_EQ(f.messages("INBOX"), Subjects{"a!"});
}

TEST_F(MessageChanges, GivingANameIsQuietAndRemovesWhatItReplaces) {
  f.server.deliver("INBOX", mail("a"));
  f.server.deliver("INBOX", mail("b"));
  f.mount();
  f.list("INBOX");
  ASSERT_TRUE(await<void>([&](Completion<void> done) {
    f.account->changes().give_name(f.at("INBOX", 1), "mine.eml", f.at("INBOX", 2), std::move(done));
  }));
  EXPECT_EQ(f.listed("INBOX"), std::set<std::string>{"mine.eml"});
  ASSERT_TRUE(f.drain());
  EXPECT_EQ(f.messages("INBOX"), (Subjects{"a", "b!"}));
  f.remount();
  f.list("INBOX");
  EXPECT_EQ(f.listed("INBOX"), std::set<std::string>{"mine.eml"});
}

}  // namespace
}  // namespace imapfs::sync

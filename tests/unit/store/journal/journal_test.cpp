// Changes and names in the journal. Staged files, damage and full disks are in journal_staged_test.cpp and
// journal_damage_test.cpp.
#include <csignal>
#include <cstdlib>

#include "journal_support.hpp"

namespace imapfs::store::testing {
namespace {

JournalChange with_everything() {
  JournalChange change;
  change.kind = JournalChange::Kind::append;
  change.source = at("Entwürfe\nund mehr", 4294967295, 4294967295);
  change.follows = ChangeId{99};
  change.destination = "INBOX/'; DROP TABLE change; --";
  change.file_name = "a name.eml";
  change.flags = {FlagChange::Kind::replace, FlagSet::parse("\\Seen $Forwarded")};
  change.internal_date = -5;
  change.size = std::uint64_t{1} << 62;
  change.message_id = "<x@y>";
  change.digest = "0123456789abcdef";
  change.staged = StagedId{12};
  change.replaces = at("Sent", 3);
  change.removal = "trash";
  change.sent = true;
  change.destination_validity = UidValidity{8};
  change.destination_uid_next = Uid{9};
  return change;
}

void expect_equal(const JournalChange& left, const JournalChange& right) {
  EXPECT_EQ(left.id, right.id);
  EXPECT_EQ(left.kind, right.kind);
  EXPECT_EQ(left.source, right.source);
  EXPECT_EQ(left.follows, right.follows);
  EXPECT_EQ(left.destination, right.destination);
  EXPECT_EQ(left.file_name, right.file_name);
  EXPECT_EQ(left.digest, right.digest);
  EXPECT_EQ(left.flags, right.flags);
  EXPECT_EQ(left.internal_date, right.internal_date);
  EXPECT_EQ(left.size, right.size);
  EXPECT_EQ(left.message_id, right.message_id);
  EXPECT_EQ(left.staged, right.staged);
  EXPECT_EQ(left.replaces, right.replaces);
  EXPECT_EQ(left.removal, right.removal);
  EXPECT_EQ(left.sent, right.sent);
  EXPECT_EQ(left.destination_validity, right.destination_validity);
  EXPECT_EQ(left.destination_uid_next, right.destination_uid_next);
}

TEST_F(JournalTest, EveryFieldOfAChangeSurvivesTheProcess) {
  std::vector<JournalChange> added{with_everything(), JournalChange{}};
  ASSERT_TRUE(journal->add(added));
  reopen();
  const auto found = changes();
  ASSERT_EQ(found.size(), 2u);
  expect_equal(found[0], added[0]);
  expect_equal(found[1], added[1]);
}

TEST_F(JournalTest, WhatWasAcceptedSurvivesKill) {
  in_killed_process([](Journal& killed) {
    std::vector<JournalChange> added{flag_change(at("INBOX", 1)), move_change(at("INBOX", 2), "Archive")};
    if (!killed.add(added) || !killed.mark_sent({added[1].id}, UidValidity{5}, Uid{50}) ||
        !killed.set_local_name(at("INBOX", 2), "kept.eml"))
      ::_exit(3);
  });
  const auto found = changes();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_FALSE(found[0].sent);
  EXPECT_TRUE(found[1].sent);
  EXPECT_EQ(found[1].destination_uid_next, Uid{50});
  EXPECT_EQ(names("INBOX"), Names{"2=kept.eml"});
}

TEST_F(JournalTest, WhatEndedStaysEndedAfterKill) {
  in_killed_process([](Journal& killed) {
    std::vector<JournalChange> added{flag_change(at("INBOX", 1)), flag_change(at("INBOX", 2))};
    Journal::Ended ended;
    if (!killed.add(added)) ::_exit(3);
    ended.changes.push_back({added[0].id, at("INBOX", 1), "", true});
    if (!killed.finish(ended)) ::_exit(4);
  });
  ASSERT_EQ(changes().size(), 1u);
  EXPECT_EQ(changes()[0].source, at("INBOX", 2));
}

TEST_F(JournalTest, IdsAscendAndAreNeverUsedTwice) {
  const auto first = add(flag_change(at("INBOX", 1)));
  const auto second = add(flag_change(at("INBOX", 1)));
  EXPECT_LT(first, second);
  finish({second, {}, "", true});
  finish({first, {}, "", true});
  reopen();
  EXPECT_GT(add(flag_change(at("INBOX", 1))), second);
}

TEST_F(JournalTest, ChangesOfOneCallMayFollowEachOther) {
  std::vector<JournalChange> added{move_change(at("INBOX", 1), "Archive"), flag_change({})};
  added[1].follows = batch_reference(0);
  ASSERT_TRUE(journal->add(added));
  EXPECT_EQ(added[1].follows, added[0].id);
  EXPECT_EQ(changes()[1].follows, added[0].id);
}

TEST_F(JournalTest, AChangeCannotFollowALaterOne) {
  std::vector<JournalChange> added{flag_change({}), flag_change({})};
  added[0].follows = batch_reference(1);
  EXPECT_EQ(journal->add(added).error().errnum, EINVAL);
  added[0].follows = batch_reference(0);
  EXPECT_EQ(journal->add(added).error().errnum, EINVAL);
  EXPECT_EQ(added[0].id, ChangeId{});
  EXPECT_TRUE(changes().empty());
}

TEST_F(JournalTest, MarksOfSendingComeAndGo) {
  const auto id = add(move_change(at("INBOX", 1), "Archive"));
  ASSERT_TRUE(journal->mark_sent({id}, UidValidity{3}, Uid{10}));
  EXPECT_TRUE(changes()[0].sent);
  EXPECT_EQ(changes()[0].destination_validity, UidValidity{3});
  ASSERT_TRUE(journal->clear_sent({id}));
  EXPECT_FALSE(changes()[0].sent);
  EXPECT_EQ(changes()[0].destination_uid_next, Uid{});
}

TEST_F(JournalTest, FollowersGetTheMessageWhereItHasArrived) {
  const auto id = add(move_change(at("INBOX", 1), "Archive"));
  auto follower = flag_change({});
  follower.follows = id;
  add(follower);
  finish({id, at("Archive", 31), "kept.eml", true});
  ASSERT_EQ(changes().size(), 1u);
  EXPECT_EQ(changes()[0].source, at("Archive", 31));
  EXPECT_EQ(changes()[0].follows, ChangeId{});
  EXPECT_EQ(names("Archive"), Names{"31=kept.eml"});
}

TEST_F(JournalTest, AFollowerThatKnowsItsMessageKeepsIt) {
  const auto id = add(flag_change(at("INBOX", 1)));
  auto follower = flag_change(at("INBOX", 1), "\\Flagged");
  follower.follows = id;
  add(follower);
  finish({id, at("Elsewhere", 5), "", true});
  EXPECT_EQ(changes()[0].source, at("INBOX", 1));
  EXPECT_EQ(changes()[0].follows, ChangeId{});
}

TEST_F(JournalTest, FollowersOfAFailureWaitNoLongerAndHaveNoMessage) {
  const auto id = add(move_change(at("INBOX", 1), "Archive"));
  auto follower = flag_change({});
  follower.follows = id;
  add(follower);
  finish({id, {}, "lost.eml", false});
  ASSERT_EQ(changes().size(), 1u);
  EXPECT_EQ(changes()[0].source.uid, Uid{});
  EXPECT_EQ(changes()[0].follows, ChangeId{});
  EXPECT_TRUE(names("Archive").empty());
}

TEST_F(JournalTest, AFollowerThatComesTooLateIsGivenWhatItWaitedFor) {
  const auto id = add(move_change(at("INBOX", 1), "Archive"));
  const auto failed = add(move_change(at("INBOX", 2), "Archive"));
  finish({id, at("Archive", 31), "", true});
  finish({failed, {}, "", false});
  std::vector<JournalChange> late{flag_change({}), flag_change({})};
  late[0].follows = id;
  late[1].follows = failed;
  ASSERT_TRUE(journal->add(late));
  EXPECT_EQ(late[0].source, at("Archive", 31));
  EXPECT_EQ(changes()[0].source, at("Archive", 31));
  EXPECT_EQ(changes()[1].source.uid, Uid{});
  EXPECT_EQ(changes()[1].follows, ChangeId{});
}

TEST_F(JournalTest, AnEndMayBeginTheNextChange) {
  const auto id = add(move_change(at("INBOX", 1), "Archive"));
  Journal::Ended ended;
  ended.changes.push_back({id, at("Archive", 2), "", true});
  ended.next = {flag_change({}), flag_change({})};
  ended.next[0].follows = id;
  ended.next[1].follows = batch_reference(0);
  ASSERT_TRUE(journal->finish(ended));
  EXPECT_GT(ended.next[0].id, id);
  EXPECT_EQ(ended.next[0].source, at("Archive", 2));
  const auto found = changes();
  ASSERT_EQ(found.size(), 2u);
  expect_equal(found[0], ended.next[0]);
  expect_equal(found[1], ended.next[1]);
  EXPECT_EQ(found[1].follows, found[0].id);
}

TEST_F(JournalTest, AChangeEndsOnce) {
  const auto id = add(move_change(at("INBOX", 1), "Archive"));
  finish({id, at("Archive", 2), "first.eml", true});
  finish({id, at("Archive", 2), "second.eml", true});
  EXPECT_EQ(names("Archive"), Names{"2=first.eml"});
}

TEST_F(JournalTest, WhatAMessageIsRecognisedByMayBecomeKnownLater) {
  std::vector<JournalChange> added{with_everything(), with_everything()};
  ASSERT_TRUE(journal->add(added));
  added[0].size = 12;
  added[0].internal_date = 34;
  added[0].message_id = "<other@example.org>";
  ASSERT_TRUE(journal->describe({added[0]}));
  reopen();
  const auto found = changes();
  ASSERT_EQ(found.size(), 2u);
  expect_equal(found[0], added[0]);
  expect_equal(found[1], added[1]);
}

TEST_F(JournalTest, NamesBelongToOneUidvalidity) {
  ASSERT_TRUE(journal->set_local_name(at("INBOX", 2), "b.eml"));
  ASSERT_TRUE(journal->set_local_name(at("INBOX", 1), "a.eml"));
  ASSERT_TRUE(journal->set_local_name(at("INBOX", 1), "c.eml"));
  ASSERT_TRUE(journal->set_local_name(at("INBOX", 1, 8), "other.eml"));
  reopen();
  EXPECT_EQ(names("INBOX"), (Names{"2=b.eml", "1=c.eml"})) << "the last given is the last";
  UidSet set = UidSet::single(Uid{1});
  set.add(Uid{3}, Uid{9});
  ASSERT_TRUE(journal->forget_local_names("INBOX", UidValidity{7}, set));
  EXPECT_EQ(names("INBOX"), Names{"2=b.eml"});
  EXPECT_EQ(names("INBOX", 8), Names{"1=other.eml"});
  ASSERT_TRUE(journal->forget_mailbox("INBOX"));
  EXPECT_TRUE(names("INBOX").empty() && names("INBOX", 8).empty());
}

TEST_F(JournalTest, ARenamedMailboxIsRenamedEverywhereWithWhatIsBelowIt) {
  for (const auto* mailbox :
       {"Arch", "Archive", "Archive/2026", "Archive/2026/Mai", "Archives", "Archive.old", "archive"})
    ASSERT_TRUE(journal->set_local_name(at(mailbox, 1), "x.eml"));
  auto change = move_change(at("Archive", 1), "Archive/2026");
  change.replaces = at("Archive/2026", 4);
  add(change);
  auto file = staged_file("x", "Archive");
  file.replaces = at("Archive/2026", 5);
  stage(file);

  ASSERT_TRUE(journal->rename_mailbox("Archive", "Old", '/'));
  for (const auto* mailbox : {"Arch", "Old", "Old/2026", "Old/2026/Mai", "Archives", "Archive.old", "archive"})
    EXPECT_EQ(names(mailbox), Names{"1=x.eml"}) << mailbox;
  for (const auto* mailbox : {"Archive", "Archive/2026", "Archive/2026/Mai"}) EXPECT_TRUE(names(mailbox).empty());
  reopen();
  EXPECT_EQ(changes()[0].source, at("Old", 1));
  EXPECT_EQ(changes()[0].destination, "Old/2026");
  EXPECT_EQ(changes()[0].replaces, at("Old/2026", 4));
  EXPECT_EQ(staged()[0].mailbox, "Old");
  EXPECT_EQ(staged()[0].replaces, at("Old/2026", 5));
}

TEST_F(JournalTest, WildcardsInNamesOfMailboxesMeanThemselves) {
  for (const auto* mailbox : {"a%", "a%/b", "ab", "ab/c", "a_", "a_/c"})
    ASSERT_TRUE(journal->set_local_name(at(mailbox, 1), "x.eml"));
  ASSERT_TRUE(journal->rename_mailbox("a%", "new", '/'));
  ASSERT_TRUE(journal->rename_mailbox("a_", "other", '/'));
  for (const auto* mailbox : {"new", "new/b", "ab", "ab/c", "other", "other/c"})
    EXPECT_EQ(names(mailbox), Names{"1=x.eml"}) << mailbox;
}

TEST_F(JournalTest, AFlatMailboxHasNothingBelowIt) {
  ASSERT_TRUE(journal->set_local_name(at("A", 1), "x.eml"));
  ASSERT_TRUE(journal->set_local_name(at(std::string("A\0B", 3), 1), "x.eml"));
  ASSERT_TRUE(journal->rename_mailbox("A", "C", '\0'));
  EXPECT_EQ(names("C"), Names{"1=x.eml"});
  EXPECT_EQ(names(std::string("A\0B", 3)), Names{"1=x.eml"});
}

TEST_F(JournalTest, ARenamedMailboxMayTakeTheNameOfOneBelowOrAboveIt) {
  for (const auto* mailbox : {"A", "A/A", "A/A/A"}) ASSERT_TRUE(journal->set_local_name(at(mailbox, 1), mailbox));
  ASSERT_TRUE(journal->rename_mailbox("A", "A/A", '/'));
  EXPECT_TRUE(names("A").empty());
  EXPECT_EQ(names("A/A"), Names{"1=A"});
  EXPECT_EQ(names("A/A/A/A"), Names{"1=A/A/A"});
  ASSERT_TRUE(journal->rename_mailbox("A/A", "A", '/'));
  EXPECT_EQ(names("A"), Names{"1=A"});
  EXPECT_EQ(names("A/A"), Names{"1=A/A"});
  EXPECT_EQ(names("A/A/A"), Names{"1=A/A/A"});
}

TEST_F(JournalTest, ARenamedMailboxTakesThePlaceOfWhatWasCalledSo) {
  ASSERT_TRUE(journal->set_local_name(at("New", 1), "stale.eml"));
  ASSERT_TRUE(journal->set_local_name(at("Old", 1), "kept.eml"));
  ASSERT_TRUE(journal->rename_mailbox("Old", "New", '/'));
  EXPECT_EQ(names("New"), Names{"1=kept.eml"});
}

TEST_F(JournalTest, CanBeSyncedWithAndWithoutAnythingNew) {
  EXPECT_TRUE(journal->sync());
  add(flag_change(at("INBOX", 1)));
  EXPECT_TRUE(journal->sync());
  EXPECT_TRUE(journal->sync());
}

TEST_F(JournalTest, TakesManyChangesAtOnce) {
  std::vector<JournalChange> added;
  std::vector<ChangeId> ids;
  for (std::uint32_t uid = 1; uid <= 10'000; ++uid) added.push_back(move_change(at("INBOX", uid), "Archive"));
  ASSERT_TRUE(journal->add(added));
  Journal::Ended ended;
  for (const auto& change : added) {
    ids.push_back(change.id);
    ended.changes.push_back({change.id, at("Archive", change.source.uid.value), "", true});
  }
  ASSERT_TRUE(journal->mark_sent(ids, UidValidity{1}, Uid{1}));
  ASSERT_TRUE(journal->finish(ended));
  EXPECT_TRUE(changes().empty());
}

TEST(JournalRoot, IsTheStateDirectoryOfTheUser) {
  ::setenv("XDG_STATE_HOME", "/somewhere/state", 1);
  EXPECT_EQ(default_state_root(), "/somewhere/state/imapfs");
  ::setenv("XDG_STATE_HOME", "relative", 1);
  ::setenv("HOME", "/home/anna", 1);
  EXPECT_EQ(default_state_root(), "/home/anna/.local/state/imapfs");
  ::unsetenv("XDG_STATE_HOME");
  EXPECT_EQ(default_state_root(), "/home/anna/.local/state/imapfs");
}

}  // namespace
}  // namespace imapfs::store::testing

// What a mailbox that is removed takes along, and what is seen in .deleted on the way.

#include <gtest/gtest.h>

#include "changes_test_support.hpp"

namespace imapfs::sync {
namespace {

class RemovedMailbox : public ChangesFixture, public ::testing::Test {
 protected:
  RemovedMailbox() {
    server.create_mailbox("Old");
    for (const char* subject : {"a", "b", "c"}) server.deliver("Old", mail(subject));
  }
  void remove_all() {
    for (std::uint32_t uid = 1; uid <= 3; ++uid) ASSERT_TRUE(remove(source("Old", uid)).accepted());
  }
  Result<void> rmdir(const std::string& path) {
    return await<void>([&](auto done) { account->mailbox_changes().remove(id(path), std::move(done)); });
  }
  /// The errno, and that nothing was taken away.
  void expect_kept(const Result<void>& removed) {
    ASSERT_FALSE(removed);
    EXPECT_EQ(removed.error().errnum, ENOTEMPTY) << removed.error().what;
    EXPECT_EQ(server.count("DELETE") + server.count("MOVE") + server.count("EXPUNGE") + server.count("COPY"), 0u);
  }
  void without_trash() {
    server.edit_mailbox("Bin", [](testing::FakeMailbox& bin) { bin.special_use = SpecialUse::none; });
  }
  [[nodiscard]] bool exists(const std::string& path) const {
    return account->mailboxes().tree()->find_path(path) != nullptr;
  }
};

TEST_F(RemovedMailbox, TakesWhatWasRemovedHereToTheTrashWithoutItsFlag) {
  mount();
  list("Old");
  remove_all();
  ASSERT_TRUE(rmdir("Old"));
  EXPECT_FALSE(exists("Old"));
  ASSERT_TRUE(wait_until_done());
  EXPECT_EQ(messages("Bin"), (Subjects{"a", "b", "c"}));
  EXPECT_EQ(server.count("MOVE"), 1u) << "all at once";
}

TEST_F(RemovedMailbox, ExpungesWhatWasRemovedHereWhereThereIsNoTrash) {
  without_trash();
  mount();
  list("Old");
  remove_all();
  ASSERT_TRUE(rmdir("Old"));
  EXPECT_EQ(server.count("EXPUNGE"), 1u);
  EXPECT_EQ(server.count("MOVE"), 0u);
  EXPECT_FALSE(exists("Old"));
}

TEST_F(RemovedMailbox, BelowTheTrashExpunges) {
  server.create_mailbox("Bin/Old");
  server.deliver("Bin/Old", mail("x"));
  mount();
  list("Bin/Old");
  ASSERT_TRUE(remove(source("Bin/Old", 1)).accepted());
  ASSERT_TRUE(rmdir("Bin/Old"));
  EXPECT_EQ(server.count("EXPUNGE"), 1u);
  EXPECT_EQ(messages("Bin"), Subjects{});
}

TEST_F(RemovedMailbox, KeepsWhatOthersHaveFlagged) {
  server.deliver("Old", mail("theirs"), 1, FlagSet::parse("\\Deleted"));
  mount();
  list("Old");
  remove_all();
  expect_kept(rmdir("Old"));
  EXPECT_EQ(messages("Old"), (Subjects{"a!", "b!", "c!", "theirs!"}));
}

TEST_F(RemovedMailbox, KeepsWhatHasArrivedSinceThen) {
  mount();
  list("Old");
  remove_all();
  server.deliver("Old", mail("new"));
  expect_kept(rmdir("Old"));
}

TEST_F(RemovedMailbox, KeepsWhatOthersHaveRestored) {
  mount();
  list("Old");
  remove_all();
  ASSERT_TRUE(drain());
  server.set_flags("Old", Uid{2}, {});
  expect_kept(rmdir("Old"));
}

TEST_F(RemovedMailbox, KeepsWhatWasRestoredHereAndFlaggedByOthers) {
  mount();
  list("Old");
  remove_all();
  ASSERT_TRUE(restore(source("Old", 2)).accepted());
  ASSERT_TRUE(drain());
  server.set_flags("Old", Uid{2}, FlagSet::parse("\\Deleted"));
  expect_kept(rmdir("Old"));
}

TEST_F(RemovedMailbox, WithChildrenThatOthersHaveMadeKeepsAll) {
  mount();
  list("Old");
  remove_all();
  server.create_mailbox("Old/new");
  expect_kept(rmdir("Old"));
}

TEST_F(RemovedMailbox, WithoutARemovalInThisProcessKeepsAllAndSaysHow) {
  mount();
  list("Old");
  remove_all();
  ASSERT_TRUE(drain());
  remount();
  list("Old");
  const auto removed = rmdir("Old");
  expect_kept(removed);
  EXPECT_NE(removed.error().what.find(".deleted"), std::string::npos) << removed.error().what;
}

TEST_F(RemovedMailbox, IsKeptWhereTheServerCanNeitherMoveNorExpungeSingleMessages) {
  server.set_capability("UIDPLUS", false);
  server.set_capability("MOVE", false);
  mount();
  list("Old");
  remove_all();
  const auto removed = rmdir("Old");
  expect_kept(removed);
  EXPECT_NE(removed.error().what.find("expunge"), std::string::npos) << removed.error().what;
}

TEST_F(RemovedMailbox, WithMoveAloneTakesThemToTheTrash) {
  server.set_capability("UIDPLUS", false);
  mount();
  list("Old");
  remove_all();
  ASSERT_TRUE(rmdir("Old"));
  EXPECT_EQ(server.mailbox("Bin").messages.size(), 3u);
}

TEST_F(RemovedMailbox, LosesAndDoublesNothingWhenTheAnswerToMoveIsLost) {
  mount();
  list("Old");
  remove_all();
  server.lose_after("MOVE");
  ASSERT_TRUE(rmdir("Old"));
  ASSERT_TRUE(wait_until_done());
  EXPECT_EQ(messages("Bin"), (Subjects{"a", "b", "c"}));
}

TEST_F(RemovedMailbox, GoesOnInTheDirectoryAboveIt) {
  server.create_mailbox("Old/er");
  server.deliver("Old/er", mail("d"));
  mount();
  list("Old");
  list("Old/er");
  remove_all();
  ASSERT_TRUE(remove(source("Old/er", 1)).accepted());
  ASSERT_TRUE(rmdir("Old/er"));
  ASSERT_TRUE(rmdir("Old"));
  ASSERT_TRUE(wait_until_done());
  EXPECT_EQ(messages("Bin"), (Subjects{"a", "b", "c", "d"}));
}

// -- .deleted --

class RemovedMessage : public RemovedMailbox {};

TEST_F(RemovedMessage, IsInDeletedBeforeItsFlagIsSet) {
  mount();
  list("Old");
  const auto name = table("Old")->find(Uid{1})->file_name;
  server.hold("STORE");
  const auto progress = remove(source("Old", 1));
  ASSERT_TRUE(progress.accepted());
  EXPECT_EQ(table("Old")->deleted(), std::vector<Uid>{Uid{1}});
  EXPECT_TRUE(table("Old")->find_deleted_by_name(name));
  EXPECT_FALSE(listed("Old").contains(name));
  server.release("STORE");
  ASSERT_TRUE(progress.finished());
  EXPECT_EQ(table("Old")->deleted(), std::vector<Uid>{Uid{1}});
}

TEST_F(RemovedMessage, ThatIsExpungedBeforeItsFlagIsSetIsNotSeenAgain) {
  mount();
  list("Old");
  server.hold("STORE");
  server.hold("EXPUNGE");
  const auto removal = remove(source("Old", 1));
  ASSERT_TRUE(removal.accepted());
  const auto expunging = expunge(source("Old", 1));
  ASSERT_TRUE(expunging.accepted());
  EXPECT_TRUE(table("Old")->deleted().empty());
  server.release("STORE");
  ASSERT_TRUE(removal.finished());
  ASSERT_TRUE(server.wait_until_held("EXPUNGE"));
  EXPECT_TRUE(table("Old")->deleted().empty());
  server.release("EXPUNGE");
  ASSERT_TRUE(expunging.finished());
  EXPECT_EQ(messages("Old"), (Subjects{"b", "c"}));
}

TEST_F(RemovedMessage, ThatIsRestoredBeforeItsFlagIsSetComesBack) {
  mount();
  list("Old");
  server.hold("STORE");
  ASSERT_TRUE(remove(source("Old", 1)).accepted());
  const auto restoring = restore(source("Old", 1));
  server.release("STORE");
  ASSERT_TRUE(restoring.finished());
  EXPECT_EQ(messages("Old"), (Subjects{"a", "b", "c"}));
  EXPECT_EQ(listed_count("Old"), 3u);
  EXPECT_TRUE(table("Old")->deleted().empty());
}

TEST_F(RemovedMessage, ThatTheServerDoesNotFlagIsBackInItsMailbox) {
  mount();
  list("Old");
  server.fail_next("STORE", Error{EACCES, Scope::mailbox, Retry::never, "no"});
  const auto progress = remove(source("Old", 1));
  ASSERT_TRUE(progress.accepted());
  ASSERT_FALSE(progress.finished());
  EXPECT_EQ(listed_count("Old"), 3u);
  EXPECT_TRUE(table("Old")->deleted().empty());
}

}  // namespace
}  // namespace imapfs::sync

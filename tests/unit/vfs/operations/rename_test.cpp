#include "unit/vfs/staging/writing_situation.hpp"

namespace imapfs::vfs {
namespace {

struct RenameTest : ::testing::Test, Writing {
  const std::string from = "INBOX/" + name;
  std::string moved_as(const std::string& new_name) { return "move INBOX/7 -> Archive/2026/" + new_name; }
};

// -- within a mailbox: a local name --

TEST_F(RenameTest, WithinTheMailboxItIsANameOfOurOwn) {
  EXPECT_EQ(mv(from, "INBOX/lunch"), 0);
  EXPECT_EQ(sent(), (Lines{"name INBOX/7 lunch"}));
  EXPECT_EQ(find("INBOX/lunch"), node);
  EXPECT_EQ(ls("INBOX"), (Lines{"lunch"}));
}
TEST_F(RenameTest, AnEditorsBackupIsALocalNameToo) {
  EXPECT_EQ(mv(from, "INBOX/" + name + "~"), 0);
  EXPECT_EQ(mv("INBOX/" + name + "~", "INBOX/.hidden"), 0);
  EXPECT_EQ(find("INBOX/.hidden"), node);
}
TEST_F(RenameTest, OntoAnotherMessageReplacesIt) {
  const auto other = account.mailboxes().add("INBOX", 8);
  EXPECT_EQ(mv(from, "INBOX/" + other), 0);
  EXPECT_EQ(sent(), (Lines{"name INBOX/7 " + other + " replacing INBOX/8"}));
}
TEST_F(RenameTest, OntoItselfNothingHappens) {
  EXPECT_EQ(mv(from, from), 0);
  EXPECT_TRUE(sent().empty());
}
TEST_F(RenameTest, ItsBareNumberIsANameLikeAnyOther) {
  EXPECT_EQ(mv(from, "INBOX/7.eml"), 0);
  EXPECT_EQ(ls("INBOX"), (Lines{"7.eml"}));
  EXPECT_FALSE(there(from));
}
TEST_F(RenameTest, OntoTheNumberOfAnotherMessageNothingIsReplaced) {
  const auto other = account.mailboxes().add("INBOX", 8);
  EXPECT_EQ(mv(from, "INBOX/8.eml"), 0);
  EXPECT_EQ(sent(), (Lines{"name INBOX/7 8.eml"}));
  EXPECT_TRUE(there("INBOX/" + other));
}
TEST_F(RenameTest, ANameTheJournalDoesNotTakeIsNotGiven) {
  account.changes().fail_next({ENOSPC, Scope::request, Retry::later, "disk full"});
  EXPECT_EQ(mv(from, "INBOX/lunch"), ENOSPC);
  EXPECT_EQ(find(from), node);
}

// -- to another mailbox: a move on the server --

TEST_F(RenameTest, ToAnotherMailboxIsAMoveThatKeepsTheNode) {
  account.changes().hold_changes();
  EXPECT_EQ(mv(from, "Archive/2026/lunch"), 0);
  EXPECT_EQ(sent(), (Lines{moved_as("lunch")}));
  EXPECT_EQ(find("Archive/2026/lunch"), node);
  EXPECT_EQ(ls("Archive/2026"), (Lines{"lunch"}));
  EXPECT_TRUE(ls("INBOX").empty());
  account.changes().finish_changes();
  EXPECT_EQ(find("Archive/2026/lunch"), node) << "the kernel goes on with the inode it knows";
  EXPECT_EQ(ls("Archive/2026"), (Lines{"lunch"}));
  EXPECT_FALSE(there(from));
  EXPECT_TRUE(kernel.calls.empty()) << "the kernel knows of it by itself";
}
TEST_F(RenameTest, TheNameStaysWhenItHoldsAnotherMessagesNumber) {
  EXPECT_EQ(mv(from, "Archive/2026/" + name), 0);
  EXPECT_EQ(sent(), (Lines{moved_as(name)}));
  EXPECT_EQ(find("Archive/2026/" + name), node);
}
TEST_F(RenameTest, OverwritingAMessageOfAnotherMailboxReplacesIt) {
  const auto other = account.mailboxes().add("Archive/2026", 8);
  EXPECT_EQ(mv(from, "Archive/2026/" + other), 0);
  EXPECT_EQ(sent(), (Lines{moved_as(other) + " replacing Archive/2026/8"}));
  EXPECT_EQ(find("Archive/2026/" + other), node);
}
TEST_F(RenameTest, ATakenNameIsNotReplacedWhereThatIsNotWanted) {
  const auto other = account.mailboxes().add("Archive/2026", 8);
  EXPECT_EQ(mv(from, "Archive/2026/" + other, RENAME_NOREPLACE), EEXIST);
  EXPECT_EQ(mv(from, "Archive/2026/free", RENAME_NOREPLACE), 0);
}
TEST_F(RenameTest, ExchangingAndWhitingOutAreRefused) {
  EXPECT_EQ(mv(from, "Archive/2026/x", RENAME_EXCHANGE), EINVAL);
  EXPECT_EQ(mv(from, "Archive/2026/x", RENAME_WHITEOUT), EINVAL);
}
TEST_F(RenameTest, AMoveThatIsNotAcceptedLeavesEverything) {
  account.changes().fail_next({EHOSTUNREACH, Scope::account, Retry::later, "offline"});
  EXPECT_EQ(mv(from, "Archive/2026/lunch"), EHOSTUNREACH);
  EXPECT_EQ(find(from), node);
  EXPECT_FALSE(there("Archive/2026/lunch"));
}
TEST_F(RenameTest, ARefusedMoveTakesTheNewNameFromTheKernel) {
  account.changes().hold_changes();
  mv(from, "Archive/2026/lunch");
  account.changes().refuse_changes({EACCES, Scope::mailbox, Retry::never, "no"});
  EXPECT_FALSE(there("Archive/2026/lunch"));
  EXPECT_EQ(find(from), node);
  EXPECT_EQ(kernel.calls, (Lines{"removed Archive/2026|lunch announce"}));
}
TEST_F(RenameTest, AMessageThatArrivedNobodyKnowsWhereIsNotShownTwice) {
  account.arrivals().arrive_unknown();
  mv(from, "Archive/2026/lunch");
  EXPECT_EQ(ls("Archive/2026"), (Lines{"lunch"})) << "the row alone";
  EXPECT_NE(find("Archive/2026/lunch"), node);
}
TEST_F(RenameTest, InAMailboxThatWasNotListedTheNameIsThereBeforeItsRow) {
  account.arrivals().arrive_unlisted();
  mv(from, "Sent/lunch");
  EXPECT_EQ(find("Sent/lunch"), node);
  EXPECT_EQ(ls("Sent"), (Lines{"lunch"}));
}
TEST_F(RenameTest, WhatHasArrivedGivesWayToItsRow) {
  account.arrivals().arrive_unlisted();
  mv(from, "Sent/lunch");
  auto row = testing::fake_message(101);
  row.file_name = "lunch";
  account.mailboxes().add("Sent", row);
  EXPECT_EQ(ls("Sent"), (Lines{"lunch"}));
  EXPECT_EQ(find("Sent/lunch"), node);
}
TEST_F(RenameTest, OneOnItsWayMovesOn) {
  account.changes().hold_changes();
  mv(from, "Sent/a");
  EXPECT_EQ(mv("Sent/a", "Archive/2026/b"), 0);
  EXPECT_EQ(sent(), (Lines{"move INBOX/7 -> Sent/a", "move change 1 -> Archive/2026/b"}));
  EXPECT_EQ(find("Archive/2026/b"), node);
  EXPECT_FALSE(there("Sent/a"));
  account.changes().finish_changes();
  EXPECT_EQ(find("Archive/2026/b"), node);
  EXPECT_EQ(ls("Sent"), Lines{});
}
TEST_F(RenameTest, OneOnItsWayGetsAnotherNameOnceItIsThere) {
  account.changes().hold_changes();
  mv(from, "Sent/a");
  Answer<void> renamed;
  filesystem.rename({}, {mailbox("Sent"), "a", mailbox("Sent"), "b", 0}, renamed.reply());
  EXPECT_FALSE(renamed.came());
  account.changes().finish_changes();
  EXPECT_EQ(renamed.wait().error(), 0);
  EXPECT_EQ(sent().back(), "name Sent/101 b");
  EXPECT_EQ(find("Sent/b"), node);
}
TEST_F(RenameTest, OneThatNobodyWaitsForAnyMoreDoesNotHappen) {
  account.changes().hold_changes();
  mv(from, "Sent/a");
  bool waits = true;
  Caller caller;
  caller.still_waits = [&waits] { return waits; };
  Answer<void> renamed;
  filesystem.rename(caller, {mailbox("Sent"), "a", mailbox("Sent"), "b", 0}, renamed.reply());
  EXPECT_FALSE(renamed.came());
  waits = false;
  account.changes().finish_changes();
  EXPECT_EQ(renamed.wait().error(), ECANCELED);
  EXPECT_EQ(sent(), (Lines{"move INBOX/7 -> Sent/a"}));
  EXPECT_EQ(find("Sent/a"), node);
  EXPECT_FALSE(there("Sent/b"));
}
TEST_F(RenameTest, ThereAndBackIsTheSameFile) {
  mv(from, "Sent/a");
  EXPECT_EQ(mv("Sent/a", from), 0);
  EXPECT_EQ(sent().back(), "move Sent/101 -> " + from);
  EXPECT_EQ(find(from), node);
  EXPECT_EQ(cat(node), "From: anna\r\n\r\nHello\r\n");
}
TEST_F(RenameTest, OntoOneThatIsOnItsWayWaitsForItAndReplacesIt) {
  const auto other = account.mailboxes().add("INBOX", 8);
  account.changes().hold_changes();
  mv(from, "Sent/a");
  Answer<void> renamed;
  filesystem.rename({}, {mailbox("INBOX"), other, mailbox("Sent"), "a", 0}, renamed.reply());
  EXPECT_FALSE(renamed.came());
  account.changes().finish_changes();
  EXPECT_EQ(renamed.wait().error(), 0);
  EXPECT_EQ(sent().back(), "move INBOX/8 -> Sent/a replacing Sent/101");
  EXPECT_EQ(find("Sent/a"), message("INBOX", 8));
}

// -- what is no place for a message --

TEST_F(RenameTest, DirectoriesWithoutMessagesTakeNone) {
  EXPECT_EQ(mv(from, "Archive/x"), EPERM);
  EXPECT_EQ(mv(from, "x"), EPERM);
}
TEST_F(RenameTest, NothingIsMovedIntoDeletedOrTheControlDirectory) {
  EXPECT_EQ(mv(from, "INBOX/.deleted/x"), EPERM);
  Answer<void> answer;
  filesystem.rename({}, {mailbox("INBOX"), name, fixed_node(FixedNode::control_directory), "x", 0}, answer.reply());
  EXPECT_EQ(answer.wait().error(), EPERM);
  EXPECT_EQ(mv(from, "INBOX/.deleted"), EPERM);
  EXPECT_TRUE(sent().empty());
}
TEST_F(RenameTest, AFileAndADirectoryDoNotReplaceEachOther) {
  EXPECT_EQ(mv(from, "Archive/2026"), EISDIR);
  EXPECT_EQ(mv("Sent", from), ENOTDIR);
}
TEST_F(RenameTest, WhatIsNotThereCannotBeMoved) { EXPECT_EQ(mv("INBOX/nothing", "Sent/x"), ENOENT); }
TEST_F(RenameTest, AnOverlongNameIsRefusedBeforeAnythingElse) {
  EXPECT_EQ(mv(from, "Sent/" + std::string(256, 'x')), ENAMETOOLONG);
}

// -- mailboxes --

TEST_F(RenameTest, ADirectoryIsRenamedWithWhatIsBelow) {
  EXPECT_EQ(mv("Archive", "Old"), 0);
  EXPECT_EQ(sent(), (Lines{"rename Archive -> Old"}));
  EXPECT_TRUE(there("Old/2026"));
}
TEST_F(RenameTest, ADirectoryMovesBelowAnother) {
  EXPECT_EQ(mv("Sent", "Archive/Sent"), 0);
  EXPECT_EQ(sent(), (Lines{"rename Sent -> Archive/Sent"}));
}
TEST_F(RenameTest, ADirectoryDoesNotMoveIntoItself) { EXPECT_EQ(mv("Archive", "Archive/2026/x"), EINVAL); }
TEST_F(RenameTest, ADirectoryThatHoldsMailIsNotReplaced) {
  account.mailboxes().add("Sent", 1);
  EXPECT_EQ(mv("Archive/2026", "Sent"), ENOTEMPTY);
  EXPECT_TRUE(sent().empty());
}
TEST_F(RenameTest, AnEmptyDirectoryMakesWay) {
  EXPECT_EQ(mv("Archive/2026", "Sent"), 0);
  EXPECT_EQ(sent(), (Lines{"rename Archive/2026 -> Sent"}));
}
TEST_F(RenameTest, HiddenDirectoriesStayWhereTheyAre) {
  EXPECT_EQ(mv("INBOX/.deleted", "Sent/x"), EPERM);
  EXPECT_EQ(mv(".imapfs", "x"), EPERM);
}

// -- staged files --

TEST_F(RenameTest, TheFinalNameUploadsWhatWasWrittenUnderATemporaryOne) {
  const auto staged = write_temporary("Sent/.new.Ab12Cd", "Subject: x\n\nText\n");
  EXPECT_EQ(find("Sent/.new.Ab12Cd"), staged);
  EXPECT_EQ(mv("Sent/.new.Ab12Cd", "Sent/new"), 0);
  EXPECT_EQ(sent(), (Lines{"append Sent/new"}));
  EXPECT_EQ(find("Sent/new"), staged);
  EXPECT_EQ(ls("Sent"), (Lines{"new"}));
  EXPECT_EQ(account.bodies().body_text("Sent", 101), "Subject: x\r\n\r\nText\r\n");
}
TEST_F(RenameTest, AStagedFileTakesThePlaceOfAMessage) {
  write_temporary("INBOX/sedAb12Cd", "Subject: x\n\nText\n");
  EXPECT_EQ(mv("INBOX/sedAb12Cd", from), 0);
  EXPECT_EQ(sent(), (Lines{"append " + from + " replacing INBOX/7"}));
}
TEST_F(RenameTest, AMessageTakesThePlaceOfAStagedFile) {
  write_temporary("Sent/.x", "Subject: x\n\nText\n");
  EXPECT_EQ(mv(from, "Sent/.x"), 0);
  EXPECT_EQ(find("Sent/.x"), node);
}

// -- a read-only mount --

TEST(RenameReadOnly, NothingIsRenamed) {
  Situation at;
  const auto name = at.account.mailboxes().add("INBOX", 7);
  Answer<void> answer;
  at.filesystem.rename({}, {at.mailbox("INBOX"), name, at.mailbox("INBOX"), "x", 0}, answer.reply());
  EXPECT_EQ(answer.error(), EROFS);
}

}  // namespace
}  // namespace imapfs::vfs

#include "unit/vfs/staging/writing_situation.hpp"

namespace imapfs::vfs {
namespace {

struct UnlinkTest : ::testing::Test, Writing {
  const std::string file = "INBOX/" + name;
};

TEST_F(UnlinkTest, AMessageIsRemovedByThePolicy) {
  EXPECT_EQ(rm(file), 0);
  EXPECT_EQ(sent(), (Lines{"remove INBOX/7"}));
  EXPECT_FALSE(there(file));
  EXPECT_TRUE(ls("INBOX").empty());
}
TEST_F(UnlinkTest, ItIsGoneFromTheMomentItIsAccepted) {
  account.changes().hold_changes();
  EXPECT_EQ(rm(file), 0);
  EXPECT_FALSE(there(file));
  account.changes().refuse_changes({EACCES, Scope::mailbox, Retry::never, "no"});
  EXPECT_TRUE(there(file)) << "a refusal takes the effect back";
}
TEST_F(UnlinkTest, ByANameThatIsNotListedNothingIsRemoved) {
  EXPECT_EQ(rm("INBOX/7.eml"), ENOENT);
  EXPECT_TRUE(there(file));
}
TEST_F(UnlinkTest, TheKernelIsToldNothing) {
  rm(file);
  EXPECT_TRUE(kernel.calls.empty());
}
TEST_F(UnlinkTest, WhatIsNotAcceptedStays) {
  account.changes().fail_next({EHOSTUNREACH, Scope::account, Retry::later, "offline"});
  EXPECT_EQ(rm(file), EHOSTUNREACH);
  EXPECT_TRUE(there(file));
}
TEST_F(UnlinkTest, OneOnItsWayIsRemovedWhereItArrives) {
  account.changes().hold_changes();
  mv(file, "Sent/a");
  EXPECT_EQ(rm("Sent/a"), 0);
  EXPECT_EQ(sent().back(), "remove change 1");
  EXPECT_FALSE(there("Sent/a"));
  account.changes().finish_changes();
  EXPECT_FALSE(there("Sent/a"));
}
TEST_F(UnlinkTest, OneThatHasArrivedIsRemovedThere) {
  account.arrivals().arrive_unlisted();
  mv(file, "Sent/a");
  EXPECT_EQ(rm("Sent/a"), 0);
  EXPECT_EQ(sent().back(), "remove Sent/101");
  EXPECT_FALSE(there("Sent/a"));
}
TEST_F(UnlinkTest, AStagedFileIsDropped) {
  write_temporary("INBOX/.x", "Subject: x\n\nText\n");
  EXPECT_EQ(rm("INBOX/.x"), 0);
  EXPECT_FALSE(there("INBOX/.x"));
  EXPECT_TRUE(journal->staged().value().empty());
  EXPECT_TRUE(sent().empty());
}
TEST_F(UnlinkTest, NothingDirectoriesAndControlFilesAreRefused) {
  EXPECT_EQ(rm("INBOX/nothing"), ENOENT);
  EXPECT_EQ(rm("Archive/2026"), EISDIR);
  EXPECT_EQ(rm("INBOX/.deleted"), EISDIR);
  Answer<void> status;
  filesystem.unlink({}, fixed_node(FixedNode::control_directory), "status", status.reply());
  EXPECT_EQ(status.error(), EPERM);
}
TEST_F(UnlinkTest, RightsAreKnownBeforeTheServerIsAsked) {
  sync::MailboxRights rights;
  rights.remove_messages = false;
  account.mailboxes().set_rights("INBOX", rights);
  EXPECT_EQ(rm(file), EACCES);
  rights.read_only = true;
  account.mailboxes().set_rights("INBOX", rights);
  EXPECT_EQ(rm(file), EROFS);
  EXPECT_TRUE(sent().empty());
}
TEST_F(UnlinkTest, AnOpenMessageStaysReadable) {
  const auto handle = open(node).value().handle;
  rm(file);
  EXPECT_EQ(bytes(read(node, handle)), "From: anna\r\n\r\nHello\r\n");
  EXPECT_EQ(getattr(node).error(), 0);
  filesystem.release(node, handle);
}

// -- directories --

TEST_F(UnlinkTest, ADirectoryIsAMailboxToDelete) {
  EXPECT_EQ(rmdir("Sent"), 0);
  EXPECT_EQ(sent(), (Lines{"delete Sent"}));
  EXPECT_FALSE(there("Sent"));
}
TEST_F(UnlinkTest, ADirectoryThatTheServerKeepsStays) {
  account.changes().fail_next({ENOTEMPTY, Scope::mailbox, Retry::never, "it holds messages"});
  EXPECT_EQ(rmdir("Sent"), ENOTEMPTY);
  EXPECT_TRUE(there("Sent"));
}
TEST_F(UnlinkTest, ADirectoryWithFilesOnTheirWayIsNotEmpty) {
  account.changes().hold_changes();
  mv(file, "Sent/a");
  EXPECT_EQ(rmdir("Sent"), ENOTEMPTY);
  EXPECT_EQ(sent().size(), 1u) << "the server was not asked";
}
TEST_F(UnlinkTest, OtherThingsAreNoDirectoriesToRemove) {
  EXPECT_EQ(rmdir("Nothing"), ENOENT);
  EXPECT_EQ(rmdir(file), ENOTDIR);
  EXPECT_EQ(rmdir("INBOX/.deleted"), EPERM);
  EXPECT_EQ(rmdir(".imapfs"), EPERM);
}
TEST_F(UnlinkTest, MkdirCreatesAMailbox) {
  EXPECT_EQ(mkdir("Archive/2027"), 0);
  EXPECT_EQ(sent(), (Lines{"create Archive/2027"}));
  EXPECT_TRUE(there("Archive/2027"));
  EXPECT_EQ(mkdir("Archive/2027"), EEXIST);
  EXPECT_EQ(mkdir(file), EEXIST);
}
TEST_F(UnlinkTest, DirectoriesAreCreatedAmongMailboxesOnly) {
  Answer<Entry> made;
  filesystem.mkdir({}, fixed_node(FixedNode::control_directory), "x", 0700, made.reply());
  EXPECT_EQ(made.error(), EPERM);
  EXPECT_EQ(mkdir("INBOX/.deleted/x"), EPERM);
}
TEST_F(UnlinkTest, LinksAndDevicesAreRefused) {
  Answer<Entry> link;
  filesystem.link({}, node, mailbox("INBOX"), "l", link.reply());
  EXPECT_EQ(link.error(), EPERM);
  Answer<Entry> symlink;
  filesystem.symlink({}, mailbox("INBOX"), "l", "target", symlink.reply());
  EXPECT_EQ(symlink.error(), EPERM);
  Answer<Entry> fifo;
  filesystem.mknod({}, mailbox("INBOX"), "f", S_IFIFO | 0600, fifo.reply());
  EXPECT_EQ(fifo.error(), EPERM);
}
TEST_F(UnlinkTest, MknodMakesAFileThatIsUploadedWhenItHasContent) {
  Answer<Entry> made;
  filesystem.mknod({}, mailbox("Sent"), "f", S_IFREG | 0600, made.reply());
  ASSERT_EQ(made.wait().error(), 0);
  EXPECT_EQ(find("Sent/f"), made.value().node);
  EXPECT_TRUE(sent().empty());
}

}  // namespace
}  // namespace imapfs::vfs

#include "unit/vfs/situation.hpp"

namespace imapfs::vfs {
namespace {

TEST(Lookup, AMailboxIsADirectoryOfTheRoot) {
  Situation at;
  const auto entry = at.lookup(root_node, "INBOX");
  ASSERT_EQ(entry.error(), 0);
  EXPECT_EQ(entry.value().node, at.mailbox("INBOX"));
  EXPECT_TRUE(S_ISDIR(entry.value().attributes.mode));
  EXPECT_EQ(at.account.mailboxes().calls().freshen_tree, 0);
}

TEST(Lookup, AChildMailboxIsASubdirectory) {
  Situation at;
  EXPECT_EQ(at.lookup(at.mailbox("Archive"), "2026").value().node, at.mailbox("Archive/2026"));
}

TEST(Lookup, AnUnknownNameInTheRootIsCheckedOnTheServer) {
  Situation at;
  at.account.network().hold();
  const auto entry = at.lookup(root_node, "New");
  EXPECT_FALSE(entry.came());
  at.account.set_mailboxes({"INBOX", "New"});
  at.account.network().answer_all();
  EXPECT_EQ(entry.value().node, at.mailbox("New"));
  EXPECT_EQ(at.lookup(root_node, "Other").error(), ENOENT);
}

TEST(Lookup, AListedMessageIsAnsweredFromMemory) {
  Situation at;
  const auto name = at.account.mailboxes().add("INBOX", 7);
  at.account.mailboxes().complete("INBOX");
  at.account.network().hold();
  const auto entry = at.lookup(at.mailbox("INBOX"), name);
  ASSERT_EQ(entry.error(), 0);
  EXPECT_EQ(entry.value().node, at.message("INBOX", 7));
  EXPECT_EQ(entry.value().entry_timeout, std::chrono::hours(24));
  EXPECT_EQ(entry.value().attribute_timeout, std::chrono::hours(24));
}

TEST(Lookup, ANumberAloneIsNoName) {
  Situation at;
  at.account.mailboxes().add("INBOX", 4711);
  EXPECT_EQ(at.lookup(at.mailbox("INBOX"), "4711.eml").error(), ENOENT);
}

TEST(Lookup, OneUnlistedNameCostsOneQuestion) {
  Situation at;
  const auto name = at.account.mailboxes().add_unlisted("INBOX", 9);
  at.account.network().hold();
  const auto entry = at.lookup(at.mailbox("INBOX"), name);
  EXPECT_FALSE(entry.came());
  at.account.network().answer_all();
  EXPECT_EQ(entry.value().node, at.message("INBOX", 9));
  EXPECT_EQ(at.account.mailboxes().calls().find_message, 1);
  EXPECT_EQ(at.account.mailboxes().calls().freshen, 0) << "not a listing";
}

TEST(Lookup, AMessageThatIsNowhereIsNotThere) {
  Situation at;
  EXPECT_EQ(at.lookup(at.mailbox("INBOX"), "nothing.1.eml").error(), ENOENT);
}

TEST(Lookup, DotNamesNeverReachTheAccount) {
  Situation at;
  for (const auto* name : {".git", ".hidden", "...", ".search", ".Trash-1000"}) {
    EXPECT_EQ(at.lookup(root_node, name).error(), ENOENT) << name;
    EXPECT_EQ(at.lookup(at.mailbox("INBOX"), name).error(), ENOENT) << name;
  }
  EXPECT_EQ(at.lookup(at.mailbox("INBOX"), ".imapfs").error(), ENOENT);
  EXPECT_EQ(at.account.mailboxes().calls().find_message, 0);
  EXPECT_EQ(at.account.mailboxes().calls().freshen_tree, 0);
}

TEST(Lookup, NamesNoDirectoryCanHoldAreRefused) {
  Situation at;
  EXPECT_EQ(at.lookup(at.mailbox("INBOX"), "").error(), ENOENT);
  EXPECT_EQ(at.lookup(at.mailbox("INBOX"), "a/b").error(), ENOENT);
  EXPECT_EQ(at.lookup(at.mailbox("INBOX"), std::string("a\0b", 3)).error(), ENOENT);
  EXPECT_EQ(at.lookup(at.mailbox("INBOX"), std::string(256, 'a')).error(), ENAMETOOLONG);
  EXPECT_EQ(at.account.mailboxes().calls().find_message, 0);
}

TEST(Lookup, HostileNamesAreJustNotThere) {
  Situation at;
  at.account.mailboxes().add("INBOX", 7);
  at.account.mailboxes().complete("INBOX");
  for (const auto* name :
       {"\xff\xfe", "\x1b[31m", "-rf", "99999999999999999999.eml", "0.eml", "007.eml", "%s%n", "*"}) {
    EXPECT_EQ(at.lookup(at.mailbox("INBOX"), name).error(), ENOENT) << name;
  }
}

TEST(Lookup, DotAndDotDotWorkForFileHandles) {
  Situation at;
  at.account.mailboxes().add("INBOX", 7);
  EXPECT_EQ(at.lookup(at.message("INBOX", 7), ".").value().node, at.message("INBOX", 7));
  EXPECT_EQ(at.lookup(at.mailbox("Archive/2026"), "..").value().node, at.mailbox("Archive"));
  EXPECT_EQ(at.lookup(at.mailbox("Archive"), "..").value().node, root_node);
  EXPECT_EQ(at.lookup(root_node, "..").value().node, root_node);
  EXPECT_EQ(at.lookup(fixed_node(FixedNode::status), "..").value().node, fixed_node(FixedNode::control_directory));
}

TEST(Lookup, AMessageIsNoDirectory) {
  Situation at;
  at.account.mailboxes().add("INBOX", 7);
  EXPECT_EQ(at.lookup(at.message("INBOX", 7), "x").error(), ENOTDIR);
  EXPECT_EQ(at.opendir(at.message("INBOX", 7)).error(), ENOTDIR);
  EXPECT_EQ(at.readdir(at.message("INBOX", 7), 0).error(), ENOTDIR);
  EXPECT_EQ(at.lookup(fixed_node(FixedNode::status), "x").error(), ENOTDIR);
}

TEST(Lookup, AMailboxThatIsGoneIsNotThere) {
  Situation at;
  const auto node = at.mailbox("Sent");
  at.account.set_mailboxes({"INBOX"});
  EXPECT_EQ(at.lookup(node, "x").error(), ENOENT);
  EXPECT_EQ(at.getattr(node).error(), ENOENT);
  EXPECT_EQ(at.opendir(node).error(), ENOENT);
  EXPECT_EQ(at.readdir(node, 0).error(), ENOENT);
  EXPECT_EQ(at.xattr(node, "user.imap.mailbox").error(), ENOENT);
}

TEST(Lookup, AUserLeavesInterestAndTheAnnouncerDoesNot) {
  Situation at;
  const auto inbox = at.account.id("INBOX");
  EXPECT_EQ(at.lookup(root_node, "INBOX", announcer()).error(), 0);
  EXPECT_FALSE(at.publisher.kernel().seen_directories().contains(inbox));
  EXPECT_EQ(at.lookup(root_node, "INBOX").error(), 0);
  EXPECT_TRUE(at.publisher.kernel().seen_directories().contains(inbox));
}

}  // namespace
}  // namespace imapfs::vfs

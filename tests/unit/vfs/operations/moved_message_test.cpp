// Files that go on while their messages move.
#include "unit/vfs/staging/writing_situation.hpp"

namespace imapfs::vfs {
namespace {

constexpr const char* moved_text = "From: anna\r\n\r\nHello\r\n";

struct MovedMessageTest : ::testing::Test, Writing {
  const std::string from = "INBOX/" + name;
};

TEST_F(MovedMessageTest, AnOpenFileGoesOn) {
  const auto handle = open(node).value().handle;
  mv(from, "Sent/a");
  EXPECT_EQ(bytes(read(node, handle)), moved_text);
  filesystem.release(node, handle);
}
TEST_F(MovedMessageTest, OnItsWayItIsReadWhereItComesFrom) {
  account.changes().hold_changes();
  mv(from, "Sent/a");
  EXPECT_EQ(cat(find("Sent/a")), moved_text);
}
TEST_F(MovedMessageTest, ArrivedItIsReadWhereItIs) {
  mv(from, "Sent/a");
  account.bodies().remove_body("INBOX", 7);
  EXPECT_EQ(cat(node), moved_text);
}
TEST_F(MovedMessageTest, OpenedInTheMomentOfTheMoveItIsOpenedAgain) {
  account.changes().hold_changes();
  mv(from, "Sent/a");
  account.bodies().remove_body("INBOX", 7);
  const auto opened = open(node);
  EXPECT_FALSE(opened.came()) << "the server has it somewhere: wait";
  account.bodies().set_body("INBOX", 7, moved_text);
  account.changes().finish_changes();
  EXPECT_EQ(opened.wait().error(), 0);
  EXPECT_EQ(bytes(read(node, opened.value().handle)), moved_text);
}
TEST_F(MovedMessageTest, FlagsThatAreSetOnItsWayAreRefusedWithTheMove) {
  account.changes().hold_changes();
  mv(from, "Sent/a");
  Answer<void> set;
  filesystem.setxattr({}, node, "user.imap.flags", "+\\Flagged", set.reply());
  EXPECT_FALSE(set.came());
  account.changes().refuse_changes({EDQUOT, Scope::message, Retry::never, "over quota"});
  EXPECT_EQ(set.wait().error(), EDQUOT);
}
TEST_F(MovedMessageTest, AttributesStayTheSame) {
  const auto before = getattr(node).value().attributes;
  account.changes().hold_changes();
  mv(from, "Sent/a");
  auto on_its_way = getattr(node).value().attributes;
  EXPECT_EQ(on_its_way.size, before.size);
  EXPECT_EQ(on_its_way.time, before.time);
  EXPECT_EQ(on_its_way.inode, before.inode);
  account.changes().finish_changes();
  const auto arrived = getattr(node).value().attributes;
  EXPECT_EQ(arrived.size, before.size);
  EXPECT_EQ(arrived.inode, before.inode) << "cp compares stat(2) with fstat(2)";
  mv("Sent/a", "Archive/b");
  EXPECT_EQ(getattr(node).value().attributes.inode, before.inode);
}
TEST_F(MovedMessageTest, TheGenerationStaysToo) {
  const auto [parent, child] = at(from);
  const auto before = lookup(parent, child).value().generation;
  account.mailboxes().messages("Sent").reset(UidValidity{5});
  account.mailboxes().complete("Sent");
  mv(from, "Sent/a");
  const auto after = lookup(mailbox("Sent"), "a").value();
  EXPECT_EQ(after.node, node);
  EXPECT_EQ(after.generation, before) << "another one would be another inode";
}
TEST_F(MovedMessageTest, ReaddirplusGivesTheSameNode) {
  mv(from, "Sent/a");
  for (const auto& entry : list(mailbox("Sent"))) {
    if (entry.name == "a") {
      EXPECT_EQ(entry.entry.node, node);
    }
  }
}
TEST_F(MovedMessageTest, TheServersNumbersAreNotKnownBeforeItArrives) {
  account.changes().hold_changes();
  mv(from, "Sent/a");
  EXPECT_EQ(xattr(node, "user.imap.uid").error(), ENODATA);
  EXPECT_EQ(xattr(node, "user.imap.uidvalidity").error(), ENODATA);
  EXPECT_EQ(xattr(node, "user.imap.flags").value(), "");
  for (const auto& attribute : xattr_names(node)) EXPECT_EQ(xattr(node, attribute).error(), 0) << attribute;
  account.changes().finish_changes();
  EXPECT_EQ(xattr(node, "user.imap.uid").value(), "101");
}
TEST_F(MovedMessageTest, AnotherUidvalidityThereMeansItIsGone) {
  mv(from, "Sent/a");
  account.mailboxes().messages("Sent").reset(UidValidity{78});
  account.mailboxes().add("Sent", 101);
  account.mailboxes().complete("Sent");
  EXPECT_EQ(getattr(node).error(), ENOENT);
  EXPECT_NE(open(node).error(), 0);
}
TEST_F(MovedMessageTest, LogsNameItWhereItIs) {
  account.changes().hold_changes();
  mv(from, "Sent/a");
  EXPECT_EQ(filesystem.path_of(node), "Sent/a");
  account.changes().finish_changes();
  EXPECT_EQ(filesystem.path_of(node), "Sent/a");
}
TEST_F(MovedMessageTest, NewsOfItReachesTheNodeThatTheKernelKnows) {
  mv(from, "Sent/a");
  sync::ChangeListener::MailboxChange news;
  news.mailbox = account.id("Sent");
  news.path = "Sent";
  news.removed = {{Uid{101}, "a"}};
  account.mailboxes().messages("Sent").remove(UidSet::single(Uid{101}));
  publisher.on_mailbox_changed(news);
  ASSERT_EQ(kernel.changes.size(), 1u);
  EXPECT_EQ(kernel.changes[0].node, node);
  EXPECT_FALSE(there("Sent/a"));
}
TEST_F(MovedMessageTest, NewsOfARemovalDoesNotDropWhatAUserHasPutInItsPlace) {
  const auto other = account.mailboxes().add("Sent", 8);
  account.changes().hold_changes();
  mv(from, "Sent/" + other);
  sync::ChangeListener::MailboxChange news;
  news.mailbox = account.id("Sent");
  news.path = "Sent";
  news.removed = {{Uid{8}, other}};
  publisher.on_mailbox_changed(news);
  EXPECT_EQ(kernel.calls, (Lines{fmt::format("directory {:#x}", mailbox("Sent").value)}));
}
TEST_F(MovedMessageTest, ItsNameGoesWhenAnotherClientHasRemovedItBeforeItWasListed) {
  account.arrivals().arrive_unlisted();
  mv(from, "Sent/a");
  EXPECT_TRUE(there("Sent/a"));
  const MessageLocation there_now{account.id("Sent"), account.mailboxes().messages("Sent").uid_validity(), Uid{101}};
  account.changes().expunge({there_now, {}}, {[](const Result<sync::ChangeId>&) {}, {}});
  EXPECT_EQ(cat(node), "errno " + std::to_string(ENOENT));
  EXPECT_FALSE(there("Sent/a"));
  EXPECT_TRUE(ls("Sent").empty());
}
TEST_F(MovedMessageTest, ItsNameDoesNotComeBackWhenItsRowGoes) {
  mv(from, "Sent/a");
  account.mailboxes().messages("Sent").remove(UidSet::single(Uid{101}));
  EXPECT_TRUE(ls("Sent").empty());
  EXPECT_FALSE(there("Sent/a"));
}

}  // namespace
}  // namespace imapfs::vfs

// What our own announcer is shown while it raises inotify events, and that nobody else is.
#include "changes_situation.hpp"

namespace imapfs::vfs {
namespace {

TEST(Announcer, CreatesWhatTheServerHasCreated) {
  Changes at;
  const auto id = at.filesystem.begin_announcement(
      at.announce(Announcement::Kind::created, at.inbox, at.name, at.node));
  EXPECT_EQ(at.lookup(at.inbox, at.name, announcer()).error(), ENOENT);
  const auto made = at.mknod(at.name, announcer());
  ASSERT_EQ(made.error(), 0);
  EXPECT_EQ(made.value().node, at.node);
  EXPECT_EQ(made.value().attributes.size, 1007u);
  EXPECT_EQ(made.value().entry_timeout, std::chrono::hours(24));
  at.filesystem.end_announcement(id);
  EXPECT_EQ(at.lookup(at.inbox, at.name, announcer()).error(), 0);
  EXPECT_EQ(at.mknod(at.name, announcer()).error(), EROFS);
}

TEST(Announcer, EverybodyElseSeesTheTruthMeanwhile) {
  Changes at;
  at.filesystem.begin_announcement(at.announce(Announcement::Kind::created, at.inbox, at.name, at.node));
  EXPECT_EQ(at.lookup(at.inbox, at.name).value().node, at.node);
  EXPECT_EQ(at.mknod(at.name).error(), EROFS);
  at.filesystem.begin_announcement(
      at.announce(Announcement::Kind::removed, at.inbox, "gone.8.eml", at.message("INBOX", 8)));
  EXPECT_EQ(at.lookup(at.inbox, "gone.8.eml").error(), ENOENT);
  EXPECT_EQ(at.unlink("gone.8.eml").error(), EROFS);
}

TEST(Announcer, RemovesWhatTheServerHasRemoved) {
  Changes at;
  const auto generation = at.lookup(at.inbox, at.name).value().generation;
  const auto inode = at.getattr(at.node).value().attributes.inode;
  at.account.mailboxes().complete("INBOX");
  at.account.mailboxes().messages("INBOX").remove(UidSet::single(Uid{7}));
  const auto id = at.filesystem.begin_announcement(
      at.announce(Announcement::Kind::removed, at.inbox, at.name, at.node));
  const auto entry = at.lookup(at.inbox, at.name, announcer());
  ASSERT_EQ(entry.error(), 0);
  EXPECT_EQ(entry.value().node, at.node);
  EXPECT_EQ(entry.value().generation, generation) << "another one would make the kernel drop the watched inode";
  EXPECT_EQ(entry.value().attributes.inode, inode);
  EXPECT_TRUE(S_ISREG(entry.value().attributes.mode));
  EXPECT_EQ(entry.value().entry_timeout.count(), 0);
  EXPECT_EQ(at.getattr(at.node, announcer()).error(), 0);
  EXPECT_EQ(at.getattr(at.node).error(), ENOENT);
  EXPECT_EQ(at.unlink(at.name, announcer()).error(), 0);
  at.filesystem.end_announcement(id);
  EXPECT_EQ(at.unlink(at.name, announcer()).error(), EROFS);
  EXPECT_EQ(at.lookup(at.inbox, at.name, announcer()).error(), ENOENT);
}

TEST(Announcer, MakesAndRemovesMailboxDirectories) {
  Changes at;
  const auto sent = at.mailbox("Sent");
  at.filesystem.begin_announcement(at.announce(Announcement::Kind::created, root_node, "Sent", sent));
  EXPECT_EQ(at.lookup(root_node, "Sent", announcer()).error(), ENOENT);
  EXPECT_EQ(at.mkdir(root_node, "Sent", announcer()).value().node, sent);
  const auto archive = at.mailbox("Archive");
  at.account.set_mailboxes({"INBOX", "Sent"});
  at.filesystem.begin_announcement(at.announce(Announcement::Kind::removed, root_node, "Archive", archive));
  EXPECT_TRUE(S_ISDIR(at.lookup(root_node, "Archive", announcer()).value().attributes.mode));
  EXPECT_EQ(at.rmdir(root_node, "Archive", announcer()).error(), 0);
}

TEST(Announcer, MayDoNothingElse) {
  Changes at;
  at.filesystem.begin_announcement(at.announce(Announcement::Kind::created, at.inbox, at.name, at.node));
  EXPECT_EQ(at.unlink(at.name, announcer()).error(), EROFS);
  EXPECT_EQ(at.mknod("other.eml", announcer()).error(), EROFS);
  EXPECT_EQ(at.mkdir(at.inbox, at.name, announcer()).error(), EROFS);
  EXPECT_EQ(at.setattr({}, announcer()).error(), EROFS);
  EXPECT_EQ(at.rmdir(root_node, "Sent", announcer()).error(), EROFS);
}

TEST(Announcer, ACreatedMessageThatIsGoneAgainIsNotMade) {
  Changes at;
  at.account.mailboxes().complete("INBOX");
  at.account.mailboxes().messages("INBOX").remove(UidSet::single(Uid{7}));
  at.filesystem.begin_announcement(at.announce(Announcement::Kind::created, at.inbox, at.name, at.node));
  EXPECT_EQ(at.mknod(at.name, announcer()).error(), ENOENT);
}

}  // namespace
}  // namespace imapfs::vfs

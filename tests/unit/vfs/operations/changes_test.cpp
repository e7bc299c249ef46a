#include "unit/vfs/situation.hpp"

namespace imapfs::vfs {
namespace {

struct Changes : Situation {
  Changes() : name(account.add("INBOX", 7)) {}
  std::string name;
  NodeId inbox = mailbox("INBOX");
  NodeId node = message("INBOX", 7);

  Answer<Entry> mknod(const std::string& file, const Caller& caller = {}) {
    Answer<Entry> answer;
    filesystem.mknod(caller, inbox, file, S_IFREG | 0600, answer.reply());
    return answer;
  }
  Answer<Entry> mkdir(NodeId parent, const std::string& directory, const Caller& caller = {}) {
    Answer<Entry> answer;
    filesystem.mkdir(caller, parent, directory, 0700, answer.reply());
    return answer;
  }
  Answer<void> unlink(const std::string& file, const Caller& caller = {}) {
    Answer<void> answer;
    filesystem.unlink(caller, inbox, file, answer.reply());
    return answer;
  }
  Answer<void> rmdir(NodeId parent, const std::string& directory, const Caller& caller = {}) {
    Answer<void> answer;
    filesystem.rmdir(caller, parent, directory, answer.reply());
    return answer;
  }
  Answer<AttributesReply> setattr(const AttributeChanges& changes, const Caller& caller = {}) {
    Answer<AttributesReply> answer;
    filesystem.setattr(caller, node, changes, answer.reply());
    return answer;
  }
};

TEST(ReadOnly, EveryChangeIsRefusedWithItsReason) {
  Changes at;
  EXPECT_EQ(at.mknod("new.eml").error(), EROFS);
  EXPECT_EQ(at.mknod("new.eml").cause(), "the mount is read-only: create a file");
  EXPECT_EQ(at.mkdir(root_node, "New").error(), EROFS);
  EXPECT_EQ(at.unlink(at.name).error(), EROFS);
  EXPECT_EQ(at.rmdir(root_node, "Sent").error(), EROFS);

  Answer<void> rename;
  at.filesystem.rename({}, {at.inbox, at.name, at.mailbox("Sent"), at.name, 0}, rename.reply());
  EXPECT_EQ(rename.error(), EROFS);
  Answer<Entry> link;
  at.filesystem.link({}, at.node, at.inbox, "link", link.reply());
  EXPECT_EQ(link.error(), EROFS);
  Answer<Entry> symlink;
  at.filesystem.symlink({}, at.inbox, "link", "target", symlink.reply());
  EXPECT_EQ(symlink.error(), EROFS);
  Answer<CreateResult> create;
  at.filesystem.create({}, at.inbox, "new.eml", 0600, create.reply());
  EXPECT_EQ(create.error(), EROFS);
  Answer<std::size_t> write;
  at.filesystem.write({}, {at.node, 77, 0, "x"}, write.reply());
  EXPECT_EQ(write.error(), EROFS);
  Answer<void> setxattr;
  at.filesystem.setxattr({}, at.node, "user.imap.flags", "+\\Seen", setxattr.reply());
  EXPECT_EQ(setxattr.error(), EROFS);
  Answer<void> removexattr;
  at.filesystem.removexattr({}, at.node, "user.imap.flags", removexattr.reply());
  EXPECT_EQ(removexattr.error(), EROFS);
}

TEST(ReadOnly, ModesOwnersTimesAndSizesStay) {
  Changes at;
  AttributeChanges mode;
  mode.mode = 0600;
  AttributeChanges owner;
  owner.uid = 1000;
  AttributeChanges times;
  times.modification_time = Timestamp{1, 0};
  AttributeChanges size;
  size.size = 0;
  for (const auto& changes : {mode, owner, times, size}) EXPECT_EQ(at.setattr(changes).error(), EROFS);
}

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
  at.account.complete("INBOX");
  at.account.messages("INBOX").remove(UidSet::single(Uid{7}));
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
  at.account.complete("INBOX");
  at.account.messages("INBOX").remove(UidSet::single(Uid{7}));
  at.filesystem.begin_announcement(at.announce(Announcement::Kind::created, at.inbox, at.name, at.node));
  EXPECT_EQ(at.mknod(at.name, announcer()).error(), ENOENT);
}

}  // namespace
}  // namespace imapfs::vfs

// What a read-only mount refuses.
#include "changes_situation.hpp"

namespace imapfs::vfs {
namespace {

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

}  // namespace
}  // namespace imapfs::vfs

// What the kernel's table of mounts says of one file system.
#include "imapfs/base/mount_table.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/sysmacros.h>

#include <fstream>

#include "support/temporary_directory.hpp"

namespace imapfs {
namespace {

class MountTableText : public ::testing::Test {
 protected:
  void holds(const std::string& text) { std::ofstream(path_) << text; }
  const testing::TemporaryDirectory directory_;
  const std::string path_ = directory_.path("mountinfo");
};

TEST_F(MountTableText, KnowsAMountByDeviceAndType) {
  holds(
      "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
      "41 22 0:55 / /home/anna/my\\040mail rw,nosuid shared:7 master:2 - fuse.imapfs imapfs#anna@host rw,user_id=0\n");
  const MountTable table(path_);
  EXPECT_TRUE(table.holds(makedev(0, 55), "fuse.imapfs"));
  EXPECT_FALSE(table.holds(makedev(0, 55), "tmpfs"));
  EXPECT_FALSE(table.holds(makedev(0, 5), "fuse.imapfs"));
  EXPECT_FALSE(table.holds(makedev(8, 1), "fuse.imapfs"));
}

TEST_F(MountTableText, SeesALaterState) {
  holds("41 22 0:55 / /mail rw - fuse.imapfs x rw\n");
  const MountTable table(path_);
  ASSERT_TRUE(table.holds(makedev(0, 55), "fuse.imapfs"));
  holds("22 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
  EXPECT_FALSE(table.holds(makedev(0, 55), "fuse.imapfs"));
}

TEST_F(MountTableText, ThatCannotBeReadEndsNobody) {
  const MountTable table(path_ + "-missing");
  EXPECT_EQ(table.descriptor(), -1);
  EXPECT_TRUE(table.holds(makedev(0, 55), "fuse.imapfs"));
}

TEST(MountTableOfThisProcess, CanBeWatched) { EXPECT_GE(MountTable().descriptor(), 0); }

TEST(MountNamespace, OfThisProcessIsKnown) { EXPECT_NE(mount_namespace(), 0u); }

}  // namespace
}  // namespace imapfs

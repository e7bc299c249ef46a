// Extended attributes and the programs that list them: copies and backups get none, unless the mount was asked to list
// them.
#include <sstream>

#include "support/writing_test.hpp"

namespace imapfs::testing {
namespace {

class AttributeList : public WritingTest {
 protected:
  void fill() override {
    for (const auto* subject : {"apple", "pear", "plum"}) put("INBOX", subject, "\\Flagged $Work");
  }
  std::string apple() { return "INBOX/" + name_with("INBOX", "apple"); }
};

class NoAttributeList : public AttributeList {
 protected:
  Mounted::Settings mount_settings() override { return {{"--trace=fuse"}, "", "", ""}; }
  /// How many LISTXATTR the daemon has answered; ends the mount, so that the log is complete.
  std::size_t requests_to_list() {
    mount().unmount();
    std::istringstream lines(mount().log());
    std::size_t count = 0;
    for (std::string line; std::getline(lines, line);)
      count += line.find("listxattr ") != std::string::npos && line.find(" answered after ") != std::string::npos ? 1U
                                                                                                                  : 0U;
    return count;
  }
};

TEST_F(NoAttributeList, ToolsThatCopyAttributesAreQuietAndTheKernelAsksOnce) {
  for (const std::string copy :
       {"cp -a INBOX $F/cp", "cp -r --preserve=all INBOX $F/all", "rsync -aX INBOX/ $F/rsync",
        "rsync -aX INBOX/ $F/rsync", "python3 -c \"import shutil; shutil.copytree('INBOX', '$F/python')\"",
        "tar -cf $F/tar INBOX"}) {
    const auto result = script(copy);
    EXPECT_EQ(result.status, 0) << copy;
    EXPECT_EQ(result.output + result.errors, "") << copy;
  }
  EXPECT_EQ(sh("for copy in cp all rsync python; do diff -r INBOX $F/$copy; done"), "");
  EXPECT_EQ(requests_to_list(), 1u);
}

/// It says so of each file, as on every file system that has no attributes.
TEST_F(NoAttributeList, TarWithXattrsWarnsAndGoesOn) {
  const auto result = script("tar --xattrs --xattrs-include='*' -cf $F/tar INBOX");
  EXPECT_EQ(result.status, 0) << result.errors;
  EXPECT_EQ(sh("grep -ac SCHILY.xattr $F/tar || true"), "0\n");
  EXPECT_EQ(sh("mkdir $F/tree; tar -xf $F/tar -C $F/tree; diff -r INBOX $F/tree/INBOX"), "");
}

TEST_F(NoAttributeList, AttributesAreReadByNameAndFlagsAreSetAllTheSame) {
  EXPECT_EQ(sh("getfattr -d -m - " + apple() + " 2> /dev/null || true"), "");
  EXPECT_EQ(sh("getfattr --only-values -n user.imap.subject " + apple()), "apple");
  sh("setfattr -n user.imap.flags -v +\\\\Seen " + apple());
  EXPECT_EQ(sh("getfattr --only-values -n user.imap.flags " + apple()), "\\Flagged \\Seen $Work");
  EXPECT_EQ(requests_to_list(), 1u);
}

class FullAttributeList : public AttributeList {
 protected:
  Mounted::Settings mount_settings() override { return {{"-o", "list-xattrs"}, "", "", ""}; }
};

TEST_F(FullAttributeList, GetfattrShowsAll) {
  const std::string shown = sh("getfattr -d -m - " + apple());
  for (const std::string attribute :
       {"uid", "uidvalidity", "flags", "internaldate", "modseq", "from", "to", "subject", "message-id"})
    EXPECT_NE(shown.find("user.imap." + attribute + "="), std::string::npos) << attribute << " is not in\n" << shown;
  EXPECT_NE(sh("getfattr -d -m - INBOX").find("user.imap.mailbox=\"INBOX\""), std::string::npos);
}

TEST_F(FullAttributeList, ABackupHoldsTheFlags) {
  EXPECT_EQ(sh("tar --xattrs --xattrs-include='user.imap.flags' -cf - INBOX/*.eml | "
               "grep -ac 'SCHILY.xattr.user.imap.flags=.Flagged $Work'"),
            "3\n");
}

}  // namespace
}  // namespace imapfs::testing

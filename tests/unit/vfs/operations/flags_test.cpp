#include "unit/vfs/staging/files_situation.hpp"

namespace imapfs::vfs {
namespace {

struct FlagsTest : ::testing::Test, Files {
  int set(const std::string& value, const std::string& attribute = "user.imap.flags", NodeId file = {}) {
    Answer<void> answer;
    filesystem.setxattr({}, file.value == 0 ? node : file, attribute, value, answer.reply());
    return answer.wait().error();
  }
  int remove(const std::string& attribute) {
    Answer<void> answer;
    filesystem.removexattr({}, node, attribute, answer.reply());
    return answer.error();
  }
};

TEST_F(FlagsTest, SignsAddAndRemove) {
  EXPECT_EQ(set("+\\Flagged -\\Seen"), 0);
  EXPECT_EQ(sent(), (Lines{"flags INBOX/7 +\\Flagged", "flags INBOX/7 -\\Seen"}));
  EXPECT_EQ(xattr(node, "user.imap.flags").value(), "\\Flagged");
}
TEST_F(FlagsTest, SeveralOfOneSignAreOneChange) {
  EXPECT_EQ(set("+\\Flagged +\\Seen  +$Forwarded"), 0);
  EXPECT_EQ(sent(), (Lines{"flags INBOX/7 +\\Flagged \\Seen $Forwarded"})) << sent().size();
}
TEST_F(FlagsTest, WithoutSignsItIsAFullSet) {
  set("+\\Seen");
  EXPECT_EQ(set("\\Flagged Work\n"), 0);
  EXPECT_EQ(xattr(node, "user.imap.flags").value(), "\\Flagged Work");
}
TEST_F(FlagsTest, NothingTakesAllAway) {
  set("+\\Seen");
  EXPECT_EQ(set(""), 0);
  EXPECT_EQ(xattr(node, "user.imap.flags").value(), "");
}
TEST_F(FlagsTest, BothFormsAtOnceMeanNothing) { EXPECT_EQ(set("+\\Seen \\Flagged"), EINVAL); }
TEST_F(FlagsTest, AddingAndRemovingTheSameMeansNothing) { EXPECT_EQ(set("+\\Seen -\\seen"), EINVAL); }
TEST_F(FlagsTest, WhatNoFlagCanBeIsRefused) {
  for (const char* value : {"+", "-", "\\", "a(b", "a\"b", "a\x01", "\xc3\xa4", "+\\See*"})
    EXPECT_EQ(set(value), EINVAL) << value;
  EXPECT_TRUE(sent().empty());
}
TEST_F(FlagsTest, RecentIsTheServers) { EXPECT_EQ(set("+\\recent"), EPERM); }
TEST_F(FlagsTest, WhatTheServerDoesNotKeepIsItsWord) {
  account.changes().fail_next({EPERM, Scope::message, Retry::never, "not permanent here"});
  EXPECT_EQ(set("+Work -\\Seen"), EPERM);
  EXPECT_EQ(sent().size(), 1u) << "what follows is not sent";
}
TEST_F(FlagsTest, OtherAttributesAreTheServers) {
  EXPECT_EQ(set("8", "user.imap.uid"), EPERM);
  EXPECT_EQ(set("x", "user.comment"), EOPNOTSUPP) << "what programs that copy attributes pass over";
  EXPECT_EQ(set("x", "security.capability"), EOPNOTSUPP);
  EXPECT_EQ(set("x", "system.posix_acl_access"), EOPNOTSUPP);
}
TEST_F(FlagsTest, NoAttributeCanBeRemoved) {
  EXPECT_EQ(remove("user.imap.flags"), EPERM);
  EXPECT_EQ(remove("user.imap.uid"), EPERM);
  EXPECT_EQ(remove("security.capability"), EOPNOTSUPP);
}
TEST_F(FlagsTest, OnlyMessagesHaveFlags) {
  EXPECT_EQ(set("+\\Seen", "user.imap.flags", mailbox("INBOX")), EPERM);
  EXPECT_EQ(set("+\\Seen", "user.imap.flags", fixed_node(FixedNode::status)), EPERM);
}
TEST_F(FlagsTest, AReadOnlyMailboxKeepsItsFlags) {
  sync::MailboxRights rights;
  rights.read_only = true;
  account.mailboxes().set_rights("INBOX", rights);
  EXPECT_EQ(set("+\\Seen"), EROFS);
}
TEST_F(FlagsTest, AfterAMoveTheyAreSetWhereTheMessageIsNow) {
  mv("INBOX/" + name, "Sent/a");
  EXPECT_EQ(set("+\\Seen"), 0);
  EXPECT_EQ(sent().back(), "flags Sent/101 +\\Seen");
}
TEST_F(FlagsTest, OnItsWayItWaitsForTheMessageToArrive) {
  account.changes().hold_changes();
  mv("INBOX/" + name, "Sent/a");
  Answer<void> flagged;
  filesystem.setxattr({}, node, "user.imap.flags", "+\\Seen", flagged.reply());
  EXPECT_FALSE(flagged.came());
  account.changes().finish_changes();
  EXPECT_EQ(flagged.wait().error(), 0);
  EXPECT_EQ(sent().back(), "flags Sent/101 +\\Seen");
}
TEST_F(FlagsTest, SetSinceTheUploadTheyAreGivenToTheNextVersion) {
  for (const bool listed : {true, false}) {
    if (!listed) account.arrivals().arrive_unlisted();
    const std::string path = listed ? "INBOX/listed.eml" : "INBOX/unlisted.eml";
    const auto rewrite = [&](const std::string& text) {
      const auto file = open_as(find(path), O_WRONLY | O_TRUNC);
      EXPECT_EQ(write(file, text), 0);
      EXPECT_EQ(flush(file), 0);
      close(file);
    };
    EXPECT_EQ(cp(path, mail), 0);
    rewrite(mail + "second\r\n");
    EXPECT_EQ(set("+\\Flagged", "user.imap.flags", find(path)), 0);
    rewrite(mail + "third\r\n");
    EXPECT_EQ(last_upload().flags.to_string(), "\\Flagged") << path;
  }
}

}  // namespace
}  // namespace imapfs::vfs

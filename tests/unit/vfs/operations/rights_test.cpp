#include "unit/vfs/staging/writing_situation.hpp"

namespace imapfs::vfs {
namespace {

struct RightsTest : ::testing::Test, Writing {
  sync::MailboxRights rights;
  mode_t directory_mode(const char* path = "INBOX") {
    account.mailboxes().set_rights(path, rights);
    return getattr(mailbox(path)).value().attributes.mode & 0777U;
  }
  mode_t file_mode() {
    account.mailboxes().set_rights("INBOX", rights);
    return getattr(node).value().attributes.mode & 0777U;
  }
  void tell() {
    account.mailboxes().set_rights("INBOX", rights);
    sync::ChangeListener::MailboxChange news;
    news.mailbox = account.id("INBOX");
    news.path = "INBOX";
    news.rights_changed = true;
    publisher.on_mailbox_changed(news);
  }
};

TEST_F(RightsTest, WhatIsNotKnownIsAllowed) {
  EXPECT_EQ(directory_mode(), 0700u);
  EXPECT_EQ(file_mode(), 0600u);
}
TEST_F(RightsTest, AReadOnlyMailboxLooksLikeOne) {
  rights.read_only = true;
  EXPECT_EQ(directory_mode(), 0500u);
  EXPECT_EQ(file_mode(), 0400u);
}
TEST_F(RightsTest, AMessageCanBeChangedWhereOneCanBeAddedAndRemoved) {
  rights.insert = false;
  EXPECT_EQ(file_mode(), 0400u);
  EXPECT_EQ(directory_mode(), 0700u) << "files can be removed";
  rights = {};
  rights.remove_messages = false;
  EXPECT_EQ(file_mode(), 0400u);
  EXPECT_EQ(directory_mode(), 0700u) << "files can be added";
}
TEST_F(RightsTest, ADirectoryInWhichNothingCanBeDoneIsNotWritable) {
  rights.insert = rights.remove_messages = rights.create_children = false;
  EXPECT_EQ(directory_mode(), 0500u);
}
TEST_F(RightsTest, ListingsShowThemToo) {
  rights.insert = false;
  account.mailboxes().set_rights("INBOX", rights);
  for (const auto& entry : list(mailbox("INBOX"))) {
    if (entry.name == name) {
      EXPECT_EQ(entry.entry.attributes.mode & 0777U, 0400u);
    }
  }
}
TEST_F(RightsTest, TheUmaskCountsAsEver) {
  EXPECT_EQ(getattr(node).value().attributes.mode, S_IFREG | 0600u);
  EXPECT_EQ(getattr(root_node).value().attributes.mode & 0777U, 0700u);
}
TEST_F(RightsTest, ACachedListingIsNotKeptWhenTheyChange) {
  (void)opendir(mailbox("INBOX"));
  EXPECT_TRUE(opendir(mailbox("INBOX")).value().keep_cache);
  rights.insert = false;
  account.mailboxes().set_rights("INBOX", rights);
  EXPECT_FALSE(opendir(mailbox("INBOX")).value().keep_cache);
}
TEST_F(RightsTest, TheKernelForgetsModesThatHaveChanged) {
  rights.insert = false;
  tell();
  EXPECT_EQ(kernel.calls, (Lines{"forgotten |INBOX/"}));
  tell();
  EXPECT_EQ(kernel.calls.size(), 1u) << "told already";
}
TEST_F(RightsTest, RightsThatNoModeShowsAreNoNewsForTheKernel) {
  rights.expunge = false;
  rights.write_flags = false;
  tell();
  EXPECT_TRUE(kernel.calls.empty());
}

}  // namespace
}  // namespace imapfs::vfs

// What takes a name that a message had a moment ago: how editors save a file.

#include "files_situation.hpp"
#include "vfs/staging/displaced_messages.hpp"

namespace imapfs::vfs {
namespace {

const std::string new_text = "From: anna\r\n\r\nchanged\r\n";
const std::string old_text = "From: anna\r\n\r\nHello\r\n";

struct Editors : ::testing::Test, Files {
  Editors() {
    account.mailboxes().messages("INBOX").set_flags(Uid{7}, flags, ModSeq{});
    date = account.mailboxes().messages("INBOX").find(Uid{7})->internal_date;
  }
  /// The last upload is the message's next version.
  void expect_next_version(std::uint32_t replaced) {
    ASSERT_GT(uploads(), 0u);
    EXPECT_EQ(last_upload().flags, flags);
    EXPECT_EQ(last_upload().internal_date, date);
    EXPECT_EQ(last_upload().target.replaces.uid.value, replaced);
    EXPECT_EQ(cat(find(path)), new_text);
  }
  const FlagSet flags = FlagSet::parse("\\Flagged \\Seen $Label");
  const std::string path = "INBOX/" + name;
  UnixTime date = 0;
};

TEST_F(Editors, ThatRenameTheFileAwayFirstKeepFlagsAndDate) {
  EXPECT_EQ(mv(path, path + "~"), 0);
  EXPECT_EQ(cp(path, new_text), 0);
  expect_next_version(7);
}

TEST_F(Editors, ThatKeepABackupLeaveAFileOfThisMachine) {
  EXPECT_EQ(mv(path, path + "~"), 0);
  EXPECT_EQ(cp(path, new_text), 0);
  EXPECT_EQ(find(path + "~"), node) << "the kernel goes on with the file it knows";
  EXPECT_EQ(cat(node), old_text);
  EXPECT_EQ(ls("INBOX"), (Lines{name, name + "~"}));
  EXPECT_EQ(journal->staged()->size(), 1u);
  Answer<AttributesReply> attributes;
  filesystem.getattr({}, node, attributes.reply());
  ASSERT_EQ(attributes.wait().error(), 0);
  EXPECT_EQ(attributes.value().attributes.size, old_text.size());
  EXPECT_EQ(drain(), 0);
  EXPECT_EQ(rm(path + "~"), 0);
  EXPECT_FALSE(there(path + "~"));
  EXPECT_EQ(sent(), (Lines{"name INBOX/7 " + name + "~", "append " + path + " replacing INBOX/7"}));
}

TEST_F(Editors, ThatSaveAgainReplaceTheVersionBeforeAndTheBackupOfIt) {
  for (int saved = 0; saved < 3; ++saved) {
    EXPECT_EQ(mv(path, path + "~"), 0);
    EXPECT_EQ(cp(path, new_text), 0);
  }
  expect_next_version(102);
  EXPECT_EQ(ls("INBOX"), (Lines{name, name + "~"}));
  EXPECT_EQ(journal->staged()->size(), 1u);
}

TEST_F(Editors, ThatRemoveTheFileFirstKeepFlagsAndDate) {
  EXPECT_EQ(rm(path), 0);
  EXPECT_EQ(cp(path, new_text), 0);
  expect_next_version(0);
}

TEST_F(Editors, ThatWriteATemporaryFileAndRenameBothKeepFlagsAndDate) {
  write_temporary(path + "___jb_tmp___", new_text);
  EXPECT_EQ(mv(path, path + "___jb_old___"), 0);
  EXPECT_EQ(mv(path + "___jb_tmp___", path), 0);
  expect_next_version(7);
  EXPECT_EQ(rm(path + "___jb_old___"), 0);
  EXPECT_EQ(ls("INBOX"), (Lines{name}));
  EXPECT_TRUE(journal->staged()->empty());
}

TEST_F(Editors, WhoseTemporaryFilesNobodyKnowsUploadThemAgainInThePlaceOfTheMessage) {
  EXPECT_EQ(cp("INBOX/next.eml", new_text), 0);
  EXPECT_EQ(mv("INBOX/next.eml", path), 0);
  expect_next_version(7);
  EXPECT_EQ(uploads(), 2u);
  EXPECT_EQ(sent().back(), "expunge INBOX/101") << "what was under the other name is of use to nobody";
  EXPECT_EQ(ls("INBOX"), (Lines{name}));
}

TEST_F(Editors, WhoseTemporaryFilesNobodyKnowsKeepABackupAsOthersDo) {
  EXPECT_EQ(cp("INBOX/next.eml", new_text), 0);
  EXPECT_EQ(mv(path, path + ".bak"), 0);
  EXPECT_EQ(mv("INBOX/next.eml", path), 0);
  expect_next_version(7);
  EXPECT_EQ(cat(find(path + ".bak")), old_text);
}

TEST_F(Editors, ThatSetATimeGiveTheFileThatTime) {
  EXPECT_EQ(mv(path, path + "~"), 0);
  const auto file = create(path);
  EXPECT_EQ(write(file, new_text), 0);
  EXPECT_EQ(set_times(file.node, 1500000000), 0);
  EXPECT_EQ(flush(file), 0);
  close(file);
  EXPECT_EQ(last_upload().internal_date, 1500000000);
  EXPECT_EQ(last_upload().flags, flags);
}

TEST_F(Editors, WhoseUploadFailsLeaveTheBackupAsTheMessageThatItIs) {
  EXPECT_EQ(mv(path, path + "~"), 0);
  account.changes().fail_next(refused());
  EXPECT_EQ(cp(path, new_text), EPERM);
  EXPECT_EQ(sent(), (Lines{"name INBOX/7 " + name + "~", "append " + path + " replacing INBOX/7"}));
  EXPECT_EQ(cat(find(path + "~")), old_text);
  EXPECT_EQ(mv(path + "~", path), 0) << "what vim does then";
  EXPECT_EQ(find(path), node);
}

TEST_F(Editors, AMessageThatWasRenamedForGoodStaysOne) {
  EXPECT_EQ(mv(path, "INBOX/other.eml"), 0);
  EXPECT_EQ(cp(path, new_text), 0);
  expect_next_version(0);
  EXPECT_EQ(find("INBOX/other.eml"), node);
}

TEST_F(Editors, ABackupThatGotAnotherNameIsNotReplaced) {
  EXPECT_EQ(mv(path, path + "~"), 0);
  EXPECT_EQ(mv(path + "~", "INBOX/other.eml"), 0);
  EXPECT_EQ(cp(path, new_text), 0);
  expect_next_version(0);
  EXPECT_EQ(cat(find("INBOX/other.eml")), old_text);
}

TEST_F(Editors, AMessageOfOthersTakesANameWithTheFlagsThatItHas) {
  const auto other = account.mailboxes().add("INBOX", 8);
  EXPECT_EQ(mv(path, path + "~"), 0);
  EXPECT_EQ(mv("INBOX/" + other, path), 0);
  EXPECT_EQ(uploads(), 0u);
}

TEST(DisplacedMessages, AreSoManyOfEachMailboxTheNewest) {
  DisplacedMessages displaced;
  const MailboxId mailbox{1};
  for (std::size_t number = 0; number <= DisplacedMessages::max_names; ++number)
    displaced.left(mailbox, std::to_string(number), {});
  EXPECT_FALSE(displaced.find(mailbox, "0"));
  EXPECT_TRUE(displaced.find(mailbox, "1"));
  EXPECT_FALSE(displaced.find(MailboxId{2}, "1"));
  displaced.taken(mailbox, "1");
  EXPECT_FALSE(displaced.find(mailbox, "1"));
}

}  // namespace
}  // namespace imapfs::vfs

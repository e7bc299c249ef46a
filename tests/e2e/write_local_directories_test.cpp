// Directories with temporary or hidden names are here only: tools that need them work, and the server sees nothing of
// them.
#include "support/writing_test.hpp"

namespace imapfs::testing {
namespace {

class LocalDirectory : public WritingTest {
 protected:
  void fill() override {
    other().command("CREATE Archive");
    put("INBOX", "theirs");
  }
  /// Names of the mailboxes that the server has.
  std::string mailboxes() { return other().command("LIST \"\" *"); }
  void files(const std::string& text) {
    for (const auto* name : {"a", "b", "c"})
      file(std::string(name) + ".eml", text_of(std::string("mail-") + name, text));
  }
};

TEST_F(LocalDirectory, RsyncDelaysItsUpdates) {
  files("First.\n");
  sh("rsync -a --delay-updates $F/ Archive/ && sync .");
  for (const auto* name : {"a", "b", "c"}) EXPECT_EQ(count("Archive", std::string("mail-") + name), 1u);
  EXPECT_EQ(mount().list("Archive").size(), 3u);
  files("Second, and longer.\n");
  sh("rsync -a --delay-updates $F/ Archive/ && sync .");
  EXPECT_EQ(bodies("Archive").size(), 3u);
  for (const auto& body : bodies("Archive")) EXPECT_NE(body.find("Second"), std::string::npos);
  EXPECT_EQ(mailboxes().find("tmp"), std::string::npos);
}

TEST_F(LocalDirectory, RsyncKeepsBackupsInOne) {
  files("First.\n");
  sh("rsync -a $F/ Archive/ && sync .");
  files("Second, and longer.\n");
  sh("rsync -a --backup --backup-dir=.old $F/ Archive/ && sync .");
  EXPECT_EQ(bodies("Archive").size(), 3u);
  for (const auto& body : bodies("Archive")) EXPECT_NE(body.find("Second"), std::string::npos);
  EXPECT_EQ(sh("ls Archive/.old"), "a.eml\nb.eml\nc.eml\n");
  sh("grep -q First Archive/.old/a.eml");
  EXPECT_EQ(mailboxes().find("old"), std::string::npos);
  remount();
  sh("grep -q First Archive/.old/a.eml");
  EXPECT_EQ(sh("ls .imapfs/outbox"), "");
  sh("mv Archive/.old/a.eml Archive/old-a.eml && rm -r Archive/.old && sync .");
  EXPECT_EQ(bodies("Archive").size(), 4u);
  EXPECT_FALSE(lists("Archive", ".old"));
}

TEST_F(LocalDirectory, AMarkerIsThereAgainAfterARemount) {
  sh("mkdir .stfolder INBOX/.stfolder");
  remount();
  sh("test -d .stfolder && test -d INBOX/.stfolder && rmdir .stfolder INBOX/.stfolder");
  remount();
  EXPECT_NE(script("test -e .stfolder").status, 0);
  EXPECT_EQ(mailboxes().find("stfolder"), std::string::npos);
}

TEST_F(LocalDirectory, AMessageMovedThereIsCopiedAndRemoved) {
  const auto name = name_with("INBOX", "theirs");
  sh("mkdir .kept && mv INBOX/*theirs* .kept/ && sync .");
  EXPECT_EQ(sh("ls .kept"), name + "\n");
  EXPECT_EQ(count("INBOX", "theirs"), 0u);
  sh("mv .kept/* Archive/ && rmdir .kept && sync .");
  EXPECT_EQ(count("Archive", "theirs"), 1u);
}

class LocalTrash : public LocalDirectory {
 protected:
  void fill() override {
    LocalDirectory::fill();
    other().command("CREATE Trash");
  }
  std::vector<std::string> server_options() override { return {"--no-list-index"}; }
};

TEST_F(LocalTrash, GioPutsAMessageIntoTheTrashOfTheAccount) {
  if (mount().run("command -v gio").status != 0) GTEST_SKIP() << "gio is not installed";
  const auto name = name_with("INBOX", "theirs");
  sh("gio trash INBOX/*theirs* && sync .");
  EXPECT_EQ(count("INBOX", "theirs"), 0u);
  EXPECT_EQ(count("Trash", "theirs"), 1u);
  EXPECT_EQ(sh("ls .Trash-*/files"), name + "\n");
  EXPECT_EQ(sh("ls .Trash-*/info"), name + ".trashinfo\n");
  EXPECT_EQ(mailboxes().find(".Trash"), std::string::npos);
  sh("mv .Trash-*/files/*theirs* INBOX/ && sync .");
  EXPECT_EQ(count("INBOX", "theirs"), 1u);
  EXPECT_EQ(count("Trash", "theirs"), 0u);
}

}  // namespace
}  // namespace imapfs::testing

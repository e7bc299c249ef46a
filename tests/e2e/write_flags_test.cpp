// Flags as the extended attribute user.imap.flags.
#include "support/writing_test.hpp"

namespace imapfs::testing {
namespace {

using Flags = std::vector<std::string>;

class FlagAttribute : public WritingTest {
 protected:
  void fill() override { put("INBOX", "apple", "\\Answered"); }
  std::string path() { return "INBOX/" + name_with("INBOX", "apple"); }
  void set(const std::string& value) { sh("setfattr -n user.imap.flags -v " + shell_quote(value) + " " + path()); }
  std::string get() { return sh("getfattr --only-values -n user.imap.flags " + path()); }
  Flags stored() { return message("INBOX", "apple").flags; }
};

TEST_F(FlagAttribute, PlusAddsAndMinusRemoves) {
  set("+\\Flagged +\\Seen");
  EXPECT_EQ(stored(), (Flags{"\\Answered", "\\Flagged", "\\Seen"}));
  set("-\\Answered +$Work");
  EXPECT_EQ(stored(), (Flags{"$Work", "\\Flagged", "\\Seen"}));
  EXPECT_EQ(get(), "\\Flagged \\Seen $Work");
}

TEST_F(FlagAttribute, AFullSetReplaces) {
  set("\\Draft $Later");
  EXPECT_EQ(stored(), (Flags{"$Later", "\\Draft"}));
  set("\\Seen");
  EXPECT_EQ(stored(), Flags{"\\Seen"});
}

TEST_F(FlagAttribute, AnEmptySetRemovesAll) {
  set("");
  EXPECT_EQ(stored(), Flags{});
  EXPECT_EQ(get(), "");
}

TEST_F(FlagAttribute, KeepsItsNameInodeAndContent) {
  const auto before = sh("stat -c '%n %i %s %Y' " + path());
  set("+\\Seen");
  EXPECT_EQ(sh("stat -c '%n %i %s %Y' " + path()), before);
}

TEST_F(FlagAttribute, DeletedMovesTheFileToDeletedAndBack) {
  const auto name = name_with("INBOX", "apple");
  set("+\\Deleted");
  EXPECT_TRUE(stored() == (Flags{"\\Answered", "\\Deleted"}));
  EXPECT_TRUE(eventually([&] { return mount().list("INBOX").empty(); }));
  sh("setfattr -n user.imap.flags -v '-\\Deleted' INBOX/.deleted/" + name);
  EXPECT_EQ(stored(), Flags{"\\Answered"});
  EXPECT_TRUE(eventually([&] { return mount().list("INBOX").size() == 1; }));
}

TEST_F(FlagAttribute, WhatIsNoFlagIsRefused) {
  for (const char* value : {"+\\Nonsense", "two(words", "+", "\\Recent", "a\"b", "+\\Seen Mixed", "x{3}"}) {
    EXPECT_NE(script("setfattr -n user.imap.flags -v " + shell_quote(value) + " " + path()).status, 0) << value;
  }
  EXPECT_EQ(stored(), Flags{"\\Answered"});
}

TEST_F(FlagAttribute, OtherAttributesAreReadOnly) {
  refused("setfattr -n user.imap.uid -v 7 " + path(), "");
  refused("setfattr -n user.other -v 7 " + path(), "");
  refused("setfattr -x user.imap.flags " + path(), "");
}

TEST_F(FlagAttribute, ChangesByOthersShow) {
  EXPECT_EQ(get(), "\\Answered");
  other().command("SELECT INBOX");
  other().command("UID STORE 1 +FLAGS (\\Flagged $Work)");
  EXPECT_TRUE(eventually([&] { return get() == "\\Answered \\Flagged $Work"; }));
}

TEST_F(FlagAttribute, ChangesByOthersReachTheEventFile) {
  EXPECT_EQ(mount().list("INBOX").size(), 1u);
  BackgroundCommand reader("cat " + shell_quote(mount().path(".imapfs/events")));
  other().command("SELECT INBOX");
  // The reader starts at "now": change until it has seen one.
  for (int round = 0; round < 20; ++round) {
    other().command(std::string("UID STORE 1 ") + (round % 2 == 0 ? "+" : "-") + "FLAGS (\\Flagged)");
    if (reader.wait_for_line("\"flags\"", 2)) break;
  }
  EXPECT_NE(reader.output().find("\"flags\""), std::string::npos) << reader.output();
}

TEST_F(FlagAttribute, ReadingNeverSetsSeen) {
  sh("cat " + path() + " > /dev/null; setfattr -n user.imap.flags -v '+\\Flagged' " + path() + "; cat " + path() +
     " > /dev/null");
  EXPECT_EQ(stored(), (Flags{"\\Answered", "\\Flagged"}));
}

}  // namespace
}  // namespace imapfs::testing

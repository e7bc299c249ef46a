// Copying and moving inside the mount: the server does it, and no body crosses the wire.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "support/writing_test.hpp"

namespace imapfs::testing {
namespace {

class CopyAndMove : public WritingTest {
 protected:
  void fill() override {
    for (const char* subject : {"apple", "banana", "cherry"}) put("INBOX", subject, "\\Flagged $Fruit");
    other().command("CREATE Archive");
    put("Archive", "damson");
  }
  std::string path_of(const std::string& mailbox, const std::string& subject) {
    return mailbox + "/" + name_with(mailbox, subject);
  }
  ino_t inode_of(const std::string& path) {
    struct stat status {};
    EXPECT_EQ(::stat(mount().path(path).c_str(), &status), 0) << path;
    return status.st_ino;
  }
  static int rename_with(const std::string& from, const std::string& to, unsigned flags) {
    return ::syscall(SYS_renameat2, AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags) == 0 ? 0 : errno;
  }
};

// -- copy --

TEST_F(CopyAndMove, CpOfAWholeMailboxMovesNoBody) {
  sh("ls -l INBOX Archive > /dev/null");
  const auto out = mount().counter("imap_bytes_out");
  sh("cp INBOX/* Archive/");
  sync();
  EXPECT_EQ(bodies("Archive").size(), 4u);
  EXPECT_EQ(bodies("INBOX").size(), 3u);
  EXPECT_EQ(mount().counter("bodies_fetched"), 0u);
  EXPECT_EQ(mount().counter("body_bytes_fetched"), 0u);
  EXPECT_LT(mount().counter("imap_bytes_out") - out, 2000u);
}

TEST_F(CopyAndMove, ACopyHasTheFlagsAndDateOfTheOriginalAndTheNameItWasGiven) {
  sh("cp " + path_of("INBOX", "apple") + " Archive/pie.eml");
  sync();
  const auto original = message("INBOX", "apple");
  const auto copy = message("Archive", "apple");
  EXPECT_EQ(copy.flags, original.flags);
  EXPECT_EQ(copy.internal_date, original.internal_date);
  EXPECT_EQ(copy.body, original.body);
  EXPECT_EQ(sh("cat Archive/pie.eml"), original.body);
  remount();
  EXPECT_TRUE(lists("Archive", "pie.eml"));
}

TEST_F(CopyAndMove, ACopyOfWhatIsStillOnItsWayHasItsFlagsAndMovesNoBody) {
  const auto name = name_with("INBOX", "apple");
  sh("mv INBOX/" + name +
     " Archive/pie.eml && cp Archive/pie.eml Archive/second.eml && cp Archive/second.eml INBOX/third.eml");
  sync();
  EXPECT_EQ(count("Archive", "apple"), 2u);
  EXPECT_EQ(message("INBOX", "apple").flags, message("INBOX", "banana").flags);
  EXPECT_EQ(mount().counter("bodies_fetched"), 0u);
  EXPECT_EQ(sh("cat INBOX/third.eml"), mail_of("apple"));
}

TEST_F(CopyAndMove, ACopyOfAMessageOfAMailboxNeverListedMovesNoBody) {
  const auto name = name_with("INBOX", "apple");
  remount();
  sh("cp INBOX/" + name + " Archive/pie.eml");
  sync();
  EXPECT_EQ(message("Archive", "apple").flags, message("INBOX", "apple").flags);
  EXPECT_EQ(mount().counter("bodies_fetched"), 0u);
}

TEST_F(CopyAndMove, ACopyThatIsMovedOnBeforeItHasComeIsRewrittenWhereItIs) {
  file("new.eml", text_of("new"));
  sh("cp " + path_of("INBOX", "apple") +
     " Archive/pie.eml && mv Archive/pie.eml INBOX/pie.eml && cat $F/new.eml > INBOX/pie.eml");
  sync();
  EXPECT_EQ(count("INBOX", "new"), 1u);
  EXPECT_EQ(count("Archive", "new") + count("Archive", "apple"), 0u);
  EXPECT_EQ(sh("cat INBOX/pie.eml"), mail_of("new"));
}

TEST_F(CopyAndMove, ANameGivenToAMessageWithoutARowIsTheOneItIsRewrittenUnder) {
  file("new.eml", text_of("new"));
  file("newer.eml", text_of("newer"));
  sh("cp $F/new.eml Archive/a.eml && mv Archive/a.eml Archive/b.eml && cat $F/newer.eml > Archive/b.eml");
  sync();
  remount();
  EXPECT_TRUE(lists("Archive", "b.eml"));
  EXPECT_EQ(sh("cat Archive/b.eml"), mail_of("newer"));
}

TEST_F(CopyAndMove, ACopyIntoTheSameMailboxIsAnotherMessage) {
  sh("cp " + path_of("INBOX", "apple") + " INBOX/second.eml");
  sync();
  EXPECT_EQ(count("INBOX", "apple"), 2u);
  EXPECT_TRUE(lists("INBOX", "second.eml"));
}

TEST_F(CopyAndMove, CatIntoAnotherMailboxIsACopyToo) {
  sh("cat " + path_of("INBOX", "apple") + " > Archive/pie.eml");
  sync();
  EXPECT_EQ(message("Archive", "apple").body, message("INBOX", "apple").body);
  EXPECT_TRUE(lists("Archive", "pie.eml"));
}

TEST_F(CopyAndMove, CpOverAMessageReplacesIt) {
  const auto target = path_of("Archive", "damson");
  sh("cp " + path_of("INBOX", "apple") + " " + target);
  sync();
  EXPECT_EQ(bodies("Archive"), std::vector<std::string>{mail_of("apple")});
  EXPECT_EQ(sh("cat " + target), mail_of("apple"));
}

TEST_F(CopyAndMove, ACopyIsAnotherFileAndCanBeWrittenAtOnce) {
  const auto name = shell_quote(mount().list("INBOX").at(0));
  sh("mkdir Copies; for i in $(seq 10); do cp INBOX/" + name +
     " Copies/c$i && echo x >> Copies/c$i && cp Copies/c$i Copies/d$i && cp Copies/d$i Copies/c$i || exit 1; done");
  sync();
  EXPECT_EQ(other().living("Copies").size(), 20u);
}

TEST_F(CopyAndMove, PartOfAMessageIsAnOrdinaryUpload) {
  const auto source = path_of("INBOX", "apple");
  sh("head -c -3 " + source + " > Archive/part.eml; cat " + source + " " + source + " > Archive/twice.eml");
  sync();
  const auto stored = bodies("Archive");
  ASSERT_EQ(stored.size(), 3u);
  const auto whole = mail_of("apple");
  EXPECT_NE(std::find(stored.begin(), stored.end(), whole.substr(0, whole.size() - 3)), stored.end());
  EXPECT_NE(std::find(stored.begin(), stored.end(), whole + whole), stored.end());
}

TEST_F(CopyAndMove, CopyFileRangeOfPartOfAMessageFallsBack) {
  sh("python3 -c 'import os, sys; a = os.open(sys.argv[1], os.O_RDONLY); b = os.open(\"Archive/range.eml\", os.O_CREAT | os.O_WRONLY)\n"
     "size = os.fstat(a).st_size\n"
     "try: n = os.copy_file_range(a, b, size - 5)\n"
     "except OSError: n = os.write(b, os.read(a, size - 5))\n"
     "os.close(b)' " +
     path_of("INBOX", "apple"));
  sync();
  EXPECT_EQ(message("Archive", "apple").body, mail_of("apple").substr(0, mail_of("apple").size() - 5));
}

// -- move --

TEST_F(CopyAndMove, MvMovesOnTheServerAndKeepsEverything) {
  const auto before = message("INBOX", "apple");
  const auto name = name_with("INBOX", "apple");
  sh("mv INBOX/" + name + " Archive/");
  EXPECT_FALSE(lists("INBOX", name));
  EXPECT_TRUE(lists("Archive", name)) << "at once";
  EXPECT_EQ(sh("cat Archive/" + name), before.body);
  sync();
  EXPECT_EQ(other().messages("INBOX").size(), 2u) << "nothing is left, flagged or not";
  const auto after = message("Archive", "apple");
  EXPECT_EQ(after.flags, before.flags);
  EXPECT_EQ(after.internal_date, before.internal_date);
  EXPECT_EQ(after.body, before.body);
  EXPECT_TRUE(lists("Archive", name));
  EXPECT_FALSE(lists("INBOX", name));
  remount();
  EXPECT_TRUE(lists("Archive", name)) << mount().run("ls Archive").output;
}

TEST_F(CopyAndMove, MvThereAndBackAgainKeepsTheMessage) {
  const auto name = name_with("INBOX", "apple");
  for (int round = 0; round < 3; ++round) sh("mv INBOX/" + name + " Archive/; mv Archive/" + name + " INBOX/");
  sync();
  EXPECT_EQ(count("INBOX", "apple"), 1u);
  EXPECT_EQ(count("Archive", "apple"), 0u);
  EXPECT_TRUE(lists("INBOX", name));
}

TEST_F(CopyAndMove, MvWithAnotherNameGivesThatName) {
  sh("mv " + path_of("INBOX", "apple") + " Archive/pie.eml");
  sync();
  EXPECT_EQ(sh("cat Archive/pie.eml"), mail_of("apple"));
  remount();
  EXPECT_EQ(sh("cat Archive/pie.eml"), mail_of("apple"));
}

TEST_F(CopyAndMove, MvNLeavesBothAsTheyAre) {
  const auto source = path_of("INBOX", "apple");
  const auto target = path_of("Archive", "damson");
  sh("mv -n " + source + " " + target + "; test -e " + source);
  sync();
  EXPECT_EQ(bodies("Archive"), std::vector<std::string>{mail_of("damson")});
  EXPECT_EQ(bodies("INBOX").size(), 3u);
  EXPECT_EQ(rename_with(mount().path(source), mount().path(target), RENAME_NOREPLACE), EEXIST);
}

TEST_F(CopyAndMove, MvOverAMessageTakesItsPlace) {
  const auto target = path_of("Archive", "damson");
  sh("mv -f " + path_of("INBOX", "apple") + " " + target);
  sync();
  EXPECT_EQ(bodies("Archive"), std::vector<std::string>{mail_of("apple")});
  EXPECT_EQ(sh("cat " + target), mail_of("apple"));
  EXPECT_EQ(mount().list("Archive/.deleted").size(), 1u) << "what was there is deleted by the policy";
}

TEST_F(CopyAndMove, RenamingInAMailboxIsALocalNameAndCostsNoCommand) {
  const auto source = path_of("INBOX", "apple");
  sh("ls INBOX > /dev/null");
  const auto before = other().ever("INBOX");
  sh("mv " + source + " INBOX/pie.eml");
  sync();
  EXPECT_EQ(other().ever("INBOX"), before);
  EXPECT_EQ(sh("cat INBOX/pie.eml"), mail_of("apple"));
  EXPECT_NE(mount().run("stat " + source).status, 0);
  remount();
  EXPECT_EQ(sh("cat INBOX/pie.eml"), mail_of("apple"));
  EXPECT_EQ(mount().list("INBOX").size(), 3u);
}

TEST_F(CopyAndMove, RenamingOverANeighbourRemovesTheNeighbour) {
  const auto target = path_of("INBOX", "banana");
  sh("mv -f " + path_of("INBOX", "apple") + " " + target);
  sync();
  EXPECT_EQ(count("INBOX", "banana"), 0u);
  EXPECT_EQ(sh("cat " + target), mail_of("apple"));
  EXPECT_EQ(mount().list("INBOX").size(), 2u);
}

TEST_F(CopyAndMove, ExchangingIsRefused) {
  EXPECT_EQ(
      rename_with(mount().path(path_of("INBOX", "apple")), mount().path(path_of("INBOX", "banana")), RENAME_EXCHANGE),
      EINVAL);
  EXPECT_EQ(bodies("INBOX").size(), 3u);
}

TEST_F(CopyAndMove, AFileKeepsItsInodeNumberWhenItArrives) {
  sh("cp " + path_of("INBOX", "apple") + " Archive/copy");
  const auto copied = inode_of("Archive/copy");
  file("new", mail_of("pear"));
  sh("cp " + file_path("new") + " Archive/new");
  const auto made = inode_of("Archive/new");
  sync();
  // Listed anew, by the rows that the server has told by now.
  sh("ls -l Archive > /dev/null");
  EXPECT_EQ(inode_of("Archive/copy"), copied);
  EXPECT_EQ(inode_of("Archive/new"), made);
  EXPECT_EQ(sh("cp Archive/copy Archive/another && cat Archive/another"), mail_of("apple"));
}

TEST_F(CopyAndMove, AnOpenFileGoesOnAfterAMoveAsTheSameFile) {
  const auto name = name_with("INBOX", "apple");
  const int file = ::open(mount().path("INBOX/" + name).c_str(), O_RDONLY);
  ASSERT_GE(file, 0);
  struct stat before {
  }, after{}, by_name{};
  ASSERT_EQ(::fstat(file, &before), 0);
  sh("mv INBOX/" + name + " Archive/");
  sync();
  EXPECT_EQ(::fstat(file, &after), 0);
  ASSERT_EQ(::stat(mount().path("Archive/" + name).c_str(), &by_name), 0);
  EXPECT_EQ(after.st_ino, before.st_ino);
  EXPECT_EQ(by_name.st_ino, before.st_ino);
  char text[4096];
  const auto length = ::read(file, text, sizeof text);
  ::close(file);
  ASSERT_GT(length, 0);
  EXPECT_EQ(std::string(text, static_cast<std::size_t>(length)), mail_of("apple"));
}

TEST_F(CopyAndMove, AMoveOutOfTheMountIsACopyAndADeletion) {
  sh("mv " + path_of("INBOX", "apple") + " $F/apple.eml");
  sync();
  EXPECT_EQ(read_file(file_path("apple.eml")), mail_of("apple"));
  EXPECT_EQ(count("INBOX", "apple"), 0u);
}

/// The same on servers with less.
class WithoutMove : public CopyAndMove {
 protected:
  std::vector<std::string> server_options() override {
    return {"--capability=IMAP4rev1 SASL-IR ID ENABLE IDLE NAMESPACE UIDPLUS LIST-EXTENDED"};
  }
};

TEST_F(WithoutMove, MvIsCopyStoreAndUidExpunge) {
  other().command("SELECT INBOX");
  other().command("UID STORE 2 +FLAGS (\\Deleted)");
  sh("mv " + path_of("INBOX", "apple") + " Archive/");
  sync();
  EXPECT_EQ(count("Archive", "apple"), 1u);
  EXPECT_EQ(other().messages("INBOX").size(), 2u) << "gone, and what another client has flagged is still there";
}

class WithoutUidplus : public CopyAndMove {
 protected:
  std::vector<std::string> server_options() override { return {"--capability=IMAP4rev1 IDLE NAMESPACE"}; }
};

TEST_F(WithoutUidplus, MvIsCopyAndAFlag) {
  sh("mv " + path_of("INBOX", "apple") + " Archive/");
  sync();
  EXPECT_EQ(count("Archive", "apple"), 1u);
  EXPECT_EQ(count("INBOX", "apple"), 0u);
  EXPECT_EQ(other().messages("INBOX").size(), 3u) << "flagged, never expunged";
}

TEST_F(WithoutUidplus, CpAndANewMessageKeepTheNamesTheyWereGiven) {
  file("new.eml", text_of("new"));
  sh("cp " + path_of("INBOX", "apple") + " Archive/pie.eml; cp $F/new.eml Archive/new.eml");
  sync();
  EXPECT_EQ(sh("cat Archive/pie.eml"), mail_of("apple"));
  EXPECT_EQ(sh("cat Archive/new.eml"), mail_of("new"));
  EXPECT_EQ(mount().list("Archive").size(), 3u);
}

}  // namespace
}  // namespace imapfs::testing

// Deleting: by the policy on-delete=, never what others have flagged, and never what somebody still reads.
#include <fcntl.h>
#include <unistd.h>

#include "support/writing_test.hpp"

namespace imapfs::testing {
namespace {

class Deleting : public WritingTest {
 protected:
  explicit Deleting(const char* policy = nullptr) : policy_(policy) {}
  Mounted::Settings mount_settings() override {
    Mounted::Settings settings;
    // What other clients put into mailboxes that nobody watches shows soon.
    settings.options = {"--refresh=1"};
    if (policy_ != nullptr) settings.options.push_back(std::string("--on-delete=") + policy_);
    return settings;
  }
  void fill() override {
    for (const char* subject : {"apple", "banana", "cherry"}) put("INBOX", subject);
    // What another client has flagged is nobody else's to expunge.
    put("INBOX", "theirs", "\\Deleted");
  }
  std::string path_of(const std::string& subject) { return "INBOX/" + name_with("INBOX", subject); }
  void make_tree() {
    sh("mkdir -p Old/Older");
    put("Old", "damson");
    put("Old", "elder");
    put("Old/Older", "fig");
    ASSERT_TRUE(eventually([&] { return sh("find Old -type f | wc -l") == "3\n"; }, 70));
  }
  void remove(const std::string& subject) {
    sh("rm " + path_of(subject));
    sync();
  }

 private:
  const char* policy_;
};

TEST_F(Deleting, FlagsByDefault) {
  remove("apple");
  EXPECT_TRUE(message("INBOX", "apple").deleted());
  EXPECT_TRUE(message("INBOX", "theirs").deleted());
  EXPECT_EQ(other().messages("Trash").size(), 0u);
  EXPECT_EQ(mount().list("INBOX").size(), 2u);
}

TEST_F(Deleting, TheFileIsGoneAtOnceAndStaysGone) {
  const auto path = path_of("apple");
  sh("rm " + path + " && ! [ -e " + path + " ] && ! ls INBOX | grep -q apple");
  sync();
  remount();
  sh("! [ -e " + path + " ]");
}

TEST_F(Deleting, WhatIsFlaggedIsListedInDeletedAndReadable) {
  const auto name = name_with("INBOX", "apple");
  remove("apple");
  EXPECT_EQ(mount().list("INBOX/.deleted").size(), 2u) << "ours and theirs";
  EXPECT_EQ(sh("cat INBOX/.deleted/" + name), mail_of("apple"));
  EXPECT_EQ(sh("ls -a INBOX | grep -c deleted || true"), "0\n") << "never listed itself";
}

TEST_F(Deleting, MvOutOfDeletedRestores) {
  const auto name = name_with("INBOX", "apple");
  remove("apple");
  sh("mv INBOX/.deleted/" + name + " INBOX/");
  sync();
  EXPECT_FALSE(message("INBOX", "apple").deleted());
  EXPECT_EQ(sh("cat INBOX/" + name), mail_of("apple"));
  EXPECT_EQ(mount().list("INBOX/.deleted").size(), 1u);
}

TEST_F(Deleting, MvOutOfDeletedUnderAnotherNameGivesThatName) {
  const auto name = name_with("INBOX", "apple");
  remove("apple");
  sh("mv INBOX/.deleted/" + name + " INBOX/saved.eml");
  sync();
  EXPECT_FALSE(message("INBOX", "apple").deleted());
  EXPECT_EQ(sh("cat INBOX/saved.eml"), mail_of("apple"));
}

TEST_F(Deleting, RmInDeletedExpungesOnlyThatOne) {
  const auto name = name_with("INBOX", "apple");
  remove("apple");
  remove("banana");
  sh("rm INBOX/.deleted/" + name);
  sync();
  EXPECT_EQ(other().messages("INBOX").size(), 3u);
  EXPECT_EQ(message("INBOX", "banana").flags, std::vector<std::string>{"\\Deleted"});
  EXPECT_EQ(message("INBOX", "theirs").flags, std::vector<std::string>{"\\Deleted"});
  EXPECT_EQ(mount().list("INBOX/.deleted").size(), 2u);
}

TEST_F(Deleting, WhatAnotherClientFlagsMovesToDeletedAndBack) {
  ASSERT_EQ(mount().list("INBOX").size(), 3u);
  other().command("SELECT INBOX");
  other().command("UID STORE 1 +FLAGS (\\Deleted)");
  EXPECT_TRUE(
      eventually([&] { return mount().list("INBOX").size() == 2 && mount().list("INBOX/.deleted").size() == 2; }));
  other().command("UID STORE 1 -FLAGS (\\Deleted)");
  EXPECT_TRUE(
      eventually([&] { return mount().list("INBOX").size() == 3 && mount().list("INBOX/.deleted").size() == 1; }));
}

TEST_F(Deleting, AnOpenFileStaysReadable) {
  const auto path = path_of("apple");
  const int file = ::open(mount().path(path).c_str(), O_RDONLY);
  ASSERT_GE(file, 0);
  remove("apple");
  sh("rm INBOX/.deleted/*apple*");
  sync();
  EXPECT_EQ(other().messages("INBOX").size(), 3u);
  char text[4096];
  const auto length = ::read(file, text, sizeof text);
  ::close(file);
  ASSERT_GT(length, 0);
  EXPECT_EQ(std::string(text, static_cast<std::size_t>(length)), mail_of("apple"));
}

TEST_F(Deleting, OfWhatIsNotThereSaysSo) {
  refused("rm INBOX/nothing.eml", "No such file or directory");
  refused("rm INBOX/.deleted/nothing.eml", "No such file or directory");
}

TEST_F(Deleting, OfOneThatAnotherClientExpungedMeanwhileIsNoError) {
  ASSERT_EQ(mount().list("INBOX").size(), 3u);
  const auto path = path_of("apple");
  other().command("SELECT INBOX");
  other().command("UID STORE 1 +FLAGS (\\Deleted)");
  other().command("UID EXPUNGE 1");
  sh("rm -f " + path);
  sync();
  EXPECT_EQ(mount().list("INBOX").size(), 2u);
  EXPECT_EQ(other().messages("INBOX").size(), 3u);
}

TEST_F(Deleting, RmROfATreeMovesItsMailToTheTrash) {
  make_tree();
  sh("rm -r Old");
  EXPECT_FALSE(other().exists("Old/Older"));
  EXPECT_FALSE(other().exists("Old"));
  EXPECT_FALSE(lists("", "Old"));
  sync();
  for (const char* subject : {"damson", "elder", "fig"}) EXPECT_EQ(count("Trash", subject), 1u) << subject;
}

TEST_F(Deleting, RmROfATreeThatWasNeverListedRemovesIt) {
  sh("mkdir -p Old/er/est");
  for (const char* mailbox : {"Old", "Old/er", "Old/er/est"}) put(mailbox, "damson");
  remount();
  sh("rm -r Old");
  EXPECT_FALSE(other().exists("Old"));
  sync();
  EXPECT_EQ(count("Trash", "damson"), 3u);
}

TEST_F(Deleting, ANewMailboxOfARemovedOrRenamedNameTakesMailAtOnce) {
  file("a.eml", text_of("again"));
  const std::string fill = "for i in 1 2 3 4 5 6; do cp $F/a.eml Old/m$i || exit 1; done; ";
  for (int round = 0; round < 3; ++round) {
    SCOPED_TRACE(round);
    sh("mkdir Old; " + fill + "rm -rf Old; mkdir Old; " + fill + "ls Old > /dev/null");
    EXPECT_EQ(count("Old", "again"), 6u);
    sh("mv Old Older && mkdir Old && " + fill + "ls Old Older > /dev/null");
    EXPECT_EQ(count("Old", "again"), 6u);
    EXPECT_EQ(count("Older", "again"), 6u);
    sh("rm -rf Old Older");
  }
}

TEST_F(Deleting, RmRKeepsWhatOthersHaveFlagged) {
  make_tree();
  put("Old", "grape", "\\Deleted");
  refused("rm -r Old", "Directory not empty");
  EXPECT_EQ(other().messages("Old").size(), 3u);
  EXPECT_EQ(other().messages("Trash").size(), 1u) << "of Old/Older";
  EXPECT_EQ(log_lines({"Old is not removed", ".deleted"}), 1u);
}

TEST_F(Deleting, RmdirAfterARemountKeepsWhatCanBeHadBack) {
  make_tree();
  sh("rm Old/Older/*");
  sync();
  remount();
  refused("rmdir Old/Older", "Directory not empty");
  EXPECT_TRUE(message("Old/Older", "fig").deleted());
  EXPECT_EQ(log_lines({"Old/Older is not removed", ".deleted"}), 1u);
  sh("rm Old/Older/.deleted/* && rmdir Old/Older");
  EXPECT_FALSE(other().exists("Old/Older"));
}

TEST_F(Deleting, WhatIsRemovedIsInDeletedAtOnce) {
  const auto name = name_with("INBOX", "apple");
  for (int round = 0; round < 10; ++round) {
    sh("rm INBOX/" + name + "; ls INBOX/.deleted | grep -qxF " + shell_quote(name));
    sh("mv INBOX/.deleted/" + name + " INBOX/; ls INBOX | grep -qxF " + shell_quote(name));
  }
  sync();
  EXPECT_FALSE(message("INBOX", "apple").deleted());
}

TEST_F(Deleting, WhatIsRemovedCanBeRemovedFromDeletedAtOnce) {
  make_tree();
  sh("rm Old/Older/*; rm Old/Older/.deleted/*; rmdir Old/Older");
  EXPECT_FALSE(other().exists("Old/Older"));
  sh("rm Old/*.eml; sync Old; rm Old/.deleted/*; rmdir Old");
  EXPECT_FALSE(other().exists("Old"));
  EXPECT_EQ(other().messages("Trash").size(), 0u);
}

class DeletingMany : public Deleting {
 protected:
  void fill() override {
    other().command("CREATE Old");
    other().command("CREATE Old/er");
    // MULTIAPPEND (RFC 3502).
    std::string text = "APPEND Old/er";
    for (int number = 0; number < 1000; ++number) {
      const auto mail = mail_of("number-" + std::to_string(number));
      text += " () {" + std::to_string(mail.size()) + "+}\r\n" + mail;
    }
    other().command(text);
  }
};

TEST_F(DeletingMany, RmROfAThousandRemovesAllAndNothingElse) {
  sh("rm -r Old", 120);
  EXPECT_FALSE(other().exists("Old"));
  sync();
  EXPECT_EQ(other().living("Trash").size(), 1000u);
}

TEST_F(Deleting, VersionsOfOneFileHaveDifferentNamesInDeleted) {
  for (const char* version : {"one", "two", "three"}) {
    file("new.eml", text_of(version));
    sh("cat $F/new.eml > INBOX/draft.eml");
  }
  sh("rm INBOX/draft.eml");
  sync();
  EXPECT_EQ(sh("cd INBOX/.deleted && grep -h ^Subject: $(ls | grep -v theirs) | sort | tr -d '\\r'"),
            "Subject: one\nSubject: three\nSubject: two\n");
  EXPECT_EQ(sh("grep -h ^Subject: INBOX/.deleted/draft.eml | tr -d '\\r'"), "Subject: three\n")
      << "the last that had the name";
}

class DeletingByFlag : public Deleting {
 protected:
  DeletingByFlag() : Deleting("flag") {}
};
TEST_F(DeletingByFlag, SetsDeletedAndNothingElse) {
  remove("apple");
  EXPECT_EQ(message("INBOX", "apple").flags, std::vector<std::string>{"\\Deleted"});
  EXPECT_EQ(other().messages("INBOX").size(), 4u);
}

class DeletingToTrash : public Deleting {
 protected:
  DeletingToTrash() : Deleting("trash") {}
};
TEST_F(DeletingToTrash, MovesToTheTrashMailbox) {
  remove("apple");
  EXPECT_EQ(count("Trash", "apple"), 1u);
  EXPECT_EQ(other().messages("INBOX").size(), 3u);
  EXPECT_EQ(mount().list("Trash").size(), 1u);
}
TEST_F(DeletingToTrash, InTheTrashExpungesOnlyThatOne) {
  remove("apple");
  remove("banana");
  sh("rm Trash/*apple*");
  sync();
  EXPECT_EQ(bodies("Trash"), std::vector<std::string>{mail_of("banana")});
}

class DeletingForGood : public Deleting {
 protected:
  DeletingForGood() : Deleting("expunge") {}
};
TEST_F(DeletingForGood, ExpungesOnlyThatOne) {
  remove("apple");
  EXPECT_EQ(other().messages("INBOX").size(), 3u);
  EXPECT_TRUE(message("INBOX", "theirs").deleted());
}
TEST_F(DeletingForGood, RmRRemovesMailboxesWithTheirMail) {
  make_tree();
  sh("rm -r Old");
  EXPECT_FALSE(other().exists("Old/Older"));
  EXPECT_FALSE(other().exists("Old"));
  EXPECT_FALSE(lists("", "Old"));
}
TEST_F(DeletingForGood, AnOpenFileStaysReadable) {
  const auto path = path_of("apple");
  const int file = ::open(mount().path(path).c_str(), O_RDONLY);
  ASSERT_GE(file, 0);
  remove("apple");
  EXPECT_EQ(other().messages("INBOX").size(), 3u);
  char text[4096];
  const auto length = ::pread(file, text, sizeof text, 0);
  ::close(file);
  EXPECT_EQ(length, static_cast<ssize_t>(mail_of("apple").size()));
}

class DeletingWithoutUidplus : public Deleting {
 protected:
  std::vector<std::string> server_options() override { return {"--capability=IMAP4rev1 IDLE NAMESPACE"}; }
};
TEST_F(DeletingWithoutUidplus, RmRIsRefusedClearlyAndTakesNothingAway) {
  make_tree();
  refused("rm -r Old", "Directory not empty");
  EXPECT_EQ(other().messages("Old").size() + other().messages("Old/Older").size(), 3u);
  EXPECT_GE(log_lines({"is not removed", "expunge single messages"}), 1u);
}
TEST_F(DeletingWithoutUidplus, RmInDeletedIsRefusedClearly) {
  remove("apple");
  refused("rm INBOX/.deleted/*apple*", "Operation not supported");
  sync();
  EXPECT_EQ(other().messages("INBOX").size(), 4u);
}

}  // namespace
}  // namespace imapfs::testing

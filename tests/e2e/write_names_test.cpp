// A name that ls does not show is free: nothing that is created, moved or copied meets a message that has another name.
#include "support/writing_test.hpp"

namespace imapfs::testing {
namespace {

class FreeNames : public WritingTest {
 protected:
  void fill() override { other().command("CREATE Import"); }
  void files(int from, int to) {
    for (int number = from; number <= to; ++number) {
      file(std::to_string(number) + ".eml", text_of(subject(number)));
    }
  }
  static std::string subject(int number) { return "file-" + std::to_string(number); }
  /// Each of them is there once.
  void expect_once(const std::string& mailbox, int from, int to) {
    const auto all = bodies(mailbox);
    for (int number = from; number <= to; ++number) {
      const auto line = "Subject: " + subject(number) + "\r\n";
      const auto found = std::count_if(all.begin(), all.end(),
                                       [&](const auto& body) { return body.find(line) != std::string::npos; });
      EXPECT_EQ(found, 1) << subject(number) << " in " << mailbox;
    }
  }
};

TEST_F(FreeNames, ACopyUnderANumberReplacesNoMessageWithThatUid) {
  put("INBOX", "theirs");
  files(1, 1);
  sh("cp $F/1.eml INBOX/");
  sync();
  EXPECT_EQ(count("INBOX", "theirs"), 1u);
  EXPECT_EQ(count("INBOX", subject(1)), 1u);
  EXPECT_EQ(mount().list("INBOX").size(), 2u);
  sh("grep -q 'Subject: file-1' INBOX/1.eml");
}

TEST_F(FreeNames, EveryWayToMakeANameLeavesTheMessageWithThatUidAlone) {
  for (const auto* subject : {"one", "two", "three", "four", "five", "six"}) put("INBOX", subject);
  files(1, 2);
  sh("cp $F/1.eml INBOX/1.eml; cat $F/2.eml > INBOX/2.eml; mv INBOX/1.eml INBOX/3.eml; cp INBOX/2.eml INBOX/4.eml;"
     "cp $F/1.eml Import/x.eml; mv Import/x.eml INBOX/5.eml; rm -f INBOX/6.eml; sync .");
  for (const auto* subject : {"one", "two", "three", "four", "five", "six"}) EXPECT_EQ(count("INBOX", subject), 1u);
  EXPECT_EQ(bodies("INBOX").size(), 10u);
}

TEST_F(FreeNames, TenNumberedFilesMovedIntoAnEmptyMailboxAreTenMessages) {
  files(1, 10);
  sh("mv $F/*.eml Import/");
  sync();
  expect_once("Import", 1, 10);
  EXPECT_EQ(bodies("Import").size(), 10u);
  for (int number = 1; number <= 10; ++number) {
    sh("grep -q 'Subject: " + subject(number) + "' Import/" + std::to_string(number) + ".eml");
  }
}

TEST_F(FreeNames, AMessageIsReachedByItsUidInAHiddenDirectory) {
  put("INBOX", "theirs");
  put("INBOX", "another");
  ASSERT_TRUE(eventually([&] { return mount().list("INBOX").size() == 2; }));
  EXPECT_EQ(sh("ls INBOX/.uid"), "1.eml\n2.eml\n");
  EXPECT_EQ(sh("ls -A INBOX").find(".uid"), std::string::npos);
  sh("grep -q 'Subject: theirs' INBOX/.uid/1.eml");
  EXPECT_EQ(sh("stat -c %i INBOX/.uid/1.eml"), sh("stat -c %i INBOX/*theirs*"));
  EXPECT_NE(script("rm INBOX/.uid/1.eml").status, 0);
  EXPECT_NE(script("mv INBOX/.uid/1.eml Import/").status, 0);
  EXPECT_NE(script("cp INBOX/*theirs* INBOX/.uid/7.eml").status, 0);
  sh("cp INBOX/.uid/1.eml Import/copy.eml");
  sync();
  EXPECT_EQ(count("Import", "theirs"), 1u);
  EXPECT_EQ(count("INBOX", "theirs"), 1u);
}

TEST_F(FreeNames, WhatIsWrittenToAMessageByItsUidKeepsItsName) {
  put("INBOX", "theirs");
  const auto name = name_with("INBOX", "theirs");
  file("new", text_of("rewritten"));
  sh("cat $F/new > INBOX/.uid/1.eml");
  sync();
  EXPECT_EQ(mount().list("INBOX"), std::vector{name});
  EXPECT_EQ(count("INBOX", "rewritten"), 1u);
  EXPECT_EQ(count("INBOX", "theirs"), 0u);
}

/// A backup made where messages are called by their UIDs, and put back.
class NumberedNames : public FreeNames {
 protected:
  static constexpr int many = 100;

  Mounted::Settings mount_settings() override {
    auto settings = FreeNames::mount_settings();
    settings.options.insert(settings.options.end(), {"-o", "name={uid}.eml"});
    return settings;
  }
  void fill() override {
    FreeNames::fill();
    other().command("CREATE Busy");
    for (int number = 1; number <= many; ++number) put("INBOX", subject(number));
  }
  void back_up() {
    ASSERT_EQ(mount().list("INBOX").size(), static_cast<std::size_t>(many));
    sh("cp INBOX/*.eml $F/");
  }
};

TEST_F(NumberedNames, ABackupPutBackIntoAnEmptyMailboxIsWhole) {
  back_up();
  sh("cp $F/*.eml Import/ && sync .", 120);
  EXPECT_EQ(bodies("Import").size(), static_cast<std::size_t>(many));
  expect_once("Import", 1, many);
  sh("for f in $F/*.eml; do cmp $f Import/${f##*/} || exit 1; done", 120);
  remount();
  sh("for f in $F/*.eml; do cmp $f Import/${f##*/} || exit 1; done", 120);
}

TEST_F(NumberedNames, ABackupPutBackBesideOtherMailReplacesNoneOfIt) {
  // UIDs 4 to 6, and names beyond them that are free.
  for (int number = 1; number <= 6; ++number) put("Busy", "busy-" + std::to_string(number));
  other().command("SELECT Busy");
  other().command("STORE 1:3 +FLAGS (\\Deleted)");
  other().command("EXPUNGE");
  back_up();
  sh("rm $F/4.eml $F/5.eml $F/6.eml; cp $F/*.eml Busy/ && sync .", 120);
  for (int number = 4; number <= 6; ++number) {
    EXPECT_EQ(count("Busy", "busy-" + std::to_string(number)), 1u);
    sh("grep -q 'Subject: busy-" + std::to_string(number) + "' Busy/" + std::to_string(number) + ".eml");
  }
  EXPECT_EQ(bodies("Busy").size(), static_cast<std::size_t>(many));
  expect_once("Busy", 1, 3);
  expect_once("Busy", 7, many);
  sh("for f in $F/*.eml; do cmp $f Busy/${f##*/} || exit 1; done", 120);
}

TEST_F(NumberedNames, ABackupPutBackWhereItCameFromReplacesEachMessageByItself) {
  back_up();
  sh("cp $F/*.eml INBOX/ && sync .", 120);
  EXPECT_EQ(bodies("INBOX").size(), static_cast<std::size_t>(many));
  expect_once("INBOX", 1, many);
  EXPECT_EQ(mount().list("INBOX").size(), static_cast<std::size_t>(many));
}

TEST_F(NumberedNames, MailThatComesWithATakenNumberHasAnotherName) {
  file("given", text_of("given"));
  sh("cp $F/given Import/2.eml && sync . && ls Import");
  put("Import", "comes");
  ASSERT_TRUE(eventually([&] { return mount().list("Import").size() == 2; }));
  EXPECT_TRUE(lists("Import", "2.eml"));
  EXPECT_TRUE(lists("Import", "2+.eml"));
  sh("grep -q 'Subject: given' Import/2.eml && grep -q 'Subject: comes' Import/2+.eml");
  sh("mv Import/2.eml Busy/ && sync .");
  ASSERT_TRUE(eventually([&] { return lists("Import", "2.eml"); })) << "the name is free";
  sh("grep -q 'Subject: comes' Import/2.eml");
  EXPECT_EQ(mount().list("Import").size(), 1u);
}

}  // namespace
}  // namespace imapfs::testing

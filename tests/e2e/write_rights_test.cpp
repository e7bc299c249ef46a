// What the server's rights forbid, and what no mail server can do: modes, EACCES, EROFS, EPERM.
#include <unistd.h>

#include "support/writing_test.hpp"

namespace imapfs::testing {
namespace {

class Rights : public WritingTest {
 protected:
  std::vector<std::string> server_options() override { return {"--acl"}; }
  void fill() override {
    put("INBOX", "apple");
    for (const char* mailbox : {"ReadOnly", "NoDelete", "NoInsert", "NoFlags"}) {
      other().command(std::string("CREATE ") + mailbox);
      put(mailbox, "banana");
    }
    grant("ReadOnly", "lookup read");
    grant("NoDelete", "lookup read write write-seen insert post create admin");
    grant("NoInsert", "lookup read write write-seen write-deleted expunge create delete admin");
    grant("NoFlags", "lookup read insert write-deleted expunge create delete admin");
  }
  void grant(const std::string& mailbox, const std::string& rights) {
    dovecot().doveadm("acl set -u anna " + mailbox + " owner " + rights);
  }
  std::string path_of(const std::string& mailbox) { return mailbox + "/" + name_with(mailbox, "banana"); }
  std::string mode(const std::string& path) { return sh("stat -c %a " + path); }
};

TEST_F(Rights, AReadOnlyMailboxShowsInTheModes) {
  const auto message = path_of("ReadOnly");
  EXPECT_EQ(mode(message), "400\n");
  EXPECT_EQ(mode("ReadOnly"), "500\n");
  EXPECT_EQ(mode("INBOX"), "700\n");
  EXPECT_EQ(mode("INBOX/" + name_with("INBOX", "apple")), "600\n");
}

TEST_F(Rights, AReadOnlyMailboxRefusesEveryChange) {
  const auto message = path_of("ReadOnly");
  file("new.eml", text_of("new"));
  for (const std::string& change :
       std::vector<std::string>{"cp $F/new.eml ReadOnly/", "rm " + message, "mv -f " + message + " INBOX/",
                                "echo x >> " + message, "mv INBOX/*apple* ReadOnly/", "cp INBOX/*apple* ReadOnly/",
                                "setfattr -n user.imap.flags -v '+\\Flagged' " + message}) {
    const auto result = script(change);
    EXPECT_NE(result.status, 0) << change;
    const bool told = result.errors.find("Read-only file system") != std::string::npos ||
                      result.errors.find("Permission denied") != std::string::npos;
    EXPECT_TRUE(told) << change << ": " << result.errors;
  }
  sync();
  EXPECT_EQ(bodies("ReadOnly"), std::vector<std::string>{mail_of("banana")});
  EXPECT_EQ(count("INBOX", "apple"), 1u);
  EXPECT_EQ(sh("cat " + message), mail_of("banana")) << "and can be read";
}

TEST_F(Rights, WithoutTheRightToDeleteRmIsEACCES) {
  refused("rm -f " + path_of("NoDelete"), "Permission denied");
  refused("mv -f " + path_of("NoDelete") + " INBOX/", "Permission denied");
  EXPECT_EQ(count("NoDelete", "banana"), 1u);
  file("new.eml", text_of("new"));
  sh("cp $F/new.eml NoDelete/");
  EXPECT_EQ(count("NoDelete", "new"), 1u) << "what is allowed works";
}

TEST_F(Rights, WithoutTheRightToInsertCpAndMvAreEACCES) {
  file("new.eml", text_of("new"));
  refused("cp $F/new.eml NoInsert/", "Permission denied");
  refused("mv INBOX/*apple* NoInsert/", "Permission denied");
  EXPECT_EQ(count("INBOX", "apple"), 1u);
  sh("rm -f " + path_of("NoInsert"));
  // What was refused keeps sync from saying that all is well.
  EXPECT_TRUE(eventually([&] { return script("rm .imapfs/outbox/*").status == 0; }));
  sync();
  EXPECT_EQ(count("NoInsert", "banana"), 0u);
}

TEST_F(Rights, WithoutTheRightToWriteFlagsSetfattrIsRefused) {
  EXPECT_NE(script("setfattr -n user.imap.flags -v '+\\Flagged' " + path_of("NoFlags")).status, 0);
  EXPECT_EQ(message("NoFlags", "banana").flags, std::vector<std::string>{});
}

class NoSuchOperation : public WritingTest {
 protected:
  void fill() override { put("INBOX", "apple"); }
  std::string path() { return "INBOX/" + name_with("INBOX", "apple"); }
};

TEST_F(NoSuchOperation, LinksAndDevicesAreEPERM) {
  refused("ln " + path() + " INBOX/link.eml", "Operation not permitted");
  refused("ln -s " + path() + " INBOX/link.eml", "Operation not permitted");
  refused("mkfifo INBOX/fifo", "Operation not permitted");
  EXPECT_EQ(mount().list("INBOX").size(), 1u);
}

TEST_F(NoSuchOperation, ChownToAnotherIsEPERM) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root may try";
  refused("chown 4711 " + path(), "Operation not permitted");
  refused("chgrp 4711 " + path(), "Operation not permitted");
  sh("chown $(id -u):$(id -g) " + path() + " INBOX");
}

TEST_F(NoSuchOperation, ChmodAndTouchThatChangeNothingSucceed) {
  sh("chmod 600 " + path() + " && chmod 700 INBOX && touch -r " + path() + " " + path());
  refused("chmod 644 " + path(), "Operation not permitted");
}

TEST_F(NoSuchOperation, TouchOfAnOldMessageDoesNotChangeIt) {
  const auto before = sh("stat -c %Y " + path());
  const auto ever = other().ever("INBOX");
  sh("touch -d 2001-01-01 " + path() + " 2> /dev/null || true");
  sync();
  EXPECT_EQ(sh("stat -c %Y " + path()), before);
  EXPECT_EQ(other().ever("INBOX"), ever);
}

TEST_F(NoSuchOperation, FilesCannotBeMadeWhereThereIsNoMailbox) {
  file("new.eml", text_of("new"));
  EXPECT_NE(script("cp $F/new.eml .").status, 0);
  EXPECT_NE(script("cp $F/new.eml .imapfs/").status, 0);
  EXPECT_NE(script("cp $F/new.eml INBOX/.deleted/").status, 0);
  EXPECT_NE(script("mkdir INBOX/.deleted/x").status, 0);
  EXPECT_NE(script("rm .imapfs/status").status, 0);
  EXPECT_NE(script("rmdir .imapfs INBOX/.deleted").status, 0);
}

}  // namespace
}  // namespace imapfs::testing

// What survives: remounts, a deleted cache, kill -9, a corrupt index, a second mount, a full disk.
#include <filesystem>

#include "support/mounted_test.hpp"
#include "support/source_directory.hpp"

namespace imapfs::testing {
namespace {

class Remount : public MountedTest {
 protected:
  void fill() override {
    const auto result = shell(source_directory() + "/contrib/sample-mail " + dovecot().directory());
    ASSERT_EQ(result.status, 0) << result.errors;
  }
  /// Everything a backup compares, of every file and directory.
  std::string fingerprint() { return run("find . -mindepth 1 -printf '%P\\t%i\\t%T@\\t%C@\\t%s\\t%m\\n' | sort"); }
};

TEST_F(Remount, KeepsNamesInodesTimesAndSizes) {
  const std::string before = fingerprint();
  mount().unmount();
  mount().mount();
  EXPECT_EQ(fingerprint(), before);
}

TEST_F(Remount, KeepsThemWithTheCacheDeletedToo) {
  const std::string before = fingerprint();
  mount().unmount();
  std::filesystem::remove_all(mount().cache());
  mount().mount();
  EXPECT_EQ(fingerprint(), before);
}

TEST_F(Remount, OfASyncedMailboxFetchesNoHeaderAndNoBody) {
  run("ls -l INBOX > /dev/null; cat INBOX/* > /dev/null");
  mount().unmount();
  mount().mount();
  run("ls -l INBOX > /dev/null; cat INBOX/* > /dev/null");
  EXPECT_EQ(mount().counter("headers_fetched"), 0u);
  EXPECT_EQ(mount().counter("bodies_fetched"), 0u);
}

TEST_F(Remount, SeesWhatHappenedMeanwhile) {
  EXPECT_EQ(mount().list("INBOX").size(), 6u);
  mount().unmount();
  dovecot().deliver("INBOX", sample_message("while away"));
  dovecot().doveadm("expunge -u anna mailbox INBOX subject Lunch");
  mount().mount();
  EXPECT_EQ(mount().list("INBOX").size(), 6u);
  EXPECT_EQ(mount().run("ls INBOX | grep -c -e while-away -e Lunch").output, "1\n");
}

TEST_F(Remount, AfterKillNineLosesNothing) {
  const std::string before = fingerprint();
  run("cat INBOX/* > /dev/null");
  mount().kill_daemon();
  mount().mount();
  EXPECT_EQ(fingerprint(), before);
  EXPECT_EQ(run("cat INBOX/*Lunch* | grep -c dumplings"), "1\n");
}

TEST_F(Remount, OverADeadMountWorks) {
  run("ls INBOX > /dev/null");
  shell("kill -9 " + std::to_string(mount().daemon_pid()));
  ASSERT_TRUE(eventually([&] { return mount().daemon_pid() < 0; }));
  EXPECT_NE(mount().run("ls").status, 0) << "transport endpoint is not connected";
  mount().mount();
  EXPECT_EQ(mount().list("INBOX").size(), 6u);
}

TEST_F(Remount, ACorruptIndexIsSetAsideAndRebuilt) {
  const std::string before = fingerprint();
  mount().unmount();
  ASSERT_EQ(shell("cd " + mount().cache() +
                  " && for f in $(find . -name '*.sqlite' -o -name '*.db'); do"
                  " head -c 65536 /dev/urandom > $f; rm -f $f-wal $f-shm; touch damaged; done; rm damaged")
                .status,
            0)
      << "there is an index to damage";
  mount().mount();
  EXPECT_EQ(fingerprint(), before);
  EXPECT_NE(mount().log().find("set aside"), std::string::npos);
}

TEST_F(Remount, ASecondMountOfTheSameAccountWorksBesideTheFirst) {
  run("cat INBOX/* > /dev/null");
  Mounted::Settings settings;
  settings.cache = mount().cache();
  Mounted second(dovecot(), settings);
  const auto result = shell("diff -r " + mount().path("INBOX") + " " + second.path("INBOX"));
  EXPECT_EQ(result.status, 0) << result.output << result.errors;
}

class WithoutCache : public Remount {
 protected:
  Mounted::Settings mount_settings() override { return {{}, "", "/proc/1/no-cache-here", ""}; }
};

TEST_F(WithoutCache, AnUnwritableCacheIsSaidAndEverythingWorks) {
  EXPECT_EQ(run("cat INBOX/*Lunch* | grep -c dumplings"), "1\n");
  EXPECT_EQ(mount().list("INBOX").size(), 6u);
  EXPECT_NE(mount().log().find("/proc/1/no-cache-here"), std::string::npos);
}

class FullDisk : public Remount {
 protected:
  Mounted::Settings mount_settings() override {
    const auto result = shell("mkdir -p " + disk_.path() + " && mount -t tmpfs -o size=64k tmpfs " + disk_.path());
    mountable_ = result.status == 0;
    return {{}, "", mountable_ ? disk_.path("cache") : "", ""};
  }
  void TearDown() override {
    Remount::TearDown();
    if (mountable_) shell("umount " + disk_.path());
  }
  TemporaryDirectory disk_;
  bool mountable_ = false;
};

TEST_F(FullDisk, ServesWithoutCaching) {
  if (!mountable_) GTEST_SKIP() << "only root can make a small disk";
  for (int round = 0; round < 3; ++round)
    dovecot().deliver("INBOX", sample_message("big", "x@example.org", std::string(200000, 'y') + "\r\n"));
  EXPECT_TRUE(eventually([&] { return mount().list("INBOX").size() == 9; }));
  EXPECT_EQ(run("cat INBOX/*_big* | tr -cd y | wc -c"), "600000\n");
  EXPECT_EQ(run("cat INBOX/*Lunch* | grep -c dumplings"), "1\n");
}

}  // namespace
}  // namespace imapfs::testing

// When the server goes away, comes back, or says nothing: no freeze, no lie, no remount.
#include <sys/wait.h>

#include <chrono>

#include "support/mounted_test.hpp"

namespace imapfs::testing {
namespace {

using Clock = std::chrono::steady_clock;

class Connection : public MountedTest {
 protected:
  Mounted::Settings mount_settings() override { return {{"--timeout=5", "--refresh=1"}, "", "", ""}; }
  void fill() override {
    dovecot().deliver("INBOX", sample_message("cached"));
    dovecot().deliver("INBOX", sample_message("never read"));
    dovecot().doveadm("mailbox create -u anna -s Work");
    dovecot().deliver("Work", sample_message("at work"));
  }
};

TEST_F(Connection, CachedMailStaysReadableOffline) {
  run("ls -l INBOX > /dev/null; cat INBOX/*_cached* > /dev/null");
  dovecot().stop();
  EXPECT_EQ(run("ls INBOX | wc -l"), "2\n");
  EXPECT_NE(run("cat INBOX/*_cached*").find("Subject: cached"), std::string::npos);
  EXPECT_TRUE(eventually([&] { return !mount().status().at("online").get<bool>(); }));
}

TEST_F(Connection, WhatIsNotCachedFailsWithinTheDeadlineOffline) {
  run("ls -l INBOX > /dev/null");
  dovecot().stop();
  const auto started = Clock::now();
  const auto result = mount().run("cat INBOX/*never-read*");
  EXPECT_NE(result.status, 0);
  // The deadline is 5 s, and the kernel asks twice: ahead of the reader, and then for him.
  EXPECT_LT(Clock::now() - started, std::chrono::seconds(13));
  EXPECT_TRUE(result.errors.find("No route to host") != std::string::npos ||
              result.errors.find("timed out") != std::string::npos)
      << result.errors;
}

TEST_F(Connection, ComesBackWithoutARemount) {
  run("ls -l INBOX > /dev/null");
  dovecot().stop();
  EXPECT_NE(mount().run("ls Work").status, 0);
  dovecot().restart({});
  EXPECT_TRUE(eventually([&] { return mount().run("ls Work | grep -q at-work").status == 0; }, 30));
  dovecot().deliver("INBOX", sample_message("after the outage"));
  EXPECT_TRUE(eventually([&] { return mount().run("ls INBOX | grep -q after-the-outage").status == 0; }, 70));
}

TEST_F(Connection, DroppedConnectionsCostARetryNotAnError) {
  for (int round = 0; round < 10; ++round) {
    run("ls INBOX > /dev/null; cat INBOX/*_cached* > /dev/null");
    dovecot().kick();
    EXPECT_EQ(run("ls Work | wc -l"), "1\n");
    EXPECT_NE(run("cat Work/*").find("at work"), std::string::npos);
  }
}

TEST_F(Connection, AMountWithoutTheServerStandsOnWhatIsCached) {
  run("ls INBOX > /dev/null; cat INBOX/*_cached* > /dev/null");
  mount().unmount();
  dovecot().stop();
  mount().mount();
  EXPECT_EQ(run("ls INBOX | wc -l"), "2\n");
  EXPECT_NE(run("cat INBOX/*_cached*").find("Subject: cached"), std::string::npos);
}

TEST_F(Connection, AnInterruptedReaderEndsAtOnce) {
  run("ls -l INBOX > /dev/null");
  dovecot().freeze();
  BackgroundCommand reader("cat " + shell_quote(mount().path("INBOX")) + "/*never-read*");
  EXPECT_TRUE(eventually(
      [&] { return mount().run("grep -q OPEN .imapfs/requests || grep -q open .imapfs/requests").status == 0; }));
  const auto started = Clock::now();
  reader.signal(SIGINT);
  EXPECT_EQ(reader.wait(4), 128 + SIGINT);
  EXPECT_LT(Clock::now() - started, std::chrono::seconds(1));
  dovecot().thaw();
}

}  // namespace
}  // namespace imapfs::testing

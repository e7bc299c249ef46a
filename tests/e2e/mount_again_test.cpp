// Unmount and mount again: the same mount comes back, however the first one went. A real second mount of an account is
// told of, and shows what the first one shows.
#include <unistd.h>

#include <chrono>
#include <future>

#include "support/mounted_test.hpp"
#include "support/temporary_directory.hpp"
#include "support/writing_test.hpp"

namespace imapfs::testing {
namespace {

class MountAgain : public WritingTest {
 protected:
  void fill() override {
    dovecot().deliver("INBOX", sample_message("first"));
    dovecot().deliver("INBOX", sample_message("second"));
  }
  Mounted::Settings mount_settings() override { return {{"--timeout=30"}, "", "", ""}; }

  /// The mount is the account's own, not one beside it.
  void expect_own() {
    const auto configuration = nlohmann::json::parse(read_file(mount().path(".imapfs/config")));
    for (const char* directory : {"cache", "state"}) {
      const std::string path = configuration.at(directory);
      EXPECT_FALSE(path.empty());
      EXPECT_FALSE(path.ends_with("@2")) << path;
    }
    EXPECT_EQ(mount().status().at("warnings"), nlohmann::json::array());
  }
};

TEST_F(MountAgain, WaitsForTheFirstWhoseChangesAreOnTheirWay) {
  const pid_t first = mount().daemon_pid();
  sh("mv INBOX/*first* INBOX/given.eml");
  sync();
  dovecot().freeze();
  sh("rm INBOX/*second*");
  ASSERT_EQ(shell("fusermount3 -u " + mount().path()).status, 0);
  auto again = std::async(std::launch::async, [this] { return mount().mount_by(mount().command()); });
  // The lock is asked for while the first has it: it is frozen with the server.
  EXPECT_NE(again.wait_for(std::chrono::seconds(2)), std::future_status::ready);
  dovecot().thaw();
  const auto result = again.get();
  EXPECT_EQ(result.status, 0) << result.errors;
  EXPECT_NE(result.errors.find("waiting for the earlier mount at " + mount().path()), std::string::npos)
      << result.errors;
  EXPECT_FALSE(process_runs(first));
  expect_own();
  EXPECT_EQ(mount().list("INBOX"), std::vector<std::string>{"given.eml"});
}

TEST_F(MountAgain, IsTheSameWhileACopyOfTheFirstLivesInAnotherNamespace) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can make a mount namespace";
  const pid_t first = mount().daemon_pid();
  BackgroundCommand container("exec unshare -m --propagation private sh -c 'echo copied; exec sleep 1000'");
  ASSERT_TRUE(container.wait_for_line("copied"));
  ASSERT_EQ(shell("fusermount3 -u " + mount().path()).status, 0);
  mount().mount();
  expect_own();
  EXPECT_TRUE(eventually([&] { return !process_runs(first); }));
  EXPECT_EQ(mount().list("INBOX").size(), 2u) << "the end of the first leaves the second alone";
}

TEST_F(MountAgain, IsTheSameAfterALazyUnmountThatLeavesFilesOpen) {
  const pid_t first = mount().daemon_pid();
  BackgroundCommand reader("cd " + mount().path() + "/INBOX && exec 3< *first* && echo open && exec sleep 1000");
  ASSERT_TRUE(reader.wait_for_line("open")) << reader.output();
  ASSERT_EQ(shell("fusermount3 -uz " + mount().path()).status, 0);
  mount().mount();
  expect_own();
  EXPECT_TRUE(eventually([&] { return !process_runs(first); }));
  EXPECT_EQ(mount().list("INBOX").size(), 2u) << "the end of the first leaves the second alone";
}

TEST_F(MountAgain, GoesOnWhereABindMountIsLeft) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can bind";
  const TemporaryDirectory place(on_disk());
  const pid_t first = mount().daemon_pid();
  ASSERT_EQ(shell("mount --bind " + mount().path() + " " + place.path() + " && umount " + mount().path()).status, 0);
  EXPECT_EQ(shell("ls " + place.path() + "/INBOX | wc -l").output, "2\n");
  EXPECT_TRUE(process_runs(first));
  EXPECT_EQ(shell("umount " + place.path()).status, 0);
  EXPECT_TRUE(eventually([&] { return !process_runs(first); }));
  mount().mount();
  expect_own();
}

TEST_F(MountAgain, ASecondMountIsToldOfAndHasTheGivenNames) {
  sh("mv INBOX/*first* INBOX/given.eml");
  sync();
  Mounted::Settings settings;
  settings.cache = mount().cache();
  settings.state = mount().state();
  Mounted second(dovecot(), settings);
  EXPECT_NE(second.said().find("the account is mounted already at " + mount().path()), std::string::npos)
      << second.said();
  EXPECT_NE(second.said().find("@2"), std::string::npos) << second.said();
  EXPECT_NE(second.log().find("the account is mounted already"), std::string::npos);
  const auto warnings = second.status().at("warnings");
  ASSERT_EQ(warnings.size(), 1u) << warnings;
  EXPECT_EQ(warnings[0].at("topic"), "second mount");
  EXPECT_EQ(second.list("INBOX"), mount().list("INBOX"));
  second.unmount();
  remount();
  EXPECT_TRUE(lists("INBOX", "given.eml"));
}

TEST_F(MountAgain, ASecondMountIsToldThatTheFirstIsInAnotherNamespace) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can make a mount namespace";
  mount().unmount();
  BackgroundCommand container("exec unshare -m --propagation private sh -c " +
                              shell_quote(mount().command() + " && echo mounted; exec sleep 1000"));
  ASSERT_TRUE(container.wait_for_line("mounted")) << container.output();
  const auto result = mount().mount_by(mount().command());
  EXPECT_EQ(result.status, 0) << result.errors;
  EXPECT_NE(result.errors.find("in another mount namespace"), std::string::npos) << result.errors;
  const auto end = shell(fmt::format("nsenter -t {} -m fusermount3 -u {}", container.pid(), mount().path()));
  EXPECT_EQ(end.status, 0) << end.errors;
}

}  // namespace
}  // namespace imapfs::testing

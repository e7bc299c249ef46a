// What the daemon does to the system it runs on and to who starts it: descriptors, limits, signals, files, and the word
// that it gives when a mount is less than was asked for.
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "support/mounted_test.hpp"
#include "support/writing_test.hpp"

namespace imapfs::testing {
namespace {

class GoodCitizen : public WritingTest {
 protected:
  void fill() override { dovecot().deliver("INBOX", sample_message("first")); }
  Mounted::Settings mount_settings() override { return {{"--timeout=10"}, "", "", ""}; }

  std::string limit(const std::string& name) {
    return shell("grep '" + name + "' /proc/" + std::to_string(mount().daemon_pid()) + "/limits").output;
  }
  /// The command that mounts, after `before`.
  CommandResult mount_after(const std::string& before) { return mount().mount_by(before + mount().command()); }
};

TEST_F(GoodCitizen, KeepsNoDescriptorOfWhoStartsIt) {
  mount().unmount();
  const auto result = mount_after("exec 9> " + file_path("lock") + "; flock -n 9 || exit 9; ");
  ASSERT_EQ(result.status, 0) << result.errors;
  EXPECT_EQ(shell("flock -n " + file_path("lock") + " true").status, 0) << "the lock went with the command";
}

TEST_F(GoodCitizen, OutlivesALimitOnTheSizeOfFiles) {
  mount().unmount();
  const auto mounted = mount_after("ulimit -f 200; ");
  ASSERT_EQ(mounted.status, 0);
  EXPECT_NE(mounted.errors.find("cannot grow beyond"), std::string::npos) << mounted.errors;
  refused("{ echo 'Subject: big'; echo; head -c 1000000 /dev/zero | tr '\\0' x; } > INBOX/big.eml", "File too large");
  EXPECT_EQ(mount().list("INBOX").size(), 1u);
}

TEST_F(GoodCitizen, MayOpenWhatTheHardLimitAllowsAndLeavesNoCore) {
  mount().unmount();
  ASSERT_EQ(mount_after("ulimit -Sn 64; ulimit -Sc unlimited 2>/dev/null; ").status, 0);
  EXPECT_EQ(limit("Max open files").find(" 64 "), std::string::npos) << limit("Max open files");
  EXPECT_NE(limit("Max core file size").find("0                    0"), std::string::npos)
      << limit("Max core file size");
}

TEST_F(GoodCitizen, MakesAnExistingLogFilePrivate) {
  mount().unmount();
  const auto log = std::filesystem::path(mount().cache()).parent_path() / "log";
  ASSERT_EQ(::chmod(log.c_str(), 0644), 0);
  mount().mount();
  EXPECT_EQ(std::filesystem::status(log).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST_F(GoodCitizen, RefusesOneDirectoryForTheCacheAndTheJournal) {
  mount().unmount();
  std::filesystem::create_directory_symlink(mount().cache(), file_path("link"));
  for (const auto& state :
       {mount().cache(), mount().cache() + "/../cache/", file_path("link"), mount().cache() + "/state"}) {
    const auto result = mount().mount_by(mount().command() + " --state-dir=" + shell_quote(state));
    EXPECT_NE(result.status, 0) << state;
    EXPECT_NE(result.errors.find("cannot be in the directory of the cache"), std::string::npos) << result.errors;
  }
}

TEST_F(GoodCitizen, RefusesAJournalOfANewerVersionAndLeavesIt) {
  mount().unmount();
  const auto set_version = [&](const std::string& version) {
    return shell("python3 -c 'import glob, sqlite3; c = sqlite3.connect(glob.glob(\"" + mount().state() +
                 "/imapfs/*/journal.sqlite\")[0]); c.execute(\"PRAGMA user_version=" + version + "\"); c.commit()'");
  };
  ASSERT_EQ(set_version("99").status, 0);
  const auto result = mount_after("");
  EXPECT_NE(result.status, 0);
  EXPECT_NE(result.errors.find("newer version"), std::string::npos) << result.errors;
  ASSERT_EQ(set_version("3").status, 0);
  mount().mount();
  EXPECT_EQ(mount().list("INBOX").size(), 1u);
}

TEST_F(GoodCitizen, TakesDeliveriesThatLinkATemporaryNameToTheFinalOne) {
  file("letter.eml", text_of("delivered"));
  sh("cp $F/letter.eml INBOX/.letter.tmp; ln INBOX/.letter.tmp INBOX/final.eml && rm INBOX/.letter.tmp");
  EXPECT_EQ(count("INBOX", "delivered"), 1u);
  EXPECT_TRUE(lists("INBOX", "final.eml"));
  EXPECT_FALSE(lists("INBOX", ".letter.tmp"));
  EXPECT_NE(script("ln INBOX/final.eml INBOX/again.eml").status, 0) << "a message has one name";
  EXPECT_EQ(count("INBOX", "delivered"), 1u);
}

class StartOfAMount : public GoodCitizen {
 protected:
  void SetUp() override {
    GoodCitizen::SetUp();
    if (IsSkipped()) return;
    mount().unmount();
  }
  /// The command with another source of the password.
  std::string with_password_command(const std::string& script) {
    auto command = mount().command();
    const auto option = command.find(" --password-file=");
    const auto end = command.find(" --", option + 1);
    command.erase(option, end - option);
    return command.replace(0, command.find(' '), "export " + command.substr(0, command.find(' ')) + "; exec") +
           " --password-command=" + shell_quote(script);
  }
};

TEST_F(StartOfAMount, NamesAPasswordCommandThatHangsAndEndsAtOnceOnSigterm) {
  BackgroundCommand command(with_password_command("sleep 1000"));
  ASSERT_TRUE(command.wait_for_line("waiting for the password command")) << command.output();
  const auto begun = std::chrono::steady_clock::now();
  command.signal(SIGTERM);
  EXPECT_NE(command.wait(), 0);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(4)) << "the timeout is 10 s";
  EXPECT_TRUE(eventually([&] { return mount().daemon_pid() < 0; }));
  EXPECT_EQ(shell("grep -c " + mount().path() + " /proc/self/mounts").output, "0\n");
}

TEST_F(StartOfAMount, SaysWhichCommandGaveNoPasswordInTime) {
  std::filesystem::remove_all(mount().cache());
  const auto result = mount().mount_by(with_password_command("sleep 1000"));
  EXPECT_NE(result.status, 0);
  EXPECT_NE(result.errors.find("the password command gave no password in time"), std::string::npos) << result.errors;
}

TEST_F(StartOfAMount, SaysThatItStandsOnTheCache) {
  dovecot().stop();
  mount().mount();
  EXPECT_NE(mount().said().find("mounted from the cache, without a connection: "), std::string::npos) << mount().said();
  EXPECT_NE(mount().log().find("mounted from the cache, without a connection: "), std::string::npos);
  auto warnings = mount().status().at("warnings");
  ASSERT_EQ(warnings.size(), 1u) << warnings;
  EXPECT_EQ(warnings[0].at("topic"), "offline");
}

TEST_F(StartOfAMount, TheMountInPathDoesNotMakeThePasswordCommandWaitForItself) {
  const auto name = mount().path("INBOX");
  const auto trace = file_path("trace");
  const auto result = mount().mount_by(with_password_command("PATH=" + name + ":$PATH; ls " + name + " > " + trace +
                                                             " 2>&1; cat " + name + "/* >> " + trace + " 2>&1; cat " +
                                                             dovecot().password_file()));
  ASSERT_EQ(result.status, 0) << result.errors;
  ASSERT_EQ(mount().list("INBOX").size(), 1u);
  dovecot().kick();
  const auto read = mount().run("cat INBOX/*", 8);
  EXPECT_EQ(read.status, 0) << read.errors;
  EXPECT_NE(read_file(trace).find("No such device"), std::string::npos) << read_file(trace);
}

TEST_F(StartOfAMount, APasswordCommandThatFailsLaterIsInStatusAndLog) {
  const auto password = file_path("password");
  write_file(password, dovecot().password() + "\n");
  ASSERT_EQ(mount().mount_by(with_password_command("cat " + password)).status, 0);
  std::filesystem::remove(password);
  dovecot().kick();
  EXPECT_TRUE(eventually([&] {
    (void)mount().run("cat INBOX/* > /dev/null");
    const auto warnings = mount().status().at("warnings");
    return warnings.size() == 1 && warnings[0].at("topic") == "password";
  })) << mount().status().at("warnings");
  EXPECT_NE(mount().log().find("the password command failed with status 1"), std::string::npos);
  write_file(password, dovecot().password() + "\n");
  EXPECT_TRUE(eventually([&] {
    ::kill(mount().daemon_pid(), SIGUSR1);  // whoever comes next may try at once
    (void)mount().run("ls INBOX > /dev/null");
    return mount().status().at("warnings").empty();
  }));
}

/// Somebody else's file system on a directory of the mount is none of the mount's business.
TEST_F(GoodCitizen, LeavesWhatIsMountedOnOneOfItsDirectoriesAlone) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can mount a tmpfs";
  mount().unmount();
  ASSERT_EQ(mount().mount_by(mount().command() + " --log-level=debug").status, 0);
  const auto name = name_with("INBOX", "first");
  const auto inbox = mount().path("INBOX");
  ASSERT_EQ(shell("mount -t tmpfs tmpfs " + inbox + " && touch " + inbox + "/" + shell_quote(name)).status, 0);
  dovecot().deliver("INBOX", sample_message("arrived"));
  dovecot().doveadm("expunge -u anna mailbox INBOX subject first");
  // The dump for SIGUSR1 brings the log to the disk.
  const auto was_refused = [&](const std::string& part) {
    return eventually([&] {
      ::kill(mount().daemon_pid(), SIGUSR1);
      return log_lines({"watchers of INBOX are not told of", part}) > 0;
    });
  };
  EXPECT_TRUE(was_refused("arrived"));
  EXPECT_TRUE(was_refused("first"));
  EXPECT_EQ(shell("ls " + inbox).output, name + "\n");
  EXPECT_EQ(shell("umount " + inbox).status, 0);
  EXPECT_TRUE(eventually([&] { return mount().list("INBOX").size() == 1; }));
}

}  // namespace
}  // namespace imapfs::testing

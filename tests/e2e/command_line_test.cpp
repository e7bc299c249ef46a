// The command: what it says and how it ends when something is wrong, and the forms in which it can be called.
#include <signal.h>

#include <cstdlib>
#include <filesystem>

#include "support/mounted_test.hpp"
#include "support/source_directory.hpp"

namespace imapfs::testing {
namespace {

class CommandLine : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto reason = why_no_mount()) GTEST_SKIP() << *reason;
    std::filesystem::create_directory(mountpoint());
    setenv("XDG_STATE_HOME", directory_.path("state").c_str(), 1);
  }
  void TearDown() override { shell("fusermount3 -uz " + mountpoint()); }

  std::string mountpoint() const { return directory_.path("mail"); }
  std::string good_options(const Dovecot& dovecot) const {
    return " --ca-file=" + dovecot.ca_file() + " --password-file=" + dovecot.password_file() +
           " --cache-dir=" + directory_.path("cache") + " --log=file --log-file=" + directory_.path("log") +
           " --timeout=10 ";
  }
  /// Expects a non-zero status, nothing mounted, and one line on stderr that starts with "imapfs: " and contains every
  /// part.
  void expect_refused(const std::string& arguments, const std::vector<std::string>& parts) {
    const auto result = shell(imapfs_binary() + " " + arguments, 30);
    EXPECT_NE(result.status, 0) << arguments;
    EXPECT_TRUE(result.errors.starts_with("imapfs: ")) << result.errors;
    EXPECT_EQ(std::count(result.errors.begin(), result.errors.end(), '\n'), 1) << "one sentence: " << result.errors;
    for (const auto& part : parts)
      EXPECT_NE(result.errors.find(part), std::string::npos) << "no \"" << part << "\" in: " << result.errors;
    EXPECT_EQ(shell("grep -c " + mountpoint() + " /proc/self/mounts").output, "0\n");
  }
  TemporaryDirectory directory_;
};

TEST_F(CommandLine, ReturnsWhenTheMountIsLive) {
  Dovecot dovecot;
  dovecot.deliver("INBOX", sample_message("hello"));
  const auto result = shell(imapfs_binary() + " " + dovecot.url() + " " + mountpoint() + good_options(dovecot) +
                            " && ls " + mountpoint() + "/INBOX");
  EXPECT_EQ(result.status, 0) << result.errors;
  EXPECT_NE(result.output.find("hello"), std::string::npos);
  EXPECT_EQ(result.errors, "");
}

TEST_F(CommandLine, MountsOverStarttls) {
  Dovecot dovecot;
  dovecot.deliver("INBOX", sample_message("hello"));
  const auto result = shell(imapfs_binary() + " " + dovecot.starttls_url() + " " + mountpoint() +
                            good_options(dovecot) + " && ls " + mountpoint() + "/INBOX");
  EXPECT_EQ(result.status, 0) << result.errors;
  EXPECT_NE(result.output.find("hello"), std::string::npos);
}

TEST_F(CommandLine, AcceptsTheFormOfMountAndFstab) {
  Dovecot dovecot;
  const auto result = shell(imapfs_binary() + " " + dovecot.url() + " " + mountpoint() +
                            " -o rw,nosuid,nodev,_netdev,ca-file=" + dovecot.ca_file() +
                            ",password-file=" + dovecot.password_file() + ",cache-dir=" + directory_.path("cache") +
                            " && ls " + mountpoint());
  EXPECT_EQ(result.status, 0) << result.errors;
  EXPECT_NE(result.output.find("INBOX"), std::string::npos);
}

TEST_F(CommandLine, InFrontSIGTERMUnmountsCleanly) {
  Dovecot dovecot;
  BackgroundCommand daemon("exec " + imapfs_binary() + " -f " + dovecot.url() + " " + mountpoint() +
                           good_options(dovecot));
  ASSERT_TRUE(eventually([&] { return shell("ls " + mountpoint() + "/INBOX").status == 0; })) << daemon.output();
  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.wait(), 0) << daemon.output();
  EXPECT_EQ(shell("grep -c " + mountpoint() + " /proc/self/mounts").output, "0\n");
}

TEST_F(CommandLine, TheHelperOfMountPassesItsOptionsOn) {
  Dovecot dovecot;
  const auto result = shell("PATH=" + std::filesystem::path(imapfs_binary()).parent_path().string() + ":$PATH " +
                            source_directory() + "/contrib/mount.fuse.imapfs " + dovecot.url() + " " + mountpoint() +
                            " -n -o rw,_netdev,ca-file=" + dovecot.ca_file() +
                            ",password-file=" + dovecot.password_file() + ",cache-dir=" + directory_.path("cache") +
                            " && ls " + mountpoint());
  EXPECT_EQ(result.status, 0) << result.errors;
  EXPECT_NE(result.output.find("INBOX"), std::string::npos);
}

TEST_F(CommandLine, TellsTheServiceManagerWhenTheMountIsLive) {
  Dovecot dovecot;
  BackgroundCommand daemon(
      "exec python3 -c 'import os, socket, subprocess\n"
      "listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); listener.bind(\"" +
      directory_.path("notify") +
      "\")\n"
      "daemon = subprocess.Popen(\"" +
      imapfs_binary() + " -f " + dovecot.url() + " " + mountpoint() + good_options(dovecot) +
      "\".split(), env=dict(os.environ, NOTIFY_SOCKET=\"" + directory_.path("notify") +
      "\"))\n"
      "print(listener.recv(4096), os.path.ismount(\"" +
      mountpoint() +
      "\"), flush=True)\n"
      "daemon.terminate(); print(listener.recv(4096), flush=True); print(\"status\", daemon.wait(), flush=True)'");
  EXPECT_TRUE(daemon.wait_for_line("status 0")) << daemon.output();
  EXPECT_NE(daemon.output().find("READY=1"), std::string::npos) << daemon.output();
  EXPECT_NE(daemon.output().find(" True\n"), std::string::npos) << "live when it says so: " << daemon.output();
  EXPECT_NE(daemon.output().find("STOPPING=1"), std::string::npos) << daemon.output();
}

TEST_F(CommandLine, SIGUSR1DumpsTheStateIntoTheLog) {
  Dovecot dovecot;
  BackgroundCommand daemon("exec " + imapfs_binary() + " -f " + dovecot.url() + " " + mountpoint() +
                           good_options(dovecot));
  ASSERT_TRUE(eventually([&] { return shell("ls " + mountpoint() + "/INBOX").status == 0; })) << daemon.output();
  daemon.signal(SIGUSR1);
  EXPECT_TRUE(
      eventually([&] { return read_file(directory_.path("log")).find("\"connections\"") != std::string::npos; }));
  EXPECT_EQ(shell("ls " + mountpoint() + "/INBOX").status, 0) << "and goes on";
}

TEST_F(CommandLine, RefusesAWrongPassword) {
  Dovecot dovecot;
  write_file(directory_.path("wrong"), "not-it\n");
  expect_refused(dovecot.url() + " " + mountpoint() + " --ca-file=" + dovecot.ca_file() +
                     " --password-file=" + directory_.path("wrong") + " --cache-dir=" + directory_.path("cache"),
                 {"login", "anna"});
}

TEST_F(CommandLine, RefusesAnExpiredCertificate) {
  Dovecot dovecot({"--certificate=expired"});
  expect_refused(dovecot.url() + " " + mountpoint() + good_options(dovecot), {"certificate", "expired"});
}

TEST_F(CommandLine, RefusesASelfSignedCertificate) {
  Dovecot dovecot({"--certificate=self-signed"});
  expect_refused(dovecot.url() + " " + mountpoint() + good_options(dovecot), {"certificate", "self-signed"});
}

TEST_F(CommandLine, RefusesACertificateForAnotherHost) {
  Dovecot dovecot({"--certificate=wrong-host"});
  expect_refused(dovecot.url() + " " + mountpoint() + good_options(dovecot), {"certificate", "other.example.org"});
}

TEST_F(CommandLine, RefusesAServerThatSpeaksNoTls) {
  Dovecot dovecot({"--no-tls"});
  expect_refused("imaps://anna@localhost:" + std::to_string(dovecot.imap_port()) + " " + mountpoint() +
                     " --password-file=" + dovecot.password_file(),
                 {"TLS"});
  expect_refused(dovecot.starttls_url() + " " + mountpoint() + " --password-file=" + dovecot.password_file(),
                 {"STARTTLS"});
}

TEST_F(CommandLine, GoesWithoutTlsOnLoopbackOnlyWhenAsked) {
  Dovecot dovecot({"--no-tls"});
  const auto result = shell(imapfs_binary() + " " + dovecot.starttls_url() + " " + mountpoint() +
                            " -o insecure --password-file=" + dovecot.password_file() +
                            " --cache-dir=" + directory_.path("cache") + " && ls " + mountpoint());
  EXPECT_EQ(result.status, 0) << result.errors;
}

TEST_F(CommandLine, RefusesAHostThatDoesNotAnswer) {
  expect_refused("imaps://anna@localhost:1 " + mountpoint() + " --password-command='echo x'", {"localhost", "refused"});
}

TEST_F(CommandLine, RefusesAMissingMountpoint) {
  Dovecot dovecot;
  expect_refused(dovecot.url() + " " + directory_.path("nowhere") + good_options(dovecot),
                 {directory_.path("nowhere"), "not exist"});
}

TEST_F(CommandLine, RefusesAMountpointThatIsNotEmpty) {
  Dovecot dovecot;
  write_file(directory_.path("mail/file"), "x");
  expect_refused(dovecot.url() + " " + mountpoint() + good_options(dovecot), {"not empty", "nonempty"});
}

TEST_F(CommandLine, RefusesAMountpointThatIsMountedAlready) {
  Dovecot dovecot;
  ASSERT_EQ(shell(imapfs_binary() + " " + dovecot.url() + " " + mountpoint() + good_options(dovecot)).status, 0);
  const auto result = shell(imapfs_binary() + " " + dovecot.url() + " " + mountpoint() + good_options(dovecot));
  EXPECT_NE(result.status, 0);
  EXPECT_NE(result.errors.find("mounted"), std::string::npos) << result.errors;
}

TEST_F(CommandLine, RefusesAnUnknownOptionByName) {
  expect_refused("imaps://anna@localhost " + mountpoint() + " -o refersh=5", {"refersh"});
  expect_refused("imaps://anna@localhost " + mountpoint() + " --no-such-thing", {"no-such-thing"});
}

TEST_F(CommandLine, RefusesAnUnreadablePasswordFile) {
  expect_refused("imaps://anna@localhost:1 " + mountpoint() + " --password-file=" + directory_.path("none"),
                 {directory_.path("none")});
}

TEST_F(CommandLine, RefusesAUrlThatCarriesAPassword) {
  expect_refused("imaps://anna:secret@localhost " + mountpoint(), {"password"});
  EXPECT_EQ(shell(imapfs_binary() + " imaps://anna:secret@localhost " + mountpoint()).errors.find("secret"),
            std::string::npos);
}

TEST_F(CommandLine, CheckPrintsCapabilitiesAndQuirks) {
  Dovecot dovecot;
  const auto result = shell(imapfs_binary() + " --check " + dovecot.url() + good_options(dovecot));
  EXPECT_EQ(result.status, 0) << result.errors;
  EXPECT_NE(result.output.find("QRESYNC"), std::string::npos) << result.output;
  EXPECT_NE(result.output.find("uirks"), std::string::npos) << result.output;
}

TEST_F(CommandLine, CheckFailsWithAReason) {
  Dovecot dovecot;
  write_file(directory_.path("wrong"), "not-it\n");
  const auto result = shell(imapfs_binary() + " --check " + dovecot.url() + " --ca-file=" + dovecot.ca_file() +
                            " --password-file=" + directory_.path("wrong"));
  EXPECT_NE(result.status, 0);
  EXPECT_NE(result.errors.find("login"), std::string::npos) << result.errors;
}

TEST_F(CommandLine, SecretsAppearNeitherInTheProcessListNorInTheLog) {
  Dovecot dovecot;
  ASSERT_EQ(shell(imapfs_binary() + " " + dovecot.url() + " " + mountpoint() + good_options(dovecot) +
                  " --log-level=debug --trace=all && ls " + mountpoint() + "/INBOX")
                .status,
            0);
  EXPECT_EQ(read_file(directory_.path("log")).find(dovecot.password()), std::string::npos);
  EXPECT_EQ(shell("ps -eo args | grep -c -- " + shell_quote(dovecot.password()) +
                  " | head -n 1; ps -eo args | grep -F -- " + shell_quote(dovecot.password()) + " | grep -v grep")
                .output.find("imapfs"),
            std::string::npos);
}

}  // namespace
}  // namespace imapfs::testing

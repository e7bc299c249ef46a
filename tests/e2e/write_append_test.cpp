// Appending appends, sizes are right at once, and a writer that was killed has written nothing.
#include <chrono>

#include "support/fault_proxy.hpp"
#include "support/writing_test.hpp"

namespace imapfs::testing {
namespace {

using namespace std::chrono_literals;

/// Over a round trip that can be set.
class Appending : public WritingTest {
 protected:
  std::vector<std::string> server_options() override { return {"--no-tls", "--no-list-index"}; }
  Mounted::Settings mount_settings() override {
    proxy_ = std::make_unique<FaultProxy>(dovecot().imap_port());
    Mounted::Settings settings;
    settings.options = {"-o", "insecure"};
    settings.url = "imap://anna@127.0.0.1:" + std::to_string(proxy_->port());
    return settings;
  }
  /// The one living message of INBOX, when all that was accepted has reached the server.
  std::string only() {
    sync();
    const auto all = bodies("INBOX");
    EXPECT_EQ(all.size(), 1u);
    return all.size() == 1 ? all[0] : std::string();
  }
  static std::string entries(int count) {
    std::string text;
    for (int number = 1; number <= count; ++number) text += "entry " + std::to_string(number) + "\n";
    return text;
  }
  FaultProxy& proxy() { return *proxy_; }

 private:
  std::unique_ptr<FaultProxy> proxy_;
};

constexpr const char* header = "printf 'Subject: log\\n\\n' > INBOX/log; ";
const std::string header_text = "Subject: log\n\n";

TEST_F(Appending, LineByLineKeepsEveryLine) {
  sh(std::string(header) + "for i in $(seq 200); do echo \"entry $i\" >> INBOX/log || exit 1; done", 120);
  EXPECT_EQ(only(), with_crlf(header_text + entries(200)));
  EXPECT_EQ(sh("cat INBOX/log"), with_crlf(header_text + entries(200)));
}

TEST_F(Appending, LineByLineKeepsEveryLineOverASlowLink) {
  proxy().set_round_trip(50ms);
  sh(std::string(header) + "for i in $(seq 20); do echo \"entry $i\" >> INBOX/log || exit 1; done", 120);
  EXPECT_EQ(only(), with_crlf(header_text + entries(20)));
}

TEST_F(Appending, FromOneDescriptorKeepsEveryLine) {
  sh(std::string(header) +
     "python3 -c '\n"
     "import os\n"
     "f = open(\"INBOX/log\", \"a\")\n"
     "for i in range(1, 21):\n"
     "  f.write(\"entry %d\\n\" % i)\n"
     "  f.flush()\n"
     "  if i % 5 == 0: os.fsync(f.fileno())\n"
     "f.close()\n'");
  EXPECT_EQ(only(), with_crlf(header_text + entries(20)));
}

TEST_F(Appending, WithTeeAndOfWholeFilesKeepsEverything) {
  sh(std::string(header) + "for i in $(seq 10); do echo \"entry $i\" | tee -a INBOX/log > /dev/null || exit 1; done");
  file("more", entries(3000));
  sh("cat $F/more >> INBOX/log; cat $F/more >> INBOX/log");
  EXPECT_EQ(only(), with_crlf(header_text + entries(10) + entries(3000) + entries(3000)));
  EXPECT_EQ(sh("cat INBOX/log"), only());
}

TEST_F(Appending, ToAMessageThatSomebodyElseHasSentAddsToItsEnd) {
  put("INBOX", "letter");
  ASSERT_TRUE(eventually([&] { return mount().list("INBOX").size() == 1; }));
  sh("cat INBOX/* > /dev/null; echo END >> INBOX/*; echo END >> INBOX/*");
  EXPECT_EQ(only(), mail_of("letter") + "END\r\nEND\r\n");
  EXPECT_EQ(sh("cat INBOX/*"), only());
}

TEST_F(Appending, ToACopyAddsToItsEnd) {
  file("letter.eml", text_of("letter"));
  sh("cp $F/letter.eml INBOX/f && echo END >> INBOX/f");
  EXPECT_EQ(only(), mail_of("letter") + "END\r\n");
}

TEST_F(Appending, AWholeLetterLineByLineGivesTheLetter) {
  file("letter.eml", text_of("letter", "One.\n\nTwo.\n"));
  sh("while IFS= read -r line; do printf '%s\\n' \"$line\" >> INBOX/f || exit 1; done < $F/letter.eml");
  EXPECT_EQ(only(), mail_of("letter", "One.\n\nTwo.\n"));
}

TEST_F(Appending, IsSeenByWhoHasTheFileOpen) {
  const auto text = sh(std::string(header) +
                       "python3 -c '\n"
                       "import os, subprocess\n"
                       "f = open(\"INBOX/log\", \"rb\")\n"
                       "f.read()\n"
                       "for i in range(5): subprocess.run([\"sh\", \"-c\", \"echo entry >> INBOX/log\"], check=True)\n"
                       "g = open(\"INBOX/log\", \"rb\")\n"
                       "print(g.read().decode(), end=\"\")\n'");
  EXPECT_EQ(text, only());
}

/// stat and cat without a pause after what the script does to INBOX/f, as often as chance might hide it.
class SizesAtOnce : public Appending {
 protected:
  void expect_exact(const std::string& make) {
    SCOPED_TRACE(make);
    for (int round = 0; round < 20; ++round) {
      file("new.eml", text_of("new", "Line.\n" + entries(round)));
      const auto size = mail_of("new", "Line.\n" + entries(round)).size();
      EXPECT_EQ(sh(make + " && stat -c %s INBOX/f && wc -c < INBOX/f"),
                std::to_string(size) + "\n" + std::to_string(size) + "\n");
    }
  }
};

TEST_F(SizesAtOnce, AreTheServersAfterACopy) { expect_exact("rm -f INBOX/f; cp $F/new.eml INBOX/f"); }
TEST_F(SizesAtOnce, AreTheServersAfterAnOverwrite) {
  expect_exact("stat INBOX/f > /dev/null 2>&1; cat $F/new.eml > INBOX/f");
}
TEST_F(SizesAtOnce, AreTheServersAfterARenameOnto) {
  expect_exact("cp $F/new.eml INBOX/.f.Ab12Cd && stat INBOX/.f.Ab12Cd > /dev/null && mv INBOX/.f.Ab12Cd INBOX/f");
}
TEST_F(SizesAtOnce, AreTheServersAfterATimeWasSet) {
  expect_exact("rm -f INBOX/f; cp $F/new.eml INBOX/f && touch -d 2020-01-01 INBOX/f");
}

/// A writer that a signal ends in mid-write.
class KilledWriters : public WritingTest {
 protected:
  /// Writes half of a message into `path`, says so, and waits to be killed; `meanwhile` runs before that.
  void kill_in_mid_write(const std::string& path, int signal, const std::string& meanwhile = ":") {
    const auto before = outbox();
    BackgroundCommand writer(
        "exec python3 -c '\nimport os, signal, sys\nsignal.signal(signal.SIGINT, signal.SIG_DFL)\n"
        "f = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)\n"
        "os.write(f, b\"Subject: half\\n\\nThe first\")\nprint(\"written\", flush=True)\nsignal.pause()\n' " +
        shell_quote(mount().path(path)));
    ASSERT_TRUE(writer.wait_for_line("written"));
    sh(meanwhile);
    writer.signal(signal);
    writer.wait();
    EXPECT_TRUE(eventually([&] { return outbox() == before + 1; })) << "what was written can be had back";
  }
  int outbox() { return std::stoi(sh("ls .imapfs/outbox | wc -l")); }
};

TEST_F(KilledWriters, OfNewFilesAppendNothing) {
  for (const int signal : {SIGINT, SIGTERM, SIGKILL, SIGHUP, SIGXCPU}) {
    SCOPED_TRACE(signal);
    kill_in_mid_write("INBOX/new" + std::to_string(signal) + ".eml", signal);
  }
  EXPECT_EQ(other().ever("INBOX"), 0u);
  EXPECT_TRUE(mount().list("INBOX").empty());
  EXPECT_GE(log_lines({"warning", "new2.eml", "killed"}), 1u);
}

TEST_F(KilledWriters, OfFilesThatWereRenamedMeanwhileAppendNothing) {
  kill_in_mid_write("INBOX/.new.eml.Ab12Cd", SIGTERM, "mv INBOX/.new.eml.Ab12Cd INBOX/new.eml");
  kill_in_mid_write("INBOX/other.eml", SIGTERM, "mv INBOX/other.eml INBOX/final.eml");
  EXPECT_EQ(other().ever("INBOX"), 0u);
  EXPECT_TRUE(mount().list("INBOX").empty());
}

TEST_F(KilledWriters, OfMessagesLeaveThemAsTheyWere) {
  put("INBOX", "old", "\\Flagged");
  ASSERT_TRUE(eventually([&] { return mount().list("INBOX").size() == 1; }));
  const auto name = mount().list("INBOX").at(0);
  kill_in_mid_write("INBOX/" + name, SIGTERM);
  EXPECT_EQ(bodies("INBOX"), std::vector<std::string>{mail_of("old")});
  EXPECT_EQ(sh("cat " + shell_quote("INBOX/" + name)), mail_of("old"));
  EXPECT_EQ(message("INBOX", "old").flags, std::vector<std::string>{"\\Flagged"});
}

TEST_F(KilledWriters, SuchAsCpUnderTimeoutLeaveNoHalf) {
  // cp copies what comes through the pipe, until it is killed.
  const auto result = script(
      "(printf 'Subject: half\\n\\n'; while echo line; do sleep 0.02; done) 2> /dev/null |"
      " timeout -s INT 1 cp /dev/stdin INBOX/big.eml; echo $?");
  EXPECT_EQ(result.output, "124\n");
  EXPECT_TRUE(eventually([&] { return outbox() == 1; }));
  EXPECT_EQ(other().ever("INBOX"), 0u);
}

/// The thread that closes the file has the signal of the process still pending: its FLUSH is interrupted as soon as it
/// is sent.
TEST_F(KilledWriters, OfManyThreadsAreFoundOutToo) {
  for (int round = 1; round <= 20; ++round) {
    SCOPED_TRACE(round);
    BackgroundCommand writer(
        "exec python3 -c '\nimport os, signal, sys, threading\n"
        "for i in range(5): threading.Thread(target=signal.pause, daemon=True).start()\n"
        "f = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)\nos.write(f, b\"Subject: half\\n\\nThe first\")\n"
        "print(\"written\", flush=True)\nthreading.Event().wait()\n' " +
        shell_quote(mount().path("INBOX/threads" + std::to_string(round) + ".eml")));
    ASSERT_TRUE(writer.wait_for_line("written"));
    writer.signal(SIGKILL);
    writer.wait();
    ASSERT_TRUE(eventually([&] { return outbox() == round || other().ever("INBOX") != 0; }));
    ASSERT_EQ(other().ever("INBOX"), 0u);
  }
}

TEST_F(KilledWriters, AreNotThoseThatEndWithoutClosingTheirFiles) {
  sh("python3 -c '\nimport os, signal, threading\n"
     "for i in range(5): threading.Thread(target=signal.pause, daemon=True).start()\n"
     "f = os.open(\"INBOX/whole.eml\", os.O_WRONLY | os.O_CREAT)\nos.write(f, b\"Subject: whole\\n\\nAll of it.\\n\")\nos._exit(0)\n'");
  sync();
  EXPECT_EQ(count("INBOX", "whole"), 1u);
  EXPECT_EQ(outbox(), 0);
}

/// A message that somebody has open for writing while it goes elsewhere.
class OpenForWriting : public Appending {
 protected:
  /// Keeps the message open, runs `meanwhile`, then writes to it and closes it.
  void write_after(const std::string& meanwhile) {
    SCOPED_TRACE(meanwhile);
    sh("exec 6>>INBOX/log; " + meanwhile + "; echo entry >&6; exec 6>&-");
    sync();
  }
  void SetUp() override {
    Appending::SetUp();
    sh("mkdir Old");
    file("log.eml", text_of("log", ""));
    file("new.eml", text_of("new"));
    sh("cp $F/log.eml INBOX/log");
    sync();
  }
};

TEST_F(OpenForWriting, FollowsTheMessageToAnotherMailbox) {
  write_after("mv INBOX/log Old/log.1");
  EXPECT_EQ(sh("ls INBOX Old"), "INBOX:\n\nOld:\nlog.1\n");
  EXPECT_EQ(bodies("Old"), std::vector<std::string>{mail_of("log", "entry\n")});
  EXPECT_EQ(sh("cat Old/log.1"), mail_of("log", "entry\n"));
  EXPECT_EQ(count("INBOX", "log"), 0u);
}

TEST_F(OpenForWriting, FollowsTheMessageWhereItHasArrivedAlready) {
  write_after("mv INBOX/log Old/log.1; sync .");
  EXPECT_EQ(bodies("Old"), std::vector<std::string>{mail_of("log", "entry\n")});
  EXPECT_EQ(count("INBOX", "log"), 0u);
}

TEST_F(OpenForWriting, KeepsTheNewNameInAMailboxThatWasNeverListed) {
  sh("mkdir New; cp $F/log.eml New/log");
  sh("exec 6>>New/log; mv New/log New/log.1; echo entry >&6; exec 6>&-");
  EXPECT_EQ(sh("ls New"), "log.1\n");
  EXPECT_EQ(bodies("New"), std::vector<std::string>{mail_of("log", "entry\n")});
}

TEST_F(OpenForWriting, DoesNotBringBackWhatWasRemoved) {
  write_after("rm INBOX/log");
  EXPECT_EQ(sh("ls INBOX"), "");
  EXPECT_EQ(count("INBOX", "log"), 0u);
}

TEST_F(OpenForWriting, GoesOnWhenTheMessageIsTakenBack) {
  write_after("rm INBOX/log; mv INBOX/.deleted/log INBOX/log");
  EXPECT_EQ(sh("cat INBOX/log"), mail_of("log", "entry\n"));
  EXPECT_EQ(bodies("INBOX"), std::vector<std::string>{mail_of("log", "entry\n")});
}

TEST_F(OpenForWriting, DoesNotTakeTheNameFromWhatWasPutThere) {
  sh("cp $F/new.eml Old/new");
  write_after("mv Old/new INBOX/log");
  EXPECT_EQ(sh("ls INBOX"), "log\n");
  EXPECT_EQ(bodies("INBOX"), std::vector<std::string>{mail_of("new")});
  sh("cp $F/log.eml INBOX/log");
  write_after("cp $F/new.eml INBOX/.log.Ab12Cd; mv INBOX/.log.Ab12Cd INBOX/log");
  EXPECT_EQ(sh("ls INBOX"), "log\n");
  EXPECT_EQ(bodies("INBOX"), std::vector<std::string>{mail_of("new")});
}

/// execve(2) closes what is O_CLOEXEC while it holds a lock that readers of procfs wait for (Linux 6.18).
class ExecutingWriters : public WritingTest {};

TEST_F(ExecutingWriters, HaveWrittenWhatTheyExecuteAwayFrom) {
  sh("timeout 30 python3 -c '\nimport os\nf = os.open(\"INBOX/whole.eml\", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC)\n"
     "os.write(f, b\"Subject: whole\\n\\nAll of it.\\n\")\nos.execv(\"/bin/true\", [\"true\"])\n'");
  sync();
  EXPECT_EQ(count("INBOX", "whole"), 1u);
}

TEST_F(ExecutingWriters, AsChildrenNeitherUploadNorWaitForWhatTheirParentWrites) {
  sh("timeout 30 python3 -c '\nimport os, subprocess\nf = os.open(\"INBOX/whole.eml\", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC)\n"
     "for line in (b\"Subject: whole\\n\", b\"\\n\", b\"All \", b\"of it.\\n\"):\n"
     "  os.write(f, line)\n  subprocess.run([\"/bin/true\"], check=True, close_fds=False)\nos.close(f)\n'");
  sync();
  EXPECT_EQ(count("INBOX", "whole"), 1u);
  EXPECT_EQ(other().ever("INBOX"), 1u);
}

}  // namespace
}  // namespace imapfs::testing

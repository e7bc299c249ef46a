// The answer to an upload is lost, there is no connection for a while, and the file is corrected before anybody could
// look what became of it.
#include <csignal>
#include <future>

#include "support/fault_proxy.hpp"
#include "support/writing_test.hpp"

namespace imapfs::testing {
namespace {

using namespace std::chrono_literals;

class LostAnswer : public WritingTest {
 protected:
  std::vector<std::string> server_options() override { return {"--no-tls", "--no-list-index"}; }
  Mounted::Settings mount_settings() override {
    proxy_ = std::make_unique<FaultProxy>(dovecot().imap_port());
    return {{"-o", "insecure", "--timeout=3", "--refresh=1", "--connections=2"},
            "imap://anna@127.0.0.1:" + std::to_string(proxy_->port()),
            "",
            ""};
  }
  void SetUp() override {
    WritingTest::SetUp();
    if (IsSkipped()) return;
    EXPECT_TRUE(mount().list("INBOX").empty());
    // A connection that is there, and a mailbox of which everything is known: the next command is APPEND.
    file("first.eml", text_of("warm"));
    sh("cp $F/first.eml INBOX/warm.eml");
    sync();
    // And the mailbox is open for changes.
    sh("setfattr -n user.imap.flags -v +Warm INBOX/warm.eml");
    file("first.eml", text_of("letter", "Hallo.\n"));
    // The same length, Message-ID and date.
    file("second.eml", text_of("letter", "Hello.\n"));
  }
  void TearDown() override {
    WritingTest::TearDown();
    proxy_.reset();
  }
  /// Runs a script whose APPEND reaches the server and is not answered; there is no connection after that.
  void lose_answer_of(const std::string& text) {
    proxy_->set_trap(
        FaultProxy::Trap{FaultProxy::Direction::from_server, 0, FaultProxy::Trap::Action::hold, "OK [APPENDUID "});
    auto running = std::async(std::launch::async, [&] { return script(text); });
    ASSERT_TRUE(proxy_->wait_for_trap(20s));
    proxy_->set_refusing(true);
    proxy_->release();
    const auto result = running.get();
    EXPECT_EQ(result.status, 0) << result.output << result.errors;
    ASSERT_EQ(bodies("INBOX").size(), 2u) << "it has arrived";
  }
  void reconnect() {
    proxy_->set_refusing(false);
    ::kill(mount().daemon_pid(), SIGUSR1);
    // A reader is who makes the daemon connect.
    ASSERT_TRUE(eventually([&] { return script("ls; ls INBOX").status == 0 && mount().status()["online"] == true; }));
  }
  void expect_the_second_alone() {
    sync();
    EXPECT_EQ(bodies("INBOX"), (std::vector<std::string>{mail_of("warm"), mail_of("letter", "Hello.\n")}));
    EXPECT_EQ(read_file(mount().path("INBOX/a.eml")), mail_of("letter", "Hello.\n"));
    EXPECT_EQ(other().messages("INBOX").size(), 3u) << "the first one went by the policy";
  }
  std::unique_ptr<FaultProxy> proxy_;
};

TEST_F(LostAnswer, AFileThatIsCorrectedInTheOutboxIsTheOneThatStays) {
  lose_answer_of("! cp $F/first.eml INBOX/a.eml");
  const auto waiting = sh("echo .imapfs/outbox/*a.eml");
  reconnect();
  sh("cat $F/second.eml > " + waiting);
  expect_the_second_alone();
  EXPECT_EQ(sh("ls .imapfs/outbox"), "");
}

TEST_F(LostAnswer, AFileThatIsCorrectedByWhoHasItOpenIsTheOneThatStays) {
  auto writer = std::async(std::launch::async, [&] {
    return script(
        "python3 - $F <<'END'\n"
        "import os, sys, time\n"
        "folder = sys.argv[1]\n"
        "def wait(name):\n"
        "  while not os.path.exists(folder + '/' + name): time.sleep(0.02)\n"
        "f = os.open('INBOX/a.eml', os.O_CREAT | os.O_RDWR)\n"
        "os.write(f, open(folder + '/first.eml', 'rb').read())\n"
        "wait('begin')\n"
        "try: os.fsync(f)\n"
        "except OSError: open(folder + '/failed', 'w').close()\n"
        "wait('go')\n"
        "os.pwrite(f, open(folder + '/second.eml', 'rb').read(), 0)\n"
        "os.fsync(f)\n"
        "os.close(f)\n"
        "END");
  });
  lose_answer_of("touch $F/begin; until [ -e $F/failed ]; do sleep 0.02; done");
  reconnect();
  sh("touch $F/go");
  const auto written = writer.get();
  EXPECT_EQ(written.status, 0) << written.errors;
  expect_the_second_alone();
}

TEST_F(LostAnswer, WhatWasChangedBeforeTheNextMountIsKeptBesideWhatHasArrived) {
  lose_answer_of("! cp $F/first.eml INBOX/a.eml");
  mount().kill_daemon();
  sh("for staged in " + mount().state() + "/imapfs/*/staging/*; do cat $F/second.eml > $staged; done");
  proxy_->set_refusing(false);
  mount().mount();
  // What the server does not have is told.
  refused("sync .", "Input/output error");
  EXPECT_EQ(bodies("INBOX"), (std::vector<std::string>{mail_of("warm"), mail_of("letter", "Hallo.\n")}));
  EXPECT_EQ(sh("cat .imapfs/outbox/*a.eml"), text_of("letter", "Hello.\n"));
  sh("mv .imapfs/outbox/*a.eml INBOX/a.eml");
  expect_the_second_alone();
}

TEST_F(LostAnswer, AFileThatStaysAsItWasIsThereOnce) {
  lose_answer_of("! cp $F/first.eml INBOX/a.eml");
  reconnect();
  sh("mv .imapfs/outbox/*a.eml INBOX/a.eml");
  sync();
  EXPECT_EQ(other().messages("INBOX").size(), 2u);
}

}  // namespace
}  // namespace imapfs::testing

// Many changes at once over a slow link: few commands, the right result, and nobody is promised what the server refuses
// without hearing of it.
#include <chrono>

#include "support/fault_proxy.hpp"
#include "support/writing_test.hpp"

namespace imapfs::testing {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

class Many : public WritingTest {
 protected:
  static constexpr int many = 2000;

  std::vector<std::string> server_options() override { return {"--no-tls", "--acl"}; }
  virtual std::vector<std::string> further_options() { return {}; }
  Mounted::Settings mount_settings() override {
    proxy_ = std::make_unique<FaultProxy>(dovecot().imap_port());
    Mounted::Settings settings;
    settings.options = further_options();
    settings.options.insert(settings.options.end(), {"-o", "insecure", "--refresh=3600"});
    settings.url = "imap://anna@127.0.0.1:" + std::to_string(proxy_->port());
    return settings;
  }
  void fill() override {
    other().command("CREATE Archive");
    other().command("CREATE Source");
  }
  void fill_source(int count) {
    // MULTIAPPEND (RFC 3502).
    std::string text = "APPEND Source";
    for (int number = 0; number < count; ++number) {
      const auto mail = mail_of("number-" + std::to_string(number));
      text += " () {" + std::to_string(mail.size()) + "+}\r\n" + mail;
    }
    other().command(text);
    // mv asks for its target's name first: of a mailbox that was never listed only the server knows.
    sh("ls Archive");
    ASSERT_TRUE(eventually([&] { return mount().list("Source").size() == static_cast<std::size_t>(count); }));
  }
  /// What a script makes the daemon send, over a round trip of 50 ms.
  std::string sent_by(const std::string& text, int seconds = 100) {
    proxy_->set_round_trip(50ms);
    proxy_->record(true);
    sh(text, seconds);
    sync();
    proxy_->set_round_trip(0ms);
    return proxy_->recorded(FaultProxy::Direction::from_client);
  }
  static std::size_t commands(const std::string& sent, const std::string& word) {
    std::size_t found = 0;
    for (auto at = sent.find(word); at != std::string::npos; at = sent.find(word, at + 1)) ++found;
    return found;
  }
  FaultProxy& proxy() { return *proxy_; }

 private:
  std::unique_ptr<FaultProxy> proxy_;
};

TEST_F(Many, RmOfTwoThousandIsAFewCommands) {
  fill_source(many);
  const auto began = Clock::now();
  const auto sent = sent_by("rm Source/*");
  EXPECT_LT(Clock::now() - began, 20s);
  EXPECT_LE(commands(sent, "UID STORE"), 60u) << sent.substr(0, 2000);
  for (const auto& message : other().messages("Source", false)) EXPECT_TRUE(message.deleted());
  EXPECT_EQ(other().ever("Source"), static_cast<std::uint32_t>(many));
  EXPECT_TRUE(mount().list("Source").empty());
}

TEST_F(Many, MvOfTwoThousandIsAFewCommands) {
  fill_source(many);
  const auto began = Clock::now();
  const auto sent = sent_by("mv Source/* Archive/");
  EXPECT_LT(Clock::now() - began, 20s);
  EXPECT_LE(commands(sent, "UID MOVE"), 60u) << sent.substr(0, 2000);
  EXPECT_EQ(other().messages("Source", false).size(), 0u);
  EXPECT_EQ(other().messages("Archive", false).size(), static_cast<std::size_t>(many));
  EXPECT_EQ(mount().list("Archive").size(), static_cast<std::size_t>(many));
  EXPECT_EQ(mount().counter("bodies_fetched"), 0u);
}

TEST_F(Many, CpOfManyIsAFewCommands) {
  fill_source(500);
  const auto sent = sent_by("cp Source/* Archive/");
  EXPECT_LE(commands(sent, "UID COPY"), 60u) << sent.substr(0, 2000);
  EXPECT_EQ(other().messages("Archive", false).size(), 500u);
  EXPECT_EQ(mount().counter("bodies_fetched"), 0u);
}

TEST_F(Many, AnswersDoNotWaitForTheServerAndSyncDoes) {
  fill_source(20);
  proxy().set_black_hole(true);
  const auto began = Clock::now();
  sh("rm Source/*number-0.* && mv Source/*number-1.* Archive/ && ls Source > /dev/null");
  EXPECT_LT(Clock::now() - began, 5s);
  EXPECT_EQ(other().living("Source").size(), 20u) << "the server has not heard of it";
  BackgroundCommand waiting("sync " + shell_quote(mount().path("Source")) + "; echo status $?");
  EXPECT_FALSE(waiting.wait_for_line("status", 1)) << "it waits";
  proxy().set_black_hole(false);
  EXPECT_TRUE(waiting.wait_for_line("status 0")) << waiting.output();
  EXPECT_EQ(other().living("Source").size(), 18u);
  EXPECT_EQ(count("Archive", "number-1"), 1u);
}

TEST_F(Many, UnmountingWaitsForEverything) {
  fill_source(200);
  proxy().set_round_trip(100ms);
  sh("mv Source/* Archive/");
  mount().unmount();
  EXPECT_EQ(other().messages("Archive", false).size(), 200u);
  mount().mount();
  EXPECT_EQ(mount().list("Archive").size(), 200u);
}

TEST_F(Many, WhatWasPromisedIsCarriedOutByTheNextMount) {
  fill_source(50);
  proxy().set_black_hole(true);
  sh("rm Source/*number-1?.*; mv Source/*number-2?.* Archive/");
  mount().kill_daemon();
  proxy().release();
  mount().mount();
  sync();
  EXPECT_EQ(other().living("Source").size(), 30u);
  EXPECT_EQ(other().messages("Archive").size(), 10u);
  EXPECT_EQ(other().messages("Source").size(), 40u);
}

TEST_F(Many, ARefusalMakesFilesReappearAndIsReported) {
  fill_source(10);
  // A process keeps the rights it has looked up.
  BackgroundCommand events("cat " + shell_quote(mount().path(".imapfs/events")));
  proxy().set_black_hole(true);
  sh("mv Source/* Archive/");
  EXPECT_TRUE(mount().list("Source").empty());
  other().command("DELETE Archive");
  proxy().set_black_hole(false);
  EXPECT_TRUE(eventually([&] { return mount().list("Source").size() == 10; }));
  EXPECT_EQ(other().living("Source").size(), 10u);
  EXPECT_TRUE(events.wait_for_line("refused")) << events.output();
  EXPECT_GE(log_lines({"number-3", "Archive"}), 1u) << mount().log();
}

TEST_F(Many, SyncTellsOfARefusalThatNobodyWasTold) {
  fill_source(3);
  proxy().set_black_hole(true);
  sh("mv Source/* Archive/");
  other().command("DELETE Archive");
  proxy().set_black_hole(false);
  EXPECT_NE(script("sync Source").status, 0);
  EXPECT_EQ(other().living("Source").size(), 3u);
}

TEST_F(Many, ChangesOfOneMessageKeepTheirOrder) {
  fill_source(20);
  sh("for name in $(ls Source); do mv Source/$name Archive/ && mv Archive/$name Source/again-$name && setfattr -n user.imap.flags -v '+\\Flagged' Source/again-$name"
     " && mv Source/again-$name Archive/last-$name; done");
  sync();
  EXPECT_EQ(other().living("Source").size(), 0u);
  const auto arrived = other().living("Archive");
  EXPECT_EQ(arrived.size(), 20u);
  for (const auto& message : arrived) EXPECT_TRUE(message.has("\\Flagged")) << message.body;
  EXPECT_EQ(sh("ls Archive | grep -c ^last-"), "20\n");
}

class ManyInStep : public Many {
 protected:
  std::vector<std::string> further_options() override { return {"-o", "sync"}; }
};

TEST_F(ManyInStep, WithOSyncTheServerHasDoneItWhenTheToolEnds) {
  fill_source(20);
  sh("rm Source/*number-0.*");
  EXPECT_EQ(other().living("Source").size(), 19u);
  sh("mv Source/*number-1.* Archive/");
  EXPECT_EQ(count("Archive", "number-1"), 1u);
  EXPECT_EQ(other().messages("Source", false).size(), 19u);
}

TEST_F(ManyInStep, WithOSyncARefusalReachesTheTool) {
  fill_source(3);
  sh("ls Archive");
  other().command("DELETE Archive");
  const auto result = script("mv Source/*number-1.* Archive/");
  EXPECT_NE(result.status, 0);
  EXPECT_EQ(other().living("Source").size(), 3u);
  EXPECT_EQ(mount().list("Source").size(), 3u);
}

}  // namespace
}  // namespace imapfs::testing

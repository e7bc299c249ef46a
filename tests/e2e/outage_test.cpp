// Short cuts and silently dead connections, with the tools of users: they cost time and no errors, and no more than
// seconds.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "support/fault_proxy.hpp"
#include "support/writing_test.hpp"

namespace imapfs::testing {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

/// Cuts every connection again and again, and keeps the server away for a while each time, until the object goes.
class Cutter {
 public:
  Cutter(FaultProxy& proxy, int cuts, std::chrono::milliseconds between, std::chrono::milliseconds longest_outage)
      : thread_([=, this, &proxy](const std::stop_token& stop) {
          for (int cut = 0; cut < cuts && pass(stop, between); ++cut) {
            proxy.set_refusing(true);
            proxy.drop_connections();
            ++made_;
            const bool goes_on = pass(stop, longest_outage * (cut % 4) / 3);
            proxy.set_refusing(false);
            if (!goes_on) return;
          }
        }) {}
  [[nodiscard]] int made() const { return made_; }

 private:
  bool pass(const std::stop_token& stop, std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    never_.wait_for(lock, stop, time, [] { return false; });
    return !stop.stop_requested();
  }

  std::mutex mutex_;
  std::condition_variable_any never_;
  std::atomic<int> made_{0};
  std::jthread thread_;
};

class Outage : public WritingTest {
 protected:
  Mounted::Settings mount_settings() override {
    proxy_ = std::make_unique<FaultProxy>(dovecot().imap_port());
    Mounted::Settings settings;
    // Nothing is looked at again but by watching.
    settings.options = {"-o", "insecure", "--refresh=3600"};
    settings.url = "imap://anna@127.0.0.1:" + std::to_string(proxy_->port());
    return settings;
  }
  std::vector<std::string> server_options() override { return {"--no-tls", "--no-list-index"}; }
  void fill() override {
    dovecot().doveadm("mailbox create -u anna -s Work");
    dovecot().doveadm("mailbox create -u anna -s Target");
    dovecot().deliver_many("Work", messages);
  }
  static constexpr int messages = 100;
  FaultProxy& proxy() { return *proxy_; }

 private:
  std::unique_ptr<FaultProxy> proxy_;
};

TEST_F(Outage, CopyingFilesInOutlivesCuts) {
  constexpr int files = 500;
  for (int number = 0; number < files; ++number) {
    const auto name = std::to_string(number);
    file(name + ".eml", text_of("copied-" + name));
  }
  sh("ls Target > /dev/null");
  {
    const Cutter cutter(proxy(), 8, 700ms, 3s);
    sh("cp $F/*.eml Target/", 300);
    EXPECT_GE(cutter.made(), 2);
  }
  sh("sync Target", 120);
  std::set<std::string> seen;
  for (const auto& body : bodies("Target")) EXPECT_TRUE(seen.insert(body).second) << "twice: " << body;
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(files));
}

TEST_F(Outage, ReadingOutlivesCuts) {
  sh("ls Work > /dev/null");
  const Cutter cutter(proxy(), 25, 100ms, 300ms);
  sh("for f in Work/*; do cat \"$f\" > /dev/null || exit 1; sleep 0.05; done", 300);
  EXPECT_GE(cutter.made(), 5);
}

TEST_F(Outage, AfterALongOneTheFirstWhoWaitsFindsTheServer) {
  file("new.eml", text_of("new"));
  sh("ls Target Work > /dev/null");
  proxy().set_refusing(true);
  proxy().drop_connections();
  // Longer than anybody is kept waiting.
  EXPECT_TRUE(eventually(
      [&] {
        (void)script("cat Work/* > /dev/null", 120);
        return !mount().status().at("online").get<bool>();
      },
      120));
  refused("cp $F/new.eml Target/", "No route to host");
  const auto refusing = Clock::now();
  EXPECT_NE(script("cat Work/* > /dev/null", 120).status, 0);
  EXPECT_LT(Clock::now() - refusing, 20s) << "at once, each of them";
  proxy().set_refusing(false);
  EXPECT_TRUE(eventually([&] { return script("cp $F/new.eml Target/new2.eml").status == 0; }, 10));
  sh("cat Work/* > /dev/null");
}

TEST_F(Outage, AReadOnSilentlyDeadConnectionsTakesSeconds) {
  sh("ls Work > /dev/null; cat Work/*_1_* Work/*Message-1.* > /dev/null 2>&1 || true");
  proxy().silence_connections();
  const auto began = Clock::now();
  sh("cat \"$(ls -d Work/* | tail -n 1)\" > /dev/null");
  EXPECT_LT(Clock::now() - began, 20s);
}

TEST_F(Outage, NewsOfASilentlyDeadWatchComeAsSoonAsAnotherConnectionIsMissed) {
  dovecot().deliver("INBOX", sample_message("before"));
  EXPECT_TRUE(eventually([&] { return mount().run("ls INBOX | grep -q before").status == 0; }));
  // So that there is another connection to be missed.
  sh("ls Work > /dev/null");
  proxy().silence_connections();
  dovecot().deliver("INBOX", sample_message("unheard-of"));
  sh("cat \"$(ls -d Work/* | tail -n 1)\" > /dev/null");
  EXPECT_TRUE(eventually([&] { return mount().run("ls INBOX | grep -q unheard-of").status == 0; }, 30));
}

TEST_F(Outage, SyncAfterMovingOnSilentlyDeadConnectionsIsDoneInTime) {
  sh("ls Work Target > /dev/null");
  proxy().silence_connections();
  const auto began = Clock::now();
  sh("mv Work/* Target/ && sync Target", 120);
  EXPECT_LT(Clock::now() - began, 30s);
  EXPECT_EQ(other().living("Target").size(), static_cast<std::size_t>(messages));
  EXPECT_TRUE(other().living("Work").empty());
}

}  // namespace
}  // namespace imapfs::testing

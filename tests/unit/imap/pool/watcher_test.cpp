#include "imapfs/imap/watcher.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/fake_server.hpp"

namespace imapfs::imap {
namespace {

using namespace std::chrono_literals;
using imapfs::testing::FakeServer;
using ::testing::ElementsAre;

/// Selects INBOX when the watch starts, and writes down everything it is told.
class RecordingWatchListener : public WatchListener {
 public:
  void on_exists(std::uint32_t messages) override { record("exists " + std::to_string(messages)); }
  void on_expunge() override { record("expunge"); }
  void on_vanished(const UidSet& uids) override { record("vanished " + uids.to_string()); }
  void on_fetch(const FetchRow& row) override { record("fetch " + std::to_string(row.uid.value)); }
  void on_status(const WireName& other, const MailboxStatus&) override { record("status " + other); }
  void on_mailbox_list_changed() override { record("list"); }

  Result<void> on_watch_started(Session& session, const CallContext& context) override {
    const auto selected = IMAPFS_TRY(session.select({mailbox, false, {}, {}, {}}, context));
    record("started with " + std::to_string(selected.messages));
    return {};
  }
  Result<void> on_news(Session& session, const CallContext& context) override {
    record("news");
    return at_news ? at_news(session, context) : Result<void>();
  }
  void on_watching(bool watching, const std::string& reason) override {
    record(watching ? "watching" : "interrupted: " + reason);
  }

  void on_connection_lost(bool silently) override { record(silently ? "lost silently" : "lost"); }
  void on_connection_answers() override { record("answers"); }

  std::vector<std::string> events() {
    const std::lock_guard guard(mutex_);
    return events_;
  }
  /// Whether `event` has come `times` times within ten seconds.
  bool wait_for(const std::string& event, std::ptrdiff_t times = 1) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, FakeServer::patience,
                             [&] { return std::count(events_.begin(), events_.end(), event) >= times; });
  }

  std::string mailbox = "INBOX";
  std::function<Result<void>(Session&, const CallContext&)> at_news;

 private:
  void record(std::string event) {
    const std::lock_guard guard(mutex_);
    events_.push_back(std::move(event));
    changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> events_;
};

class WatcherTest : public ::testing::Test {
 protected:
  WatcherTest() {
    // Delays no test lives to see, unless it asks for others.
    settings_.backoff.first = settings_.backoff.cap = settings_.backoff.account = 1h;
    settings_.poll_interval = std::chrono::seconds(3600);
  }
  void start() {
    watcher_ = std::make_unique<Watcher>(settings_, server_.factory(), listener_);
    watcher_->start();
  }
  void reconnect_quickly() { settings_.backoff.first = settings_.backoff.cap = 1ms; }

  FakeServer server_;
  RecordingWatchListener listener_;
  Watcher::Settings settings_;
  std::unique_ptr<Watcher> watcher_;
};

TEST_F(WatcherTest, CatchesUpBeforeItWaits) {
  server_.deliver("INBOX", "Subject: a\r\n\r\n");
  start();
  ASSERT_TRUE(server_.wait_until_idling("INBOX"));
  EXPECT_THAT(listener_.events(), ElementsAre("started with 1", "watching"));
}

TEST_F(WatcherTest, NeedsOneConnection) {
  start();
  ASSERT_TRUE(server_.wait_until_idling("INBOX"));
  EXPECT_EQ(server_.count("LOGIN"), 1u);
  EXPECT_EQ(server_.count("SELECT"), 1u);
}

TEST_F(WatcherTest, GoesOnOnANewConnectionAfterAnException) {
  reconnect_quickly();
  listener_.at_news = [thrown = false](Session&, const CallContext&) mutable -> Result<void> {
    if (!std::exchange(thrown, true)) throw std::runtime_error("a defect");
    return {};
  };
  start();
  ASSERT_TRUE(server_.wait_until_idling("INBOX"));
  server_.deliver("INBOX", "Subject: a\r\n\r\n");
  ASSERT_TRUE(listener_.wait_for("started with 1"));
  ASSERT_TRUE(server_.wait_until_idling("INBOX"));
  server_.deliver("INBOX", "Subject: b\r\n\r\n");
  EXPECT_TRUE(listener_.wait_for("news", 2));
}

TEST_F(WatcherTest, TellsNewsAfterEachBurst) {
  start();
  ASSERT_TRUE(server_.wait_until_idling("INBOX"));
  const auto uid = server_.deliver("INBOX", "Subject: a\r\n\r\n");
  ASSERT_TRUE(listener_.wait_for("news"));
  ASSERT_TRUE(server_.wait_until_idling("INBOX"));
  server_.set_flags("INBOX", uid, FlagSet::parse("\\Seen"));
  ASSERT_TRUE(listener_.wait_for("news", 2));
  ASSERT_TRUE(server_.wait_until_idling("INBOX"));
  server_.expunge("INBOX", uid);
  ASSERT_TRUE(listener_.wait_for("news", 3));
  EXPECT_THAT(listener_.events(),
              ElementsAre("started with 0", "watching", "exists 1", "news", "fetch 1", "news", "vanished 1", "news"));
}

TEST_F(WatcherTest, LetsTheListenerUseTheSessionBetweenBursts) {
  listener_.at_news = [](Session& session, const CallContext& context) -> Result<void> {
    const auto found = IMAPFS_TRY(session.search("ALL", context));
    EXPECT_EQ(found.count(), 1u);
    return {};
  };
  start();
  ASSERT_TRUE(server_.wait_until_idling("INBOX"));
  server_.deliver("INBOX", "Subject: a\r\n\r\n");
  ASSERT_TRUE(server_.wait_for_count("SEARCH", 1));
  ASSERT_TRUE(server_.wait_until_idling("INBOX"));
}

TEST_F(WatcherTest, TellsNewsThatCameWhileTheListenerWorkedOnEarlierOnes) {
  std::atomic<bool> first{true};
  listener_.at_news = [&](Session& session, const CallContext& context) {
    if (first.exchange(false)) server_.deliver("INBOX", "Subject: b\r\n\r\n");
    return session.noop(context);
  };
  start();
  ASSERT_TRUE(server_.wait_until_idling("INBOX"));
  server_.deliver("INBOX", "Subject: a\r\n\r\n");
  ASSERT_TRUE(listener_.wait_for("news", 2));
  ASSERT_TRUE(server_.wait_until_idling("INBOX"));
  EXPECT_THAT(listener_.events(), ElementsAre("started with 0", "watching", "exists 1", "news", "exists 2", "news"));
}

TEST_F(WatcherTest, AskedItRenewsIdleAndSaysThatTheConnectionStands) {
  start();
  ASSERT_TRUE(server_.wait_until_idling("INBOX"));
  watcher_->ask();
  ASSERT_TRUE(listener_.wait_for("answers"));
  ASSERT_TRUE(server_.wait_until_idling("INBOX"));
  EXPECT_EQ(server_.count("LOGIN"), 1u);
}

TEST_F(WatcherTest, AskedASilentConnectionIsReplaced) {
  reconnect_quickly();
  start();
  ASSERT_TRUE(server_.wait_until_idling("INBOX"));
  server_.silence_all_sessions();
  server_.deliver("INBOX", "Subject: a\r\n\r\n");
  watcher_->ask();
  ASSERT_TRUE(listener_.wait_for("started with 1"));
  EXPECT_THAT(listener_.events(), ::testing::IsSupersetOf({"lost silently", "interrupted: IDLE was not answered"}));
}

TEST_F(WatcherTest, AskedWithoutIdleItPollsAtOnce) {
  server_.set_capability("IDLE", false);
  start();
  ASSERT_TRUE(listener_.wait_for("watching"));
  watcher_->ask();
  ASSERT_TRUE(listener_.wait_for("answers"));
}

TEST_F(WatcherTest, ACommandThatIsSilentSinceTheConnectionIsInDoubtIsGivenUp) {
  reconnect_quickly();
  settings_.give_up_after = 50ms;
  std::atomic<int> news{0};
  listener_.at_news = [&](Session& session, const CallContext& context) {
    if (++news == 1) server_.silence_all_sessions();
    return session.noop(context);
  };
  start();
  ASSERT_TRUE(server_.wait_until_idling("INBOX"));
  server_.deliver("INBOX", "Subject: a\r\n\r\n");
  ASSERT_TRUE(server_.wait_until_held("NOOP"));
  watcher_->ask();
  EXPECT_TRUE(listener_.wait_for("started with 1"));
}

TEST_F(WatcherTest, RenewsIdle) {
  settings_.renew_after = 0s;
  start();
  ASSERT_TRUE(server_.wait_for_count("IDLE", 3));
  watcher_->stop();
  EXPECT_THAT(listener_.events(), ElementsAre("started with 0", "watching"));
  EXPECT_EQ(server_.count("LOGIN"), 1u);
}

TEST_F(WatcherTest, ReconnectsAndCatchesUpAfterALostConnection) {
  reconnect_quickly();
  start();
  ASSERT_TRUE(server_.wait_until_idling("INBOX"));
  server_.drop_all_sessions();
  ASSERT_TRUE(listener_.wait_for("watching", 2));
  ASSERT_TRUE(server_.wait_until_idling("INBOX"));
  EXPECT_THAT(listener_.events(),
              ElementsAre("started with 0", "watching", "lost", "interrupted: connection closed by server",
                          "started with 0", "watching"));
}

TEST_F(WatcherTest, WaitsBeforeItReconnects) {
  start();
  ASSERT_TRUE(server_.wait_until_idling("INBOX"));
  server_.drop_all_sessions();
  ASSERT_TRUE(listener_.wait_for("interrupted: connection closed by server"));
  watcher_->stop();
  EXPECT_EQ(server_.count("LOGIN"), 1u);
}

TEST_F(WatcherTest, ForgetsTheBackoffWhenToldTo) {
  server_.refuse_connections();
  start();
  ASSERT_TRUE(listener_.wait_for("interrupted: connect: no route to host"));
  server_.accept_connections();
  watcher_->retry_now();
  ASSERT_TRUE(listener_.wait_for("watching"));
}

TEST_F(WatcherTest, ReportsAnInterruptionOnce) {
  reconnect_quickly();
  server_.refuse_connections();
  start();
  ASSERT_TRUE(server_.wait_for_count("LOGIN", 5));
  server_.accept_connections();
  ASSERT_TRUE(listener_.wait_for("watching"));
  EXPECT_THAT(listener_.events(), ElementsAre("interrupted: connect: no route to host", "started with 0", "watching"));
}

TEST_F(WatcherTest, DoesNotRepeatARefusedLogin) {
  reconnect_quickly();
  server_.refuse_connections(Error{EACCES, Scope::account, Retry::never, "LOGIN: authentication failed"});
  start();
  ASSERT_TRUE(listener_.wait_for("interrupted: LOGIN: authentication failed"));
  watcher_->stop();
  EXPECT_EQ(server_.count("LOGIN"), 1u);
}

TEST_F(WatcherTest, AsksByNoopWhereThereIsNoIdle) {
  server_.set_capability("IDLE", false);
  settings_.poll_interval = 0s;
  start();
  ASSERT_TRUE(server_.wait_for_count("NOOP", 3));
  server_.deliver("INBOX", "Subject: a\r\n\r\n");
  ASSERT_TRUE(listener_.wait_for("news"));
  watcher_->stop();
  EXPECT_EQ(server_.count("IDLE"), 0u);
  // A NOOP that brought nothing is no news.
  EXPECT_THAT(listener_.events(), ElementsAre("started with 0", "watching", "exists 1", "news"));
}

TEST_F(WatcherTest, StopsAtOnceBetweenTwoPolls) {
  server_.set_capability("IDLE", false);
  start();
  ASSERT_TRUE(listener_.wait_for("watching"));
  watcher_->stop();
  EXPECT_EQ(server_.count("NOOP"), 0u);
}

TEST_F(WatcherTest, WatchesOtherMailboxesByNotifyWhereTheServerHasIt) {
  settings_.use_notify = true;
  server_.create_mailbox("Archive");
  start();
  ASSERT_TRUE(server_.wait_until_idling("INBOX"));
  server_.deliver("Archive", "Subject: a\r\n\r\n");
  ASSERT_TRUE(listener_.wait_for("status Archive"));
  ASSERT_TRUE(listener_.wait_for("news"));
  ASSERT_TRUE(server_.wait_until_idling("INBOX"));
  server_.create_mailbox("New");
  ASSERT_TRUE(listener_.wait_for("list"));
  EXPECT_EQ(server_.count("NOTIFY"), 1u);
}

TEST_F(WatcherTest, AsksForNotifyOnlyWhereItIsOfferedAndWanted) {
  server_.set_capability("NOTIFY", false);
  settings_.use_notify = true;
  start();
  ASSERT_TRUE(server_.wait_until_idling("INBOX"));
  EXPECT_EQ(server_.count("NOTIFY"), 0u);
}

TEST_F(WatcherTest, WatchesWithoutNotifyWhenTheServerRefusesIt) {
  settings_.use_notify = true;
  server_.fail_next("NOTIFY", Error{EINVAL, Scope::request, Retry::never, "NOTIFY: bad"});
  start();
  ASSERT_TRUE(server_.wait_until_idling("INBOX"));
  EXPECT_EQ(server_.count("LOGIN"), 1u);
}

TEST_F(WatcherTest, EndsWhenItsMailboxIsDeleted) {
  reconnect_quickly();
  server_.create_mailbox("Gone");
  listener_.mailbox = "Gone";
  start();
  ASSERT_TRUE(server_.wait_until_idling("Gone"));
  server_.delete_mailbox("Gone");
  ASSERT_TRUE(listener_.wait_for("interrupted: Gone: no such mailbox [NONEXISTENT]"));
  // No connection is left, and none is tried.
  watcher_->stop();
  EXPECT_EQ(server_.live_connections(), 0u);
  EXPECT_EQ(server_.count("LOGIN"), 2u);
}

TEST_F(WatcherTest, TriesAgainWhenTheMailboxIsOnlyUnavailableNow) {
  reconnect_quickly();
  server_.fail_next("SELECT", Error{EBUSY, Scope::mailbox, Retry::later, "SELECT: in use [INUSE]"});
  start();
  ASSERT_TRUE(listener_.wait_for("watching"));
  EXPECT_EQ(server_.count("SELECT"), 2u);
}

TEST_F(WatcherTest, GoesOnWhenTheListenerCouldNotUseItsNews) {
  listener_.at_news = [](Session&, const CallContext&) -> Result<void> { return fail(ENOSPC, "store: disk full"); };
  start();
  ASSERT_TRUE(server_.wait_until_idling("INBOX"));
  server_.deliver("INBOX", "Subject: a\r\n\r\n");
  ASSERT_TRUE(listener_.wait_for("news"));
  ASSERT_TRUE(server_.wait_until_idling("INBOX"));
  EXPECT_EQ(server_.count("LOGIN"), 1u);
}

TEST_F(WatcherTest, StopsAtOnceWhileItIdles) {
  start();
  ASSERT_TRUE(server_.wait_until_idling("INBOX"));
  watcher_->stop();
  EXPECT_EQ(server_.count("LOGOUT"), 1u);
  EXPECT_EQ(server_.live_connections(), 0u);
  EXPECT_THAT(listener_.events(), ElementsAre("started with 0", "watching"));
}

TEST_F(WatcherTest, StopsAtOnceWhileItConnects) {
  server_.hold("LOGIN");
  start();
  ASSERT_TRUE(server_.wait_until_held("LOGIN"));
  watcher_->stop();
  EXPECT_TRUE(listener_.events().empty());
}

TEST_F(WatcherTest, StopsAtOnceWhileItCatchesUp) {
  server_.hold("SELECT");
  start();
  ASSERT_TRUE(server_.wait_until_held("SELECT"));
  watcher_->stop();
  EXPECT_TRUE(listener_.events().empty());
}

TEST_F(WatcherTest, StopsAtOnceWhileItBacksOff) {
  server_.refuse_connections();
  start();
  ASSERT_TRUE(listener_.wait_for("interrupted: connect: no route to host"));
  watcher_->stop();
  EXPECT_EQ(server_.count("LOGIN"), 1u);
}

TEST_F(WatcherTest, CanBeStartedAgainAfterAStop) {
  for (int i = 1; i <= 20; ++i) {
    if (i == 1) start();
    else watcher_->start();
    if (i % 2 == 0) {
      ASSERT_TRUE(server_.wait_until_idling("INBOX"));
    }
    watcher_->stop();
    ASSERT_EQ(server_.live_connections(), 0u);
  }
}

}  // namespace
}  // namespace imapfs::imap
